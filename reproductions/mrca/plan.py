"""The graph of cells behind MRCA's tables: one planner a seed, one method an arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from methods.common.miniature.lvis_view import DRAW_LVIS
from methods.common.seeds import Seeds
from methods.mrca.rounds import Round, plan_rounds
from methods.mrca.stages.budget import BUDGET, BudgetStageConfig
from methods.mrca.stages.cut import CUT
from methods.mrca.stages.entropy import ENTROPY
from methods.mrca.stages.evaluate import EVALUATE
from methods.mrca.stages.generate import GENERATE, GenerateConfig
from methods.mrca.stages.import_objects import IMPORT_OBJECTS
from methods.mrca.stages.pasting import NoPasting, Pasting
from methods.mrca.stages.split import SPLIT
from methods.mrca.stages.take import TAKE, TakeConfig
from methods.mrca.stages.train import TRAIN, TrainConfig
from reproductions.harness.cell import Cell, External
from reproductions.mrca.arms import ArmId
from reproductions.mrca.study import StudyConfig


@dataclass(frozen=True)
class RoundCells:
    """The cells of one MRCA round; those that make objects are None with a given pool."""

    plan: Round
    budget: Cell | None
    images: Cell | None
    pool: Cell
    train: Cell
    feedback: Cell | None
    """Evaluation on the feedback split; None where no later round needs it."""
    entropy: Cell | None


@dataclass(frozen=True)
class ArmCells:
    """The cells of one arm with one seed that a report reads."""

    evaluation: Cell
    trains: tuple[Cell, ...]
    """Every stretch of training behind the final weights, warm-up first."""
    images: tuple[Cell, ...] = ()
    cuts: tuple[Cell, ...] = ()
    """Cells that cut and filtered the images, or read given objects."""
    pools: tuple[Cell, ...] = ()
    """What is pasted; the cut cells, or a part of them."""
    rounds: tuple[RoundCells, ...] = ()
    equal_objects: int | None = None
    """Objects that the arm may use of a larger pool; None: all."""


@dataclass(frozen=True)
class SeedPlanner:
    """Builds the cells of one study with one seed; arms share what they have in common, by identity."""

    study: StudyConfig
    index: int
    """Number of the seed, from 0."""
    external: Mapping[str, External] = field(default_factory=dict)
    """Places from outside by role: data, generator, cutter, clip, backbone, objects."""

    @property
    def seeds(self) -> Seeds:
        """Data are the same for every seed, as LVIS is; generation and training differ (deviation ledger)."""
        return Seeds(data=0, generation=self.index, training=self.index)

    def arm(self, arm: ArmId) -> ArmCells:
        """Return the cells of one arm."""
        cells: ArmCells = getattr(self, arm)
        return cells

    # -- shared ------------------------------------------------------------------------------------------------------

    @cached_property
    def data(self) -> Mapping[str, tuple[Cell, ...]]:
        """Role ``data`` as input cells: the drawn world, or nothing when the data come from outside."""
        if self.study.world is None:
            return {}
        return {"data": (Cell(DRAW_LVIS, self.study.world, self.seeds, "draw the miniature LVIS", cost_s=3.0),)}

    def _external(self, *roles: str) -> dict[str, External]:
        wanted = roles if self.study.world is not None else ("data", *roles)
        return {role: self.external[role] for role in wanted if role in self.external}

    @cached_property
    def split(self) -> Cell:
        """Checked data, held-out part, class statistics."""
        return Cell(SPLIT, self.study.split, self.seeds, "split", self.data, self._external(), cost_s=1.0)

    def _label(self, *parts: str) -> str:
        return "/".join((f"seed{self.index}", *parts))

    def _train(
        self,
        label: str,
        phase: str,
        iterations: int,
        stretch: tuple[int, int],
        start: Literal["scratch", "weights", "resume"],
        pasting: Pasting,
        inputs: Mapping[str, tuple[Cell, ...]],
    ) -> Cell:
        study = self.study
        config = TrainConfig(
            segmenter=study.segmenter,
            recipe=study.recipe.model_copy(update={"iterations": iterations}),
            augmentation=study.augmentation,
            pasting=pasting,
            start=start,
            phase=phase,
            first_iteration=stretch[0],
            last_iteration=stretch[1],
            num_workers=study.num_workers,
            num_samples=study.num_samples if self.index == 0 and not isinstance(pasting, NoPasting) else 0,
        )
        roles = {**self.data, "split": (self.split,), **inputs}
        external = self._external("backbone") if start == "scratch" else self._external()
        cost_s = (stretch[1] - stretch[0]) * study.expected_train_s
        size = 5e6 * study.expected_model_mb
        return Cell(TRAIN, config, self.seeds, self._label(label), roles, external, cost_s=cost_s, disk_bytes=size)

    def _evaluate(self, label: str, model: Cell, split: Literal["val", "feedback"]) -> Cell:
        config = self.study.evaluation.model_copy(update={"split": split})
        roles = {**self.data, "split": (self.split,), "model": (model,)}
        cost_s = self.study.expected_evaluate_s * (1.0 if split == "val" else 0.2)
        return Cell(EVALUATE, config, self.seeds, self._label(label), roles, self._external(), cost_s=cost_s)

    @cached_property
    def warm_up(self) -> Cell:
        """M_0: real images only."""
        length = self.study.warm_up_iterations
        return self._train("warm_up/train", "warm_up", length, (0, length), "scratch", NoPasting(), {})

    def _main_phase(self, arm: str, iterations: int, pasting: Pasting, pools: tuple[Cell, ...], warm: bool) -> Cell:
        inputs: dict[str, tuple[Cell, ...]] = {"pool": pools} if pools else {}
        if warm:
            inputs["start"] = (self.warm_up,)
        return self._train(
            f"{arm}/train", "main", iterations, (0, iterations), "weights" if warm else "scratch", pasting, inputs
        )

    # -- arms without rounds -------------------------------------------------------------------------------------------

    @cached_property
    def no_aug(self) -> ArmCells:
        """Real images only; the very cell of the warm-up where both are equally long."""
        length = self.study.no_aug_iterations
        train = self._train("no_aug/train", "warm_up", length, (0, length), "scratch", NoPasting(), {})
        train = self.warm_up if train.id == self.warm_up.id else train
        return ArmCells(self._evaluate("no_aug/evaluate", train, "val"), (train,))

    @cached_property
    def no_aug_double(self) -> ArmCells:
        """Warm-up and as many further iterations as MRCA's, on real images only."""
        train = self._main_phase("no_aug_double", self.study.main_iterations, NoPasting(), (), warm=True)
        return ArmCells(self._evaluate("no_aug_double/evaluate", train, "val"), (self.warm_up, train))

    @cached_property
    def _xpaste_objects(self) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
        """Image cells and pool cells of X-Paste's large pool."""
        if "objects" in self.external:
            return (), (self._given_pool,)
        study = self.study.xpaste
        num_classes = self.study.segmenter.num_classes
        total = study.objects_per_class * num_classes
        budget = Cell(
            BUDGET,
            BudgetStageConfig(objects=total),
            self.seeds,
            self._label("xpaste/budget"),
            {"split": (self.split,)},
        )
        images, pools = [], []
        for shard in range(study.num_shards):
            config = study.generation.model_copy(update={"shard_index": shard, "num_shards": study.num_shards})
            label = f"xpaste/shard{shard}"
            cost_s = total / study.num_shards * self.study.expected_image_s
            size = self._image_bytes(total / study.num_shards)
            images.append(self._generate(f"{label}/generate", config, "xpaste_generator", budget, (), cost_s, size))
            pools.append(
                Cell(
                    CUT,
                    study.cutting,
                    self.seeds,
                    self._label(f"{label}/cut"),
                    {"split": (self.split,), "images": (images[-1],)},
                    self._external("cutter", "clip"),
                    cost_s=total / study.num_shards * self.study.expected_cut_s,
                    disk_bytes=self._image_bytes(total / study.num_shards) / 2,
                )
            )
        return tuple(images), tuple(pools)

    def _generate(
        self,
        label: str,
        config: GenerateConfig,
        generator: Literal["generator", "xpaste_generator"],
        budget: Cell,
        guide: tuple[Cell, ...],
        cost_s: float,
        disk_bytes: float,
    ) -> Cell:
        roles = {"split": (self.split,), "budget": (budget,), **({"guide": guide} if guide else {})}
        external = {"generator": self.external[generator]}
        return Cell(
            GENERATE, config, self.seeds, self._label(label), roles, external, cost_s=cost_s, disk_bytes=disk_bytes
        )

    def _image_bytes(self, number: float) -> float:
        return number * self.study.expected_image_kb * 1000

    @cached_property
    def xpaste(self) -> ArmCells:
        """X-Paste with its own, many times larger pool."""
        images, pools = self._xpaste_objects
        warm = self.study.xpaste.from_warm_up
        train = self._main_phase("xpaste", self.study.main_iterations, self.study.xpaste.pasting, pools, warm)
        trains = (self.warm_up, train) if warm else (train,)
        return ArmCells(self._evaluate("xpaste/evaluate", train, "val"), trains, images, pools, pools)

    @cached_property
    def xpaste_equal_pool(self) -> ArmCells:
        """X-Paste with as many generated objects as MRCA has in all rounds."""
        study = self.study
        images, pools = self._xpaste_objects
        total = study.mrca.rounds.objects_per_round * study.mrca.rounds.num_rounds
        per_class = total // study.segmenter.num_classes
        taken = Cell(
            TAKE,
            TakeConfig(images_per_class=per_class, generation=study.xpaste.generation),
            self.seeds,
            self._label("xpaste_equal_pool/take"),
            {"split": (self.split,), "pool": pools},
        )
        warm = study.xpaste.from_warm_up
        train = self._main_phase("xpaste_equal_pool", study.main_iterations, study.xpaste.pasting, (taken,), warm)
        trains = (self.warm_up, train) if warm else (train,)
        evaluation = self._evaluate("xpaste_equal_pool/evaluate", train, "val")
        return ArmCells(
            evaluation, trains, images, pools, (taken,), equal_objects=per_class * study.segmenter.num_classes
        )

    # -- MRCA ----------------------------------------------------------------------------------------------------------

    @cached_property
    def mrca(self) -> ArmCells:
        """All four ideas."""
        return self._rounds_arm("mrca", given_pool=False)

    @cached_property
    def mrca_given_pool(self) -> ArmCells:
        """Mapping and resizing feedback on a pool that was not generated: budget and guidance have nothing to act on."""
        return self._rounds_arm("mrca_given_pool", given_pool=True)

    @cached_property
    def _given_pool(self) -> Cell:
        return Cell(
            IMPORT_OBJECTS,
            self.study.given_objects,
            self.seeds,
            "import objects",
            {"split": (self.split,)},
            self._external("objects"),
            cost_s=5.0,
        )

    def _rounds_arm(self, arm: str, given_pool: bool) -> ArmCells:
        schedule = self.study.mrca.rounds
        plans = plan_rounds(schedule)
        needed = {number for plan in plans for number in (*(plan.budget_models or ()), plan.resize_model)}
        models: dict[int, Cell] = {0: self.warm_up}
        feedback: dict[int, Cell] = {}
        pools: dict[int, Cell] = {}
        rounds = []
        for plan in plans:
            name = f"{arm}/round{plan.number}"
            budget, images, pools[plan.number] = (
                (None, None, self._given_pool)
                if given_pool
                else self._make_objects(name, plan, models, feedback, pools)
            )
            models[plan.number] = self._train_round(name, plan, models, feedback, pools, given_pool)
            if plan.number in needed:
                feedback[plan.number] = self._evaluate(f"{name}/feedback", models[plan.number], "feedback")
            entropy = None if images is None else self._measure_entropy(name, plan, models, images)
            rounds.append(
                RoundCells(
                    plan,
                    budget,
                    images,
                    pools[plan.number],
                    models[plan.number],
                    feedback.get(plan.number),
                    entropy,
                )
            )
        evaluation = self._evaluate(f"{arm}/evaluate", models[schedule.num_rounds], "val")
        trains = tuple(models[number] for number in sorted(models))
        all_images = tuple(item.images for item in rounds if item.images is not None)
        unique_pools = tuple({cell.id: cell for cell in pools.values()}.values())
        return ArmCells(evaluation, trains, all_images, unique_pools, unique_pools, tuple(rounds))

    def _make_objects(
        self, name: str, plan: Round, models: dict[int, Cell], feedback: dict[int, Cell], pools: dict[int, Cell]
    ) -> tuple[Cell, Cell, Cell]:
        study = self.study.mrca
        roles: dict[str, tuple[Cell, ...]] = {"split": (self.split,)}
        if plan.budget_models is not None:
            now, before = plan.budget_models
            roles |= {
                "feedback": (feedback[now],),
                "model": (models[now],),
                "model_before": (models[before],),
                "pools": tuple(pools[number] for number in plan.counted_rounds),
            }
        wanted = BudgetStageConfig(objects=study.rounds.objects_per_round, formula=study.budget)
        budget = Cell(BUDGET, wanted, self.seeds, self._label(f"{name}/budget"), roles)
        changes: dict[str, object] = {"round_index": plan.number}
        if plan.guide_model is None:
            changes["guidance"] = None
        config = study.generation.model_copy(update=changes)
        guide = () if config.guidance is None or plan.guide_model is None else (models[plan.guide_model],)
        cost_s = study.rounds.objects_per_round * self.study.expected_image_s * (2.5 if guide else 1.0)
        size = self._image_bytes(study.rounds.objects_per_round)
        images = self._generate(f"{name}/generate", config, "generator", budget, guide, cost_s, size)
        pool = Cell(
            CUT,
            study.cutting,
            self.seeds,
            self._label(f"{name}/cut"),
            {"split": (self.split,), "images": (images,)},
            self._external("cutter", "clip"),
            cost_s=study.rounds.objects_per_round * self.study.expected_cut_s,
            disk_bytes=size / 2,
        )
        return budget, images, pool

    def _train_round(
        self,
        name: str,
        plan: Round,
        models: dict[int, Cell],
        feedback: dict[int, Cell],
        pools: dict[int, Cell],
        given_pool: bool,
    ) -> Cell:
        schedule = self.study.mrca.rounds
        rounds = (plan.number,) if given_pool else plan.pool_rounds
        inputs: dict[str, tuple[Cell, ...]] = {
            "start": (models[plan.number - 1],),
            "pool": tuple(pools[number] for number in rounds),
        }
        if plan.resize_model is not None:
            inputs["feedback"] = (feedback[plan.resize_model],)
        return self._train(
            f"{name}/train",
            "main",
            schedule.num_rounds * schedule.iterations_per_round,
            (plan.first_iteration, plan.last_iteration),
            "weights" if plan.number == 1 else "resume",
            self.study.mrca.pasting.model_copy(update={"round_index": plan.number}),
            inputs,
        )

    def _measure_entropy(self, name: str, plan: Round, models: dict[int, Cell], images: Cell) -> Cell:
        current = models[max(plan.number - self.study.mrca.rounds.feedback_lag, 0)]
        roles = {"images": (images,), "current": (current,), "warm_up": (self.warm_up,)}
        return Cell(ENTROPY, self.study.entropy, self.seeds, self._label(f"{name}/entropy"), roles, cost_s=4.0)
