"""Why is this cell not that cell? The difference of two identities, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from methods.common.errors import InputError
from reproductions.harness.cell import Cell, CellSpec, canonical_json
from reproductions.harness.find import CellT, Search

ABSENT = "(absent)"


@dataclass(frozen=True)
class Difference:
    """One place in which two identities differ; :data:`ABSENT` stands for what is not there."""

    path: str
    left: Any
    right: Any


def differences(left: Any, right: Any, path: str = "") -> Iterator[Difference]:
    """Walk two JSON documents and yield every leaf that differs."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            yield from differences(left.get(key, ABSENT), right.get(key, ABSENT), f"{path}.{key}" if path else key)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif canonical_json(left) != canonical_json(right):  # as the identity sees it: 1, 1.0 and true are not the same
        yield Difference(path, left, right)


@dataclass(frozen=True)
class Named:
    """An identity with a name to show."""

    name: str
    identity: dict[str, Any]
    is_stored: bool


def explain(name: str, other: str | None, search: Search) -> tuple[Named, Named, list[Difference]]:
    """Compare two named cells, or what the store holds of one with what the plans ask for now.

    Raises:
        InputError: a name fits nothing, or several cells.
    """
    left, right = (search.find(name), search.find(other)) if other is not None else _then_and_now(name, search)
    return _named(left, search), _named(right, search), list(differences(left.identity, right.identity))


def _then_and_now(name: str, search: Search) -> tuple[Cell | CellSpec, Cell]:
    """Find the cell of a plan and what the store holds in its place, be it the very cell; or a stored cell and what stands there now."""
    asked = search.planned(name)
    if not asked:
        stored = search.only(name, search.stored(name))
        return stored, _asked_now(stored, search)
    cell = search.only(name, asked)
    if search.store.knows(cell):
        return cell, cell
    rivals = [spec for spec in search.stored(cell.label) if spec.stage_name == cell.stage.name]
    return _nearest(cell, rivals) or cell, cell


def _asked_now(old: CellSpec, search: Search) -> Cell:
    """Find the planned cell that stands where ``old`` stood: of its stage, with the same label where there is one."""
    rivals = [cell for plan in search.plans.values() for cell in plan if cell.stage.name == old.stage_name]
    found = _nearest(old, [cell for cell in rivals if cell.label == old.label] or rivals)
    if found is None:
        raise InputError(
            f"no plan asked now has a {old.stage_name!r} cell to compare with; name another cell beside it"
        )
    return found


def _nearest(cell: Cell | CellSpec, rivals: Sequence[CellT]) -> CellT | None:
    return min(rivals, key=lambda rival: sum(1 for _ in differences(cell.identity, rival.identity)), default=None)


def _named(cell: Cell | CellSpec, search: Search) -> Named:
    is_stored = isinstance(cell, CellSpec) or search.store.knows(cell)
    how = "as stored" if isinstance(cell, CellSpec) else "as stored and asked now" if is_stored else "as asked now"
    return Named(f"{cell.label} {how} ({cell.id[:12]}, {search.origin(cell)})", cell.identity, is_stored)
