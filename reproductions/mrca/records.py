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


class MrcaReport(Report):
    """The report's records, with what only MRCA has."""

    classes: tuple[ClassInfo, ...] = ()
    budgets: tuple[BudgetRound, ...] = ()
    objects: tuple[CutOutSample, ...] = ()
    """Generated ones, a row a round."""
    pasted: tuple[InstanceSample, ...] = ()
    """Training images after pasting."""

    @model_validator(mode="after")
    def _budgets_fit(self) -> Self:
        for budget in self.budgets:
            assert len(budget.objects) == len(self.classes), f"round {budget.round}: one count a class"
        return self
