"""The base of every paper's planner: one planner a seed; arms share what they have in common, by identity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from methods.common.seeds import Seeds
from methods.common.stage import Config, Stage
from reproductions.harness.cell import Cell, External
from reproductions.study.arms import Arm
from reproductions.study.config import StudyConfig

Inputs = Mapping[str, tuple[Cell, ...]]
"""Cells by role."""


@dataclass(frozen=True)
class ArmCells:
    """The cells of one arm with one seed that a report reads."""

    evaluation: Cell | None
    """None for a study beside the tables."""
    trains: tuple[Cell, ...]
    """Every training behind the final weights, in order; the last one is the arm's own."""

    @property
    def wanted(self) -> tuple[Cell, ...]:
        """Cells that the plan must reach."""
        return () if self.evaluation is None else (self.evaluation,)

    @property
    def behind(self) -> tuple[Cell, ...]:
        """Cells that must be finished before the arm's cost is known."""
        return (*self.wanted, *self.trains)


StudyT = TypeVar("StudyT", bound=StudyConfig)
HowT = TypeVar("HowT")
CellsT = TypeVar("CellsT", bound=ArmCells)


@dataclass(frozen=True)
class SeedPlanner(ABC, Generic[StudyT, HowT, CellsT]):
    """Builds the cells of one study with one seed."""

    study: StudyT
    index: int
    """Number of the seed, from 0."""
    external: Mapping[str, External] = field(default_factory=dict)
    """Places from outside, by role."""
    beginning: str = ""
    """Of every label; what tells the studies of one plan apart."""
    _planned: dict[str, CellsT] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def seeds(self) -> Seeds:
        """Data are the same for every seed, as published sets are; generation and training differ (deviation ledgers)."""
        return Seeds(data=0, generation=self.index, training=self.index)

    @abstractmethod
    def plan_arm(self, arm: Arm[HowT]) -> CellsT:
        """Build the cells of an arm from how it trains."""

    def arm(self, arm: Arm[HowT]) -> CellsT:
        """Return the cells of an arm; they are built once."""
        if arm.id not in self._planned:
            self._planned[arm.id] = self.plan_arm(arm)
        return self._planned[arm.id]

    def draw_world(self) -> Cell | None:
        """Return the cell that draws the miniature world; None where the data come from outside."""
        return None

    @cached_property
    def data(self) -> dict[str, tuple[Cell, ...]]:
        """Role ``data`` as input cells; nothing when the data come from outside."""
        drawn = self.draw_world()
        return {} if drawn is None else {"data": (drawn,)}

    def label(self, *parts: str) -> str:
        """Return a label below the seed's name."""
        return "/".join((f"{self.beginning}seed{self.index}", *parts))

    def cell(
        self,
        stage: Stage[Any],
        config: Config,
        label: str,
        inputs: Inputs | None = None,
        outside: tuple[str, ...] = (),
        cost_s: float = 1.0,
        disk_bytes: float = 1e6,
        of_seed: bool = True,
        places: Mapping[str, External] | None = None,
    ) -> Cell:
        """Return a cell of this seed.

        Args:
            stage: what is done.
            config: its complete config.
            label: its name, below the seed's.
            inputs: finished cells by role.
            outside: roles that are taken from outside where they are given there; ``data`` among them is the drawn world where
                there is one.
            cost_s: rough seconds.
            disk_bytes: rough size of the result.
            of_seed: False for a cell that is the same for every seed.
            places: further ones from outside, by what the stage calls them.
        """
        drawn = self.data if "data" in outside else {}
        found = {role: self.external[role] for role in outside if role in self.external and role not in drawn}
        return Cell(
            stage,
            config,
            self.seeds,
            self.label(label) if of_seed else label,
            {**drawn, **(inputs or {})},
            {**found, **(places or {})},
            cost_s=cost_s,
            disk_bytes=disk_bytes,
        )
