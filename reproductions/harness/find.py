"""Find a cell by its label or the first digits of its id: in plans, and in a store that no plan at hand asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import TypeVar

from methods.common.errors import InputError
from reproductions.harness.cell import Cell, CellSpec
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store

CellT = TypeVar("CellT", bound=Cell | CellSpec)

_ID_START = re.compile("[0-9a-f]{1,64}")
_SURELY_ID = 8
"""Digits from which a name is no label: only files of that beginning are read then."""
_NUM_TOLD = 4
"""Cells that a message names when several fit."""


def find_in_plan(name: str, plan: Plan) -> Cell:
    """Find a cell of one plan.

    Raises:
        InputError: none or several fit.
    """
    found = _fitting(name, plan)
    if not found:
        raise InputError(f"no cell {name!r} in the plan {plan.name}{_nearest(name, plan)}")
    return _only(name, [(cell, plan.name) for cell in found])


@dataclass(frozen=True)
class Search:
    """The plans and the store in which a cell is looked for."""

    plans: Mapping[str, Plan]
    """By the name under which the user knows them."""
    store: Store
    asked: str = ""
    """How the plans were asked for, e.g. ``--tier smoke``."""
    unplanned: Mapping[str, str] = field(default_factory=dict)
    """Plans that cannot be made so, and why."""

    def find(self, name: str) -> Cell | CellSpec:
        """Find the one cell that is meant: of the plans, else of the store.

        Raises:
            InputError: none or several fit.
        """
        found: Sequence[Cell | CellSpec] = self.planned(name) or self.stored(name)
        return self.only(name, found)

    def find_begun(self, name: str) -> Cell | CellSpec:
        """Find the one cell that is meant, before all one that the store knows: a label stands for other cells at another tier.

        Where the store knows one such cell only, no plan is made.

        Raises:
            InputError: none or several fit.
        """
        stored = self.stored(name)
        if len(stored) == 1:
            return stored[0]
        planned = self.planned(name)
        begun = [cell for cell in planned if self.store.knows(cell)]
        found: Sequence[Cell | CellSpec] = begun or stored or planned
        return self.only(name, found)

    def planned(self, name: str) -> list[Cell]:
        """Return every cell of the plans that the name fits."""
        return _fitting(name, (cell for plan in self.plans.values() for cell in plan))

    def stored(self, name: str) -> list[CellSpec]:
        """Return every cell of the store that the name fits, whatever plan it came from."""
        is_long = _ID_START.fullmatch(name) is not None and len(name) >= _SURELY_ID
        return _fitting(name, self.store.known_cells(name) if is_long else self._known)

    def by_id(self, cell_id: str) -> Cell | CellSpec | None:
        """Return the cell of a whole id, of the plans or of the store."""
        stored = next(self.store.known_cells(cell_id), None)
        if stored is not None and stored.module:
            return stored
        return self._planned_by_id.get(cell_id) or stored

    def only(self, name: str, found: Sequence[CellT]) -> CellT:
        """Return the one cell that was found.

        Raises:
            InputError: there is none, or there are several.
        """
        if not found:
            raise InputError(self._nowhere(name))
        return _only(name, [(cell, self.origin(cell)) for cell in found])

    def origin(self, cell: Cell | CellSpec) -> str:
        """Name the plan that asks for a cell, or that asked for it when it was stored."""
        if isinstance(cell, CellSpec):
            return cell.scale or "an earlier plan"
        return next(plan.name for plan in self.plans.values() if any(one.id == cell.id for one in plan))

    @cached_property
    def _planned_by_id(self) -> dict[str, Cell]:
        return {cell.id: cell for plan in self.plans.values() for cell in plan}

    @cached_property
    def _known(self) -> list[CellSpec]:
        return list(self.store.known_cells())

    def _nowhere(self, name: str) -> str:
        plans = f"in the plans of {', '.join(self.plans)} ({self.asked})" if self.plans else "in any plan"
        near = _nearest(name, [*(cell for plan in self.plans.values() for cell in plan), *self._known])
        reasons = "".join(f"; {paper} cannot be planned: {reason}" for paper, reason in self.unplanned.items())
        return f"no cell {name!r} {plans} or in the store {self.store.root}{near}{reasons}"


def _fitting(name: str, cells: Iterable[CellT]) -> list[CellT]:
    """Return the cells with that label, else those with that start of an id, each id once."""
    labelled: dict[str, CellT] = {}
    begun: dict[str, CellT] = {}
    is_id = _ID_START.fullmatch(name) is not None
    for cell in cells:
        if cell.label == name:
            labelled[cell.id] = cell
        elif is_id and cell.id.startswith(name):
            begun[cell.id] = cell
    return list((labelled or begun).values())


def _only(name: str, found: Sequence[tuple[CellT, str]]) -> CellT:
    if len(found) == 1:
        return found[0][0]
    which = ", ".join(f"{cell.id[:12]} ({origin})" for cell, origin in found[:_NUM_TOLD])
    rest = f" and {len(found) - _NUM_TOLD} more" if len(found) > _NUM_TOLD else ""
    raise InputError(f"{name!r} fits {len(found)} cells, {which}{rest}; give the first digits of one id")


def _nearest(name: str, cells: Iterable[Cell | CellSpec]) -> str:
    near = get_close_matches(name, sorted({cell.label for cell in cells}), n=3)
    return f"; nearest: {', '.join(near)}" if near else ""
