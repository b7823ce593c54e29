"""Records that only MRCA's report has."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reports.records import Record, Report
from reports.samples import CutOutSample, InstanceSample

FrequencyGroup = Literal["r", "c", "f"]


class ClassInfo(Record):
    """One category of the training set."""

    id: int
    name: str
    group: FrequencyGroup
    train_images: int = Field(ge=0)
    """Training images that contain it."""
    feedback_images: int | None = Field(default=None, ge=0, exclude_if=lambda value: value is None)
    """Images of the feedback split that contain it; its AP is known where there is one."""


class BudgetRound(Record):
    """How many objects of each class were asked for in one round."""

    arm: str
    backbone: str
    seed: int
    round: int = Field(ge=1)
    objects: tuple[int, ...]
    """One count a class, in the order of ``Report.classes``."""
    accepted: tuple[int, ...] | None = None
    """How many of them survived cutting and filtering."""
    by_count: tuple[int, ...] | None = Field(default=None, exclude_if=lambda value: value is None)
    """What 1/S alone would have asked for; None in a round without feedback."""
    count_correlation: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """Pearson's, over classes, between the budget's weights and 1/S; None without feedback or spread."""


class GuidanceCost(Record):
    """What the guided images of one round took beside the same number of unguided twins."""

    arm: str
    backbone: str
    seed: int
    round: int = Field(ge=1)
    guided_s: float
    """GPU seconds, or CPU seconds where no GPU was used, as in the table of costs."""
    unguided_s: float


class GateRate(Record):
    """How often BSGAL's gate accepted in one training."""

    arm: str
    backbone: str
    seed: int
    rate: float | None = Field(ge=0, le=1)
    """Share of the judged batches that was accepted; None where none was judged."""
    by_part: tuple[float | None, ...]
    """The same in each of equal parts of the training, in order."""
    cache_mib: float
    """What the cached gradient takes."""


class FilterRate(Record):
    """What became of the images of one generator in one seed's pool."""

    arm: str
    backbone: str
    seed: int
    pool: str
    """Name of the generator's pool: a part of DiverGen's, or all of X-Paste's."""
    outcomes: dict[str, int]
    """Images by what became of them."""
    chosen: dict[str, int] = Field(default_factory=dict)
    """How often each of several cut-out networks had the best mask."""


class EnergyGap(Record):
    """How much surer a trained segmenter is of objects it was trained on than of others (TVG)."""

    arm: str
    backbone: str
    seed: int
    gap: float
    """Mean free energy on val minus that on training images."""
    train: float
    val: float


class MrcaReport(Report):
    """The report's records, with what only MRCA has."""

    classes: tuple[ClassInfo, ...] = ()
    budgets: tuple[BudgetRound, ...] = ()
    guidance_costs: tuple[GuidanceCost, ...] = ()
    gate_rates: tuple[GateRate, ...] = ()
    filter_rates: tuple[FilterRate, ...] = ()
    energy_gaps: tuple[EnergyGap, ...] = ()
    objects: tuple[CutOutSample, ...] = ()
    """Generated ones, a row a round; the same classes in each."""
    pasted: tuple[InstanceSample, ...] = ()
    """Training images after pasting."""

    @model_validator(mode="after")
    def _budgets_fit(self) -> Self:
        for budget in self.budgets:
            for counts in (budget.objects, budget.accepted, budget.by_count):
                assert counts is None or len(counts) == len(self.classes), f"round {budget.round}: one count a class"
        return self
