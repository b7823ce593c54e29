"""The graph of cells behind MRCA's tables: one planner a seed, one method a way of training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from methods.common.miniature.lvis_view import DRAW_LVIS
from methods.mrca.bsgal import BsgalConfig
from methods.mrca.stages.budget import BUDGET, BudgetStageConfig
from methods.mrca.stages.cut import CUT, CutStageConfig
from methods.mrca.stages.energy_gap import ENERGY_GAP
from methods.mrca.stages.evaluate import EVALUATE
from methods.mrca.stages.generate import GENERATE, GenerateConfig
from methods.mrca.stages.import_objects import IMPORT_OBJECTS
from methods.mrca.stages.keep_closest import KEEP_CLOSEST
from methods.mrca.stages.pasting import NoPasting, Pasting
from methods.mrca.stages.real_objects import REAL_OBJECTS, RealObjectsConfig
from methods.mrca.stages.split import SPLIT
from methods.mrca.stages.take import TAKE, TakeConfig
from methods.mrca.stages.take_as_many import TAKE_AS_MANY, TakeAsManyConfig
from methods.mrca.stages.train import TRAIN, TrainConfig
from reproductions.harness.cell import Cell
from reproductions.mrca.arms import DiverGen, How, RandomPasting, RealOnly, Rounds
from reproductions.mrca.plan_divergen import DiverGenPlanner
from reproductions.mrca.plan_rounds import RoundCells, RoundsPlanner
from reproductions.mrca.recipe import MrcaStudy
from reproductions.study import planner
from reproductions.study.arms import Arm
from reproductions.study.planner import Inputs

_WITH_ENERGY_GAP: tuple[How, ...] = (RealOnly(), RandomPasting(), DiverGen())
"""Arms whose energy gap is compared: without generated data, with X-Paste's, with DiverGen's."""


@dataclass(frozen=True)
class ArmCells(planner.ArmCells):
    """The cells of one arm with one seed that a report reads."""

    images: tuple[Cell, ...] = ()
    cuts: tuple[Cell, ...] = ()
    """Cells that cut and filtered the images, or read given objects."""
    pools: tuple[Cell, ...] = ()
    """What is pasted; the cut cells, or a part of them."""
    rounds: tuple[RoundCells, ...] = ()
    equal_objects: int | None = None
    """Objects that the arm may use of a larger pool; None: all."""
    gap: Cell | None = None
    """How much surer the final model is of what it was trained on; None where nobody asks."""

    @property
    def wanted(self) -> tuple[Cell, ...]:
        """The evaluation, the energy gap, and the entropies of every round."""
        measured = (cell for item in self.rounds for cell in (item.entropy, item.twin_entropy) if cell is not None)
        gap = () if self.gap is None else (self.gap,)
        return (*super().wanted, *gap, *{cell.id: cell for cell in measured}.values())

    @property
    def behind(self) -> tuple[Cell, ...]:
        """What the arm's cost is the sum of."""
        return (*super().behind, *self.images, *self.cuts, *self.pools)


@dataclass(frozen=True)
class SeedPlanner(planner.SeedPlanner[MrcaStudy, How, ArmCells]):
    """Builds the cells of one study with one seed.

    Roles from outside: data, generator, xpaste_generator, the cutters that the study names, clip, backbone or pretrained, objects, and
    those of :class:`~reproductions.mrca.plan_divergen.DiverGenPlanner`.
    """

    def plan_arm(self, arm: Arm[How]) -> ArmCells:
        """Build the cells of one arm, and measure the energy gap of DiverGen and of what it is compared with."""
        cells = self._plan(arm)
        if arm.how not in _WITH_ENERGY_GAP:
            return cells
        roles = {"split": (self.split,), "model": (cells.trains[-1],)}
        cost_s = self.study.expected_evaluate_s
        gap = self.cell(ENERGY_GAP, self.study.energy_gap, f"{arm.id}/energy_gap", roles, ("data",), cost_s)
        return replace(cells, gap=gap)

    def _plan(self, arm: Arm[How]) -> ArmCells:
        match arm.how:
            case RealOnly():
                return self._real_only(arm.id, arm.how)
            case RandomPasting():
                return self._random_pasting(arm.id, arm.how)
            case Rounds():
                return self._rounds(arm.id, arm.how)
            case DiverGen():
                return self._divergen(arm.id)

    # -- shared ------------------------------------------------------------------------------------------------------

    def draw_world(self) -> Cell | None:
        """Draw the miniature world, unless the data come from outside."""
        if self.study.world is None:
            return None
        return Cell(DRAW_LVIS, self.study.world, self.seeds, "draw the miniature LVIS", cost_s=3.0)

    @cached_property
    def split(self) -> Cell:
        """Checked data, held-out part, class statistics. Images are shrunk no further than training and test want them."""
        config, evaluation, augmentation = self.study.split, self.study.evaluation, self.study.augmentation
        if config.long_side_px:
            wanted = max(
                config.long_side_px, evaluation.long_side_px, round(augmentation.size_px * augmentation.max_scale)
            )
            config = config.model_copy(update={"long_side_px": wanted})
        return self.cell(SPLIT, config, "split", outside=("data",), of_seed=False)

    def train(
        self,
        label: str,
        phase: str,
        iterations: int,
        stretch: tuple[int, int],
        start: Literal["scratch", "weights", "resume"],
        pasting: Pasting,
        inputs: Inputs,
        acceptance: BsgalConfig | None = None,
        extra_classes: int = 0,
    ) -> Cell:
        """Train one stretch of a phase of so many iterations; judging a batch doubles the time of a step."""
        study = self.study
        config = TrainConfig(
            segmenter=study.segmenter.model_copy(update={"extra_classes": extra_classes}),
            recipe=study.recipe.model_copy(update={"iterations": iterations}),
            augmentation=study.augmentation,
            pasting=pasting,
            acceptance=acceptance,
            start=start,
            phase=phase,
            first_iteration=stretch[0],
            last_iteration=stretch[1],
            num_workers=study.num_workers,
            num_samples=study.num_samples if self.index == 0 and not isinstance(pasting, NoPasting) else 0,
        )
        return self.cell(
            TRAIN,
            config,
            label,
            {"split": (self.split,), **inputs},
            ("data", "backbone", "pretrained") if start == "scratch" else ("data",),
            cost_s=(stretch[1] - stretch[0]) * study.expected_step_s * (1.0 if acceptance is None else 2.0),
            disk_bytes=5e6 * study.expected_model_mb,
        )

    def evaluate(self, label: str, model: Cell, split: Literal["val", "feedback"]) -> Cell:
        """Rate a training's averaged weights."""
        config = self.study.evaluation.model_copy(update={"split": split})
        cost_s = self.study.expected_evaluate_s * (1.0 if split == "val" else 0.2)
        return self.cell(EVALUATE, config, label, {"split": (self.split,), "model": (model,)}, ("data",), cost_s)

    @cached_property
    def warm_up(self) -> Cell:
        """M_0: real images only."""
        length = self.study.warm_up_iterations
        return self.train("warm_up/train", "warm_up", length, (0, length), "scratch", NoPasting(), {})

    def _main_phase(
        self,
        arm: str,
        pasting: Pasting,
        pools: tuple[Cell, ...],
        warm: bool,
        acceptance: BsgalConfig | None = None,
    ) -> tuple[Cell, ...]:
        """Return the trainings of an arm without rounds: its own, after the warm-up where it starts from that."""
        inputs = {"pool": pools} if pools else {}
        inputs |= {"start": (self.warm_up,)} if warm else {}
        length, start = self.study.main_iterations, "weights" if warm else "scratch"
        train = self.train(f"{arm}/train", "main", length, (0, length), start, pasting, inputs, acceptance)  # type: ignore[arg-type]
        return (self.warm_up, train) if warm else (train,)

    # -- arms without rounds -------------------------------------------------------------------------------------------

    def _real_only(self, arm: str, how: RealOnly) -> ArmCells:
        """Train on real images: the very cell of the warm-up where both are equally long."""
        if how.double:
            trains = self._main_phase(arm, NoPasting(), (), warm=True)
        else:
            length = self.study.no_aug_iterations
            train = self.train(f"{arm}/train", "warm_up", length, (0, length), "scratch", NoPasting(), {})
            trains = (self.warm_up if train.id == self.warm_up.id else train,)
        return ArmCells(self.evaluate(f"{arm}/evaluate", trains[-1], "val"), trains)

    def _random_pasting(self, arm: str, how: RandomPasting) -> ArmCells:
        """Train with objects drawn at random: real ones, the whole pool or as many of it as MRCA has in all rounds."""
        study = self.study
        images, cuts = ((), (self._real_objects,)) if how.real_objects else self._xpaste_objects
        pools, taken = cuts, None
        if how.equal_pool:
            total = study.mrca.rounds.objects_per_round * study.mrca.rounds.num_rounds
            per_class = total // study.segmenter.num_classes
            config = TakeConfig(images_per_class=per_class, generation=study.xpaste.generation)
            pools = (self.cell(TAKE, config, f"{arm}/take", {"split": (self.split,), "pool": cuts}),)
            taken = per_class * study.segmenter.num_classes
        if how.closest_only:
            pools = (self.cell(KEEP_CLOSEST, study.xpaste_clip, f"{arm}/keep", {"pool": cuts}),)
        if how.equal_accepted:
            pools = (self._as_many_as_mrca(arm, cuts),)
        pasting = study.xpaste.pasting
        if how.equal_paste:
            number = study.mrca.pasting.mapping
            limits = {
                "min_objects_per_image": number.min_objects_per_image,
                "max_objects_per_image": number.max_objects_per_image,
            }
            pasting = pasting.model_copy(update={"sampler": pasting.sampler.model_copy(update=limits)})
        if how.with_real_images:
            pasting = pasting.model_copy(update={"real": study.real_pasting})
        acceptance = None if how.gate is None else study.gate(how.gate)
        trains = self._main_phase(arm, pasting, pools, study.xpaste.from_warm_up or how.from_warm_up, acceptance)
        evaluation = self.evaluate(f"{arm}/evaluate", trains[-1], "val")
        return ArmCells(evaluation, trains, images, cuts, pools, equal_objects=taken)

    def _divergen(self, arm: str) -> ArmCells:
        """Train with DiverGen's pool, from where X-Paste starts; the network has its extra classes from there on."""
        study, made = self.study, DiverGenPlanner(self)
        images, pools = made.objects()
        warm, length = study.xpaste.from_warm_up, study.main_iterations
        inputs = {"pool": pools, "classes": (made.classes,), **({"start": (self.warm_up,)} if warm else {})}
        start: Literal["scratch", "weights"] = "weights" if warm else "scratch"
        extra, pasting = study.divergen.classes.extra_classes, study.divergen.pasting
        stretch = (0, length)
        train = self.train(f"{arm}/train", "main", length, stretch, start, pasting, inputs, extra_classes=extra)
        evaluation = self.evaluate(f"{arm}/evaluate", train, "val")
        return ArmCells(evaluation, (self.warm_up, train) if warm else (train,), images, pools, pools)

    @cached_property
    def _real_objects(self) -> Cell:
        """The training set's own instances as a pool."""
        roles = {"split": (self.split,)}
        return self.cell(REAL_OBJECTS, RealObjectsConfig(), "real_objects", roles, ("data",), 10.0, of_seed=False)

    def _as_many_as_mrca(self, arm: str, pool: tuple[Cell, ...]) -> Cell:
        """The part of X-Paste's pool that has as many accepted objects as MRCA's rounds together."""
        config = TakeAsManyConfig(
            images_per_class=self.study.xpaste.objects_per_class, generation=self.study.xpaste.generation
        )
        like = self._rounds("mrca", Rounds()).pools
        return self.cell(TAKE_AS_MANY, config, f"{arm}/take", {"split": (self.split,), "pool": pool, "like": like})

    @cached_property
    def _xpaste_objects(self) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
        """Image cells and pool cells of X-Paste's large pool.

        Every seed has a pool of its own, as it has objects of its own in MRCA's rounds, which no two seeds can share because
        their models guide them: with one pool for all seeds, the luck of that pool would be in every difference and in no
        interval [C D64]. The tables of one run share it, as they do the unguided round 1: no model is behind either.
        """
        if "objects" in self.external:
            return (), (self.given_pool,)
        study = self.study.xpaste
        total = study.objects_per_class * self.study.segmenter.num_classes
        wanted, split = BudgetStageConfig(objects=total), {"split": (self.split,)}
        budget = self.cell(BUDGET, wanted, "xpaste/budget", split)
        images, pools = [], []
        for shard in range(study.num_shards):
            config = study.generation.model_copy(update={"shard_index": shard, "num_shards": study.num_shards})
            number = total / study.num_shards
            name = f"xpaste/shard{shard}"
            images.append(self.generate(name, config, "xpaste_generator", budget, (), number))
            pools.append(self.cut(name, study.cutting, images[-1], number))
        return tuple(images), tuple(pools)

    def generate(
        self,
        name: str,
        config: GenerateConfig,
        generator: Literal["generator", "xpaste_generator"],
        budget: Cell,
        guide: tuple[Cell, ...],
        number: float,
    ) -> Cell:
        """Paint a budget's objects, or those of a shard's classes."""
        roles = {"split": (self.split,), "budget": (budget,), **({"guide": guide} if guide else {})}
        return Cell(
            GENERATE,
            config,
            self.seeds,
            self.label(f"{name}/generate"),
            roles,
            {"generator": self.external[generator]},
            cost_s=number * self.study.expected_image_s * (2.5 if guide else 1.0),
            disk_bytes=self._image_bytes(number),
        )

    def cut(self, name: str, config: CutStageConfig, images: Cell, number: float) -> Cell:
        """Cut painted objects out and filter them."""
        return self.cell(
            CUT,
            config,
            f"{name}/cut",
            {"split": (self.split,), "images": (images,)},
            self._with_outside_data(*config.cutters, "clip"),
            cost_s=number * self.study.expected_cut_s,
            disk_bytes=self._image_bytes(number) / 2,
        )

    def _with_outside_data(self, *roles: str) -> tuple[str, ...]:
        """Add data from outside, which are part of the identity of cells that cut or read objects; a drawn world is not."""
        return roles if self.data else ("data", *roles)

    def _image_bytes(self, number: float) -> float:
        return number * self.study.expected_image_kb * 1000

    @cached_property
    def given_pool(self) -> Cell:
        """A user's own cut-outs."""
        config, split = self.study.given_objects, {"split": (self.split,)}
        return self.cell(
            IMPORT_OBJECTS, config, "import objects", split, self._with_outside_data("objects"), 5.0, of_seed=False
        )

    def _rounds(self, arm: str, how: Rounds) -> ArmCells:
        """Return the cells of rounds, those of MRCA itself or of a variant."""
        rounds, models = RoundsPlanner(self, how).rounds(arm)
        evaluation = self.evaluate(f"{arm}/evaluate", models[-1], "val")
        all_images = tuple(cell for item in rounds for cell in item.images)
        unique_pools = tuple({cell.id: cell for item in rounds for cell in item.pools}.values())
        return ArmCells(evaluation, models, all_images, unique_pools, unique_pools, rounds)
