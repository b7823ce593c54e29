"""The graph of cells behind MRCA's tables: one planner a seed, one method a way of training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from methods.common.miniature.lvis_view import DRAW_LVIS
from methods.mrca.rounds import Round, plan_rounds
from methods.mrca.stages.budget import BUDGET, BudgetStageConfig
from methods.mrca.stages.cut import CUT, CutStageConfig
from methods.mrca.stages.entropy import ENTROPY
from methods.mrca.stages.evaluate import EVALUATE
from methods.mrca.stages.generate import GENERATE, GenerateConfig
from methods.mrca.stages.import_objects import IMPORT_OBJECTS
from methods.mrca.stages.pasting import NoPasting, Pasting
from methods.mrca.stages.split import SPLIT
from methods.mrca.stages.take import TAKE, TakeConfig
from methods.mrca.stages.train import TRAIN, TrainConfig
from reproductions.harness.cell import Cell
from reproductions.mrca.arms import How, NotBuilt, RandomPasting, RealOnly, Rounds
from reproductions.mrca.recipe import MrcaStudy
from reproductions.study import planner
from reproductions.study.arms import Arm
from reproductions.study.planner import Inputs


@dataclass(frozen=True)
class RoundCells:
    """The cells of one MRCA round; those that make objects are None with a given pool."""

    plan: Round
    pools: tuple[Cell, ...]
    """Its objects, a cell a shard."""
    train: Cell
    feedback: Cell | None
    """Evaluation on the feedback split; None where no later round needs it."""
    budget: Cell | None = None
    images: tuple[Cell, ...] = ()
    """A cell a shard."""
    twins: tuple[Cell, ...] = ()
    """The same images of the first shards, painted without guidance; the very cells where the round has none."""
    entropy: Cell | None = None
    """Of the first shards' images, under every model."""
    twin_entropy: Cell | None = None
    """Of their twins; the very cell where the round is unguided."""

    @property
    def is_guided(self) -> bool:
        """Whether a model guided the images."""
        return any(image.id != twin.id for image, twin in zip(self.images, self.twins, strict=False))


@dataclass(frozen=True)
class _Objects:
    """What a round's objects are made by; only the pool where they are given."""

    pools: tuple[Cell, ...]
    budget: Cell | None = None
    images: tuple[Cell, ...] = ()
    twins: tuple[Cell, ...] = ()


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

    @property
    def wanted(self) -> tuple[Cell, ...]:
        """The evaluation, and the entropies of every round."""
        measured = (cell for item in self.rounds for cell in (item.entropy, item.twin_entropy) if cell is not None)
        return (*super().wanted, *{cell.id: cell for cell in measured}.values())

    @property
    def behind(self) -> tuple[Cell, ...]:
        """What the arm's cost is the sum of."""
        return (*super().behind, *self.images, *self.cuts, *self.pools)


@dataclass(frozen=True)
class SeedPlanner(planner.SeedPlanner[MrcaStudy, How, ArmCells]):
    """Builds the cells of one study with one seed.

    Roles from outside: data, generator, xpaste_generator, cutter, clip, backbone or pretrained, objects.
    """

    def plan_arm(self, arm: Arm[How]) -> ArmCells:
        """Build the cells of one arm."""
        match arm.how:
            case RealOnly():
                return self._real_only(arm.id, arm.how)
            case RandomPasting():
                return self._random_pasting(arm.id, arm.how)
            case Rounds():
                return self._rounds(arm.id, arm.how.given_pool)
            case NotBuilt():
                raise AssertionError(f"{arm.id} is not run: {arm.not_run}")

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

    def _train(
        self,
        label: str,
        phase: str,
        iterations: int,
        stretch: tuple[int, int],
        start: Literal["scratch", "weights", "resume"],
        pasting: Pasting,
        inputs: Inputs,
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
        return self.cell(
            TRAIN,
            config,
            label,
            {"split": (self.split,), **inputs},
            ("data", "backbone", "pretrained") if start == "scratch" else ("data",),
            cost_s=(stretch[1] - stretch[0]) * study.expected_step_s,
            disk_bytes=5e6 * study.expected_model_mb,
        )

    def _evaluate(self, label: str, model: Cell, split: Literal["val", "feedback"]) -> Cell:
        config = self.study.evaluation.model_copy(update={"split": split})
        cost_s = self.study.expected_evaluate_s * (1.0 if split == "val" else 0.2)
        return self.cell(EVALUATE, config, label, {"split": (self.split,), "model": (model,)}, ("data",), cost_s)

    @cached_property
    def warm_up(self) -> Cell:
        """M_0: real images only."""
        length = self.study.warm_up_iterations
        return self._train("warm_up/train", "warm_up", length, (0, length), "scratch", NoPasting(), {})

    def _main_phase(self, arm: str, pasting: Pasting, pools: tuple[Cell, ...], warm: bool) -> tuple[Cell, ...]:
        """Return the trainings of an arm without rounds: its own, after the warm-up where it starts from that."""
        inputs = {"pool": pools} if pools else {}
        inputs |= {"start": (self.warm_up,)} if warm else {}
        length, start = self.study.main_iterations, "weights" if warm else "scratch"
        train = self._train(f"{arm}/train", "main", length, (0, length), start, pasting, inputs)  # type: ignore[arg-type]
        return (self.warm_up, train) if warm else (train,)

    # -- arms without rounds -------------------------------------------------------------------------------------------

    def _real_only(self, arm: str, how: RealOnly) -> ArmCells:
        """Train on real images: the very cell of the warm-up where both are equally long."""
        if how.double:
            trains = self._main_phase(arm, NoPasting(), (), warm=True)
        else:
            length = self.study.no_aug_iterations
            train = self._train(f"{arm}/train", "warm_up", length, (0, length), "scratch", NoPasting(), {})
            trains = (self.warm_up if train.id == self.warm_up.id else train,)
        return ArmCells(self._evaluate(f"{arm}/evaluate", trains[-1], "val"), trains)

    def _random_pasting(self, arm: str, how: RandomPasting) -> ArmCells:
        """Train with objects drawn at random, of the whole pool or of as many as MRCA has in all rounds."""
        study = self.study
        images, cuts = self._xpaste_objects
        pools, taken = cuts, None
        if how.equal_pool:
            total = study.mrca.rounds.objects_per_round * study.mrca.rounds.num_rounds
            per_class = total // study.segmenter.num_classes
            config = TakeConfig(images_per_class=per_class, generation=study.xpaste.generation)
            pools = (self.cell(TAKE, config, f"{arm}/take", {"split": (self.split,), "pool": cuts}),)
            taken = per_class * study.segmenter.num_classes
        pasting = study.xpaste.pasting
        if how.equal_paste:
            number = study.mrca.pasting.mapping
            limits = {
                "min_objects_per_image": number.min_objects_per_image,
                "max_objects_per_image": number.max_objects_per_image,
            }
            pasting = pasting.model_copy(update={"sampler": pasting.sampler.model_copy(update=limits)})
        trains = self._main_phase(arm, pasting, pools, study.xpaste.from_warm_up or how.from_warm_up)
        evaluation = self._evaluate(f"{arm}/evaluate", trains[-1], "val")
        return ArmCells(evaluation, trains, images, cuts, pools, equal_objects=taken)

    @cached_property
    def _xpaste_objects(self) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
        """Image cells and pool cells of X-Paste's large pool.

        Every seed has a pool of its own, as it has objects of its own in MRCA's rounds, which no two seeds can share because
        their models guide them: with one pool for all seeds, the luck of that pool would be in every difference and in no
        interval [C D64]. The tables of one run share it, as they do the unguided round 1: no model is behind either.
        """
        if "objects" in self.external:
            return (), (self._given_pool,)
        study = self.study.xpaste
        total = study.objects_per_class * self.study.segmenter.num_classes
        wanted, split = BudgetStageConfig(objects=total), {"split": (self.split,)}
        budget = self.cell(BUDGET, wanted, "xpaste/budget", split)
        images, pools = [], []
        for shard in range(study.num_shards):
            config = study.generation.model_copy(update={"shard_index": shard, "num_shards": study.num_shards})
            number = total / study.num_shards
            name = f"xpaste/shard{shard}"
            images.append(self._generate(name, config, "xpaste_generator", budget, (), number))
            pools.append(self._cut(name, study.cutting, images[-1], number))
        return tuple(images), tuple(pools)

    def _generate(
        self,
        name: str,
        config: GenerateConfig,
        generator: Literal["generator", "xpaste_generator"],
        budget: Cell,
        guide: tuple[Cell, ...],
        number: float,
    ) -> Cell:
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

    def _cut(self, name: str, config: CutStageConfig, images: Cell, number: float) -> Cell:
        return self.cell(
            CUT,
            config,
            f"{name}/cut",
            {"split": (self.split,), "images": (images,)},
            self._with_outside_data("cutter", "clip"),
            cost_s=number * self.study.expected_cut_s,
            disk_bytes=self._image_bytes(number) / 2,
        )

    def _with_outside_data(self, *roles: str) -> tuple[str, ...]:
        """Add data from outside, which are part of the identity of cells that cut or read objects; a drawn world is not."""
        return roles if self.data else ("data", *roles)

    def _image_bytes(self, number: float) -> float:
        return number * self.study.expected_image_kb * 1000

    # -- rounds --------------------------------------------------------------------------------------------------------

    @cached_property
    def _given_pool(self) -> Cell:
        config, split = self.study.given_objects, {"split": (self.split,)}
        return self.cell(
            IMPORT_OBJECTS, config, "import objects", split, self._with_outside_data("objects"), 5.0, of_seed=False
        )

    def _rounds(self, arm: str, given_pool: bool) -> ArmCells:
        schedule = self.study.mrca.rounds
        plans = plan_rounds(schedule)
        needed = {number for plan in plans for number in (*(plan.budget_models or ()), plan.resize_model)}
        models: dict[int, Cell] = {0: self.warm_up}
        feedback: dict[int, Cell] = {}
        made: dict[int, _Objects] = {}
        for plan in plans:
            name = f"{arm}/round{plan.number}"
            made[plan.number] = (
                _Objects((self._given_pool,)) if given_pool else self._make_objects(name, plan, models, feedback, made)
            )
            models[plan.number] = self._train_round(name, plan, models, feedback, made, given_pool)
            if plan.number in needed:
                feedback[plan.number] = self._evaluate(f"{name}/feedback", models[plan.number], "feedback")
        rounds = [
            self._with_entropies(
                f"{arm}/round{plan.number}",
                RoundCells(
                    plan,
                    made[plan.number].pools,
                    models[plan.number],
                    feedback.get(plan.number),
                    made[plan.number].budget,
                    made[plan.number].images,
                    made[plan.number].twins,
                ),
                models,
            )
            for plan in plans
        ]
        evaluation = self._evaluate(f"{arm}/evaluate", models[schedule.num_rounds], "val")
        trains = tuple(models[number] for number in sorted(models))
        all_images = tuple(cell for item in rounds for cell in item.images)
        unique_pools = tuple({cell.id: cell for item in rounds for cell in item.pools}.values())
        return ArmCells(evaluation, trains, all_images, unique_pools, unique_pools, tuple(rounds))

    def _make_objects(
        self,
        name: str,
        plan: Round,
        models: dict[int, Cell],
        feedback: dict[int, Cell],
        made: dict[int, _Objects],
    ) -> _Objects:
        """Build the budget of a round, and in each shard its images and their cut-outs; in the first ones also the twins."""
        study = self.study.mrca
        roles: dict[str, tuple[Cell, ...]] = {"split": (self.split,)}
        if plan.budget_models is not None:
            now, before = plan.budget_models
            roles |= {
                "feedback": (feedback[now],),
                "model": (models[now],),
                "model_before": (models[before],),
                "pools": tuple(cell for number in plan.counted_rounds for cell in made[number].pools),
            }
        wanted = BudgetStageConfig(objects=study.rounds.objects_per_round, formula=study.budget)
        budget = self.cell(BUDGET, wanted, f"{name}/budget", roles)
        images, twins, pools = [], [], []
        for shard in range(study.num_shards):
            part = name if study.num_shards == 1 else f"{name}/shard{shard}"
            changes = {"round_index": plan.number, "shard_index": shard, "num_shards": study.num_shards}
            config = study.generation.model_copy(update=changes)
            plain = config.model_copy(update={"guidance": None})
            guide = () if config.guidance is None or plan.guide_model is None else (models[plan.guide_model],)
            number = study.rounds.objects_per_round / study.num_shards
            images.append(self._generate(part, config if guide else plain, "generator", budget, guide, number))
            pools.append(self._cut(part, study.cutting, images[-1], number))
            if shard < study.entropy_shards:
                twin = f"{part}/unguided"
                twins.append(self._generate(twin, plain, "generator", budget, (), number) if guide else images[-1])
        return _Objects(tuple(pools), budget, tuple(images), tuple(twins))

    def _train_round(
        self,
        name: str,
        plan: Round,
        models: dict[int, Cell],
        feedback: dict[int, Cell],
        made: dict[int, _Objects],
        given_pool: bool,
    ) -> Cell:
        schedule = self.study.mrca.rounds
        rounds = (plan.number,) if given_pool else plan.pool_rounds
        inputs: dict[str, tuple[Cell, ...]] = {
            "start": (models[plan.number - 1],),
            "pool": tuple(cell for number in rounds for cell in made[number].pools),
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

    def _with_entropies(self, name: str, item: RoundCells, models: dict[int, Cell]) -> RoundCells:
        """Add what every model, M_0 first, sees in a round's images and in their twins."""
        if not item.images:
            return item
        shown = item.images[: self.study.mrca.entropy_shards]
        entropy = self._measure_entropy(f"{name}/entropy", shown, models)
        twin = self._measure_entropy(f"{name}/unguided/entropy", item.twins, models) if item.is_guided else entropy
        return replace(item, entropy=entropy, twin_entropy=twin)

    def _measure_entropy(self, label: str, images: tuple[Cell, ...], models: dict[int, Cell]) -> Cell:
        roles = {"images": images, "models": tuple(models[number] for number in sorted(models))}
        return self.cell(ENTROPY, self.study.entropy, label, roles, cost_s=2.0 * len(models))
