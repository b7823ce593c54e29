"""The cells of MRCA's rounds and of their variants: which model feeds back into which round (section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from methods.mrca.rounds import Round, plan_rounds
from methods.mrca.stages.budget import BUDGET, BudgetStageConfig
from methods.mrca.stages.entropy import ENTROPY
from methods.mrca.stages.generate import GenerateConfig
from methods.mrca.stages.shuffle_budget import SHUFFLE_BUDGET, ShuffleConfig
from reproductions.harness.cell import Cell
from reproductions.mrca.ablations import settings_of
from reproductions.mrca.arms import Rounds
from reproductions.mrca.recipe import MrcaConfig

if TYPE_CHECKING:
    from reproductions.mrca.plan import SeedPlanner


@dataclass(frozen=True)
class RoundCells:
    """The cells of one MRCA round; those that make objects are None with a given pool."""

    plan: Round
    pools: tuple[Cell, ...]
    """Its objects, a cell a shard."""
    train: Cell
    feedback: Cell | None
    """Evaluation that steers later rounds; None where no later round needs it."""
    budget: Cell | None = None
    images: tuple[Cell, ...] = ()
    """A cell a shard."""
    twins: tuple[Cell, ...] = ()
    """The same images of the first shards, painted without guidance; the very cells where the round has none. Of MRCA itself only."""
    entropy: Cell | None = None
    """Of the first shards' images, under every model."""
    twin_entropy: Cell | None = None
    """Of their twins; the very cell where the round is unguided."""

    @property
    def is_guided(self) -> bool:
        """Whether a model guided the images, seen by their twins."""
        return any(image.id != twin.id for image, twin in zip(self.images, self.twins, strict=False))


@dataclass(frozen=True)
class _Objects:
    """What a round's objects are made by; only the pool where they are given."""

    pools: tuple[Cell, ...]
    budget: Cell | None = None
    images: tuple[Cell, ...] = ()
    twins: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class RoundsPlanner:
    """Builds the rounds of one arm with one seed, round after round."""

    planner: SeedPlanner
    how: Rounds
    _models: dict[int, Cell] = field(default_factory=dict)
    """Training cell of each M_r so far."""
    _feedback: dict[int, Cell] = field(default_factory=dict)
    """Evaluation of each M_r that steers."""
    _made: dict[int, _Objects] = field(default_factory=dict)
    """Objects of each round so far."""

    @cached_property
    def settings(self) -> MrcaConfig:
        """The study's settings with what the variant changes."""
        return settings_of(self.planner.study.mrca, self.how)

    def rounds(self, arm: str) -> tuple[tuple[RoundCells, ...], tuple[Cell, ...]]:
        """Return every round of an arm, and the trainings of M_0, M_1, ... in order."""
        plans = plan_rounds(self.settings.rounds)
        needed = {number for plan in plans for number in self._steering_models(plan)}
        self._models[0] = self.planner.warm_up
        for plan in plans:
            name = f"{arm}/round{plan.number}"
            self._made[plan.number] = (
                _Objects((self.planner.given_pool,)) if self.how.given_pool else self._make_objects(name, plan)
            )
            self._models[plan.number] = self._train_round(name, plan)
            if plan.number in needed:
                split: Literal["val", "feedback"] = "val" if self.how.feedback == "val" else "feedback"
                model = self._models[plan.number]
                self._feedback[plan.number] = self.planner.evaluate(f"{name}/feedback", model, split)
        found = (self._with_entropies(f"{arm}/round{plan.number}", self._cells_of(plan)) for plan in plans)
        return tuple(found), tuple(self._models[number] for number in sorted(self._models))

    def _cells_of(self, plan: Round) -> RoundCells:
        made, number = self._made[plan.number], plan.number
        trained = self._models[number], self._feedback.get(number)
        return RoundCells(plan, made.pools, *trained, made.budget, made.images, made.twins)

    def _steering_models(self, plan: Round) -> tuple[int, ...]:
        """Return the models whose accuracy a round asks for."""
        of_budget = (plan.budget_models or ()) if self.how.budget != "uniform" else ()
        of_sizes = (plan.resize_model,) if self.how.resizing and plan.resize_model is not None else ()
        return (*of_budget, *of_sizes)

    def _make_objects(self, name: str, plan: Round) -> _Objects:
        """Build the budget of a round, and in each shard its images and their cut-outs; in the first ones also the twins."""
        settings, planner = self.settings, self.planner
        budget = self._budget(name, plan)
        images, twins, pools = [], [], []
        number = settings.rounds.objects_per_round / settings.num_shards
        for shard in range(settings.num_shards):
            part = name if settings.num_shards == 1 else f"{name}/shard{shard}"
            changes = {"round_index": plan.number, "shard_index": shard, "num_shards": settings.num_shards}
            config = settings.generation.model_copy(update=changes)
            plain = config.model_copy(update={"guidance": None})
            is_guided = config.guidance is not None and plan.guide_model is not None
            guide = self._guide(config, plan)
            painted = config if is_guided else plain
            images.append(planner.generate(part, painted, "generator", budget, guide, number))
            pools.append(planner.cut(part, settings.cutting, images[-1], number))
            if shard < settings.entropy_shards and self.how == Rounds():
                twin = f"{part}/unguided"
                twins.append(
                    planner.generate(twin, plain, "generator", budget, (), number) if is_guided else images[-1]
                )
        return _Objects(tuple(pools), budget, tuple(images), tuple(twins))

    def _guide(self, config: GenerateConfig, plan: Round) -> tuple[Cell, ...]:
        """Return the model that guides a round's images; none where they are unguided or shifted by chance."""
        if config.guidance is None or config.guidance.direction == "random" or plan.guide_model is None:
            return ()
        return (self._models[plan.guide_model],)

    def _budget(self, name: str, plan: Round) -> Cell:
        settings, planner = self.settings, self.planner
        roles: dict[str, tuple[Cell, ...]] = {"split": (planner.split,)}
        if plan.budget_models is not None and self.how.budget != "uniform":
            now, before = plan.budget_models
            roles |= {
                "feedback": (self._feedback[now],),
                "model": (self._models[now],),
                "model_before": (self._models[before],),
                "pools": tuple(cell for number in plan.counted_rounds for cell in self._made[number].pools),
            }
        wanted = BudgetStageConfig(objects=settings.rounds.objects_per_round, formula=settings.budget)
        budget = planner.cell(BUDGET, wanted, f"{name}/budget", roles)
        if self.how.budget != "shuffled":
            return budget
        dealt = ShuffleConfig(round_index=plan.number)
        return planner.cell(SHUFFLE_BUDGET, dealt, f"{name}/shuffled_budget", {"budget": (budget,)})

    def _train_round(self, name: str, plan: Round) -> Cell:
        schedule = self.settings.rounds
        rounds = (plan.number,) if self.how.given_pool else plan.pool_rounds
        inputs: dict[str, tuple[Cell, ...]] = {
            "start": (self._models[plan.number - 1],),
            "pool": tuple(cell for number in rounds for cell in self._made[number].pools),
        }
        if plan.resize_model is not None and self.how.resizing:
            inputs["feedback"] = (self._feedback[plan.resize_model],)
        return self.planner.train(
            f"{name}/train",
            "main",
            schedule.num_rounds * schedule.iterations_per_round,
            (plan.first_iteration, plan.last_iteration),
            "weights" if plan.number == 1 else "resume",
            self.settings.pasting.model_copy(update={"round_index": plan.number}),
            inputs,
        )

    def _with_entropies(self, name: str, item: RoundCells) -> RoundCells:
        """Add what every model, M_0 first, sees in a round's images and in their twins."""
        if not item.twins:
            return item
        shown = item.images[: self.settings.entropy_shards]
        entropy = self._measure_entropy(f"{name}/entropy", shown)
        twin = self._measure_entropy(f"{name}/unguided/entropy", item.twins) if item.is_guided else entropy
        return replace(item, entropy=entropy, twin_entropy=twin)

    def _measure_entropy(self, label: str, images: tuple[Cell, ...]) -> Cell:
        roles = {"images": images, "models": tuple(self._models[number] for number in sorted(self._models))}
        return self.planner.cell(ENTROPY, self.planner.study.entropy, label, roles, cost_s=2.0 * len(self._models))
