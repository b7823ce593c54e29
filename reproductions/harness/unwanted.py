"""Which cells of a store no known plan wants, and how they are removed: never one that somebody works on or waits for."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reproductions.harness.cell import CellSpec
from reproductions.harness.logs import log_path
from reproductions.harness.store import Store

_NOT_CELLS = frozenset({"probe", "plans"})
"""Locks that belong to no cell."""


@dataclass(frozen=True)
class Unwanted:
    """One cell that can go."""

    cell: CellSpec
    scale: str
    """Name of the plan that it was last run for."""
    num_bytes: int


@dataclass(frozen=True)
class Verdict:
    """What is to be done with the cells of a store."""

    unwanted: tuple[Unwanted, ...]
    num_wanted: int
    num_in_work: int
    """Kept because somebody works on them, or on what needs them."""
    num_unknown: int
    """Kept because no run has written down the plan that they belong to."""


def judge_cells(store: Store, wanted: Collection[str], scales: Collection[str], queued: Iterable[str] = ()) -> Verdict:
    """Go through every cell that the store knows.

    Args:
        store: where.
        wanted: ids that known plans ask for now.
        scales: names of all known plans, those that are forgotten included; cells of other plans are kept.
        queued: ids of cells that wait for their turn on a cluster.
    """
    cells = {cell.id: cell for cell in store.known_cells()}
    in_work = _with_inputs({*queued, *_claimed(store)}, cells)
    unwanted, num_unknown, num_wanted, num_in_work = [], 0, 0, 0
    for cell in cells.values():
        scale = _scale(store, cell)
        if cell.id in wanted:
            num_wanted += 1
        elif cell.id in in_work:
            num_in_work += 1
        elif scale not in scales:
            num_unknown += 1
        else:
            num_bytes = sum(_size(place) for place in _places(store, cell))
            unwanted.append(Unwanted(cell, scale, num_bytes))
    return Verdict(tuple(unwanted), num_wanted, num_in_work, num_unknown)


def remove(store: Store, unwanted: Sequence[Unwanted]) -> int:
    """Remove cells with all that belongs to them; return how many bytes that freed.

    The caller holds the lock of :mod:`reproductions.harness.known_plans`. A cell that somebody has begun to work on meanwhile stays.
    """
    freed = 0
    for one in unwanted:
        with store.claim(one.cell.id) as claimed:
            if not claimed:
                continue
            store.discard(one.cell)
            for place in _places(store, one.cell):
                if place.is_dir():
                    shutil.rmtree(place, ignore_errors=True)
                else:
                    place.unlink(missing_ok=True)
            freed += one.num_bytes
    return freed


def _claimed(store: Store) -> Iterator[str]:
    """Ids of the cells that somebody works on now."""
    return (name for name in store.listing().locks - _NOT_CELLS if store.is_claimed(name))


def _with_inputs(ids: set[str], cells: Mapping[str, CellSpec]) -> set[str]:
    """Add every cell that these are made from, however far behind."""
    found: set[str] = set()
    left = list(ids)
    while left:
        cell_id = left.pop()
        if cell_id not in found:
            found.add(cell_id)
            left += cells[cell_id].needs if cell_id in cells else []
    return found


def _scale(store: Store, cell: CellSpec) -> str:
    """Name the plan that a cell was last run for; a finished cell whose spec is lost still tells it."""
    if not cell.scale:
        with suppress(OSError, ValueError):
            return str(store.provenance(cell).get("scale", ""))
    return cell.scale


def _places(store: Store, cell: CellSpec) -> list[Path]:
    """Everything that belongs to a cell, there or not."""
    return [
        store.cell_folder(cell),
        store.work_folder(cell.id),
        store.root / "specs" / f"{cell.id}.json",
        store.root / "failures" / f"{cell.id}.json",
        log_path(store, cell.id),
    ]


def _size(place: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    with suppress(OSError):
        if place.is_file():
            return place.stat().st_size
        return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return 0
