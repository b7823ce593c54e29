"""A plan: the graph of cells behind a report, in an order in which it can be run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from reproductions.harness.cell import Cell
from reproductions.harness.store import Store


@dataclass(frozen=True)
class Plan:
    """The cells that the given targets need, each once, inputs before users."""

    name: str
    targets: tuple[Cell, ...]
    groups: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict, repr=False, compare=False)
    """Targets by what asks for them, such as the arms of a paper; empty where nothing does."""
    _order: dict[str, Cell] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order: dict[str, Cell] = {}
        stack: list[tuple[Cell, bool]] = [(cell, False) for cell in reversed(self.targets)]
        while stack:
            cell, inputs_done = stack.pop()
            if cell.id in order:
                continue
            if inputs_done:
                order[cell.id] = cell
            else:
                stack.append((cell, True))
                stack.extend((needed, False) for needed in reversed(list(inputs_of(cell))))
        object.__setattr__(self, "_order", order)

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._order.values())

    def __getitem__(self, cell_id: str) -> Cell:
        return self._order[cell_id]

    @cached_property
    def downstream_cost_s(self) -> dict[str, float]:
        """Longest chain of expected seconds from the start of each cell to the end of the plan."""
        longest = {cell.id: cell.cost_s for cell in self}
        for cell in reversed(self._order.values()):
            for needed in inputs_of(cell):
                longest[needed.id] = max(longest[needed.id], needed.cost_s + longest[cell.id])
        return longest

    @cached_property
    def askers(self) -> dict[str, frozenset[str]]:
        """Which of :attr:`groups` need each cell, by its id."""
        names = list(self.groups)
        asked = dict.fromkeys(self._order, 0)
        for place, cells in enumerate(self.groups.values()):
            for cell in cells:
                asked[cell.id] |= 1 << place
        for cell in reversed(self._order.values()):
            for needed in inputs_of(cell):
                asked[needed.id] |= asked[cell.id]
        known = {
            bits: frozenset(name for place, name in enumerate(names) if bits >> place & 1)
            for bits in set(asked.values())
        }
        return {cell_id: known[bits] for cell_id, bits in asked.items()}

    def by_urgency(self) -> list[Cell]:
        """Cells with the longest chain behind them first, so that no core waits at the end for one long chain."""
        return sorted(self, key=lambda cell: -self.downstream_cost_s[cell.id])

    def drop_damaged(self, store: Store, deep: bool = False) -> list[tuple[Cell, str]]:
        """Discard finished cells whose bytes no longer match their seal; return them with the reason.

        Done under the cell's lock, so that a run beside this one, which may just have made it anew, loses nothing.
        """
        damaged = []
        listing = store.listing()
        for cell in self:
            if not listing.may_be_complete(cell) or store.damage(cell, deep=deep) is None:
                continue
            with store.claim(cell.id) as claimed:
                reason = store.damage(cell, deep=deep) if claimed and store.cell_folder(cell).exists() else None
                if reason is not None:
                    store.discard(cell)
                    damaged.append((cell, reason))
        return damaged

    def missing(self, store: Store) -> list[Cell]:
        """Cells that are not finished. Thousands that were never begun cost no look at the disk each."""
        listing = store.listing()
        return [cell for cell in self if not (listing.may_be_complete(cell) and store.is_complete(cell))]


def inputs_of(cell: Cell) -> Iterable[Cell]:
    """Every input cell, in the order of roles."""
    return (needed for cells in cell.inputs.values() for needed in cells)
