"""Why is this cell not that cell? The difference of two identities, followed to the cell in which it begins."""

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
    cell: Cell | CellSpec
    is_stored: bool

    @property
    def identity(self) -> dict[str, Any]:
        """The document behind the id."""
        return self.cell.identity


def explain(name: str, other: str | None, search: Search) -> tuple[Named, Named, list[Difference]]:
    """Compare two named cells, before all ones that the store knows, or what the store holds of one with what the plans ask for now.

    Raises:
        InputError: a name fits nothing, or several cells.
    """
    left, right = _then_and_now(name, search) if other is None else (search.find_begun(name), search.find_begun(other))
    return _named(left, search), _named(right, search), list(differences(left.identity, right.identity))


@dataclass(frozen=True)
class Cause:
    """What makes two cells different: a difference of their own, or of a cell that they are made from."""

    label: str
    """Of the cell in which the difference is."""
    kind: str
    """"setting", "seed", "code version", "data or weights from outside", "input" or "stage"."""
    path: str
    """The place in the identity."""
    left: Any
    right: Any


def causes(left: Cell | CellSpec, right: Cell | CellSpec, search: Search) -> list[Cause]:
    """Follow the inputs that differ to the cells in which the difference begins; each cell is told once.

    An input that neither the plans nor the store know any more is told by its id.
    """
    return list(_causes(left, right, search, set()))


def _causes(
    left: Cell | CellSpec, right: Cell | CellSpec, search: Search, told: set[tuple[str, str]]
) -> Iterator[Cause]:
    if (left.id, right.id) in told:
        return
    told.add((left.id, right.id))
    for found in differences(left.identity | {"inputs": {}}, right.identity | {"inputs": {}}):
        yield Cause(right.label, _kind(found.path), found.path, found.left, found.right)
    before, now = left.identity["inputs"], right.identity["inputs"]
    for role in sorted(before.keys() | now.keys()):
        yield from _input_causes(role, before.get(role, []), now.get(role, []), right.label, search, told)


def _input_causes(
    role: str, before: list[str], now: list[str], label: str, search: Search, told: set[tuple[str, str]]
) -> Iterator[Cause]:
    """Set the cells of one role beside each other: by label, the rest by their order; what is left came or went."""
    gone = [(cell_id, search.by_id(cell_id)) for cell_id in before if cell_id not in now]
    new = [(cell_id, search.by_id(cell_id)) for cell_id in now if cell_id not in before]
    if not gone and not new and before != now:
        yield Cause(label, "input", f"inputs.{role}", "in another order", "")
    for cell_id, cell in list(new):
        same = next((one for one in gone if cell and one[1] and one[1].label == cell.label), None)
        if same is None and len(gone) == len(new) == 1:
            same = gone[0]
        if (
            same is not None
            and cell is not None
            and same[1] is not None
            and same[1].identity["stage"] == cell.identity["stage"]
        ):
            gone.remove(same)
            new.remove((cell_id, cell))
            yield from _causes(same[1], cell, search, told)
    for index in range(max(len(gone), len(new))):
        was, comes = (_input_name(side, index) for side in (gone, new))
        yield Cause(label, "input", f"inputs.{role}", was, comes)


def _input_name(cells: Sequence[tuple[str, Cell | CellSpec | None]], index: int) -> str:
    if index >= len(cells):
        return ABSENT
    cell_id, cell = cells[index]
    return f"{cell.label} ({cell_id[:12]})" if cell is not None else f"{cell_id[:12]}, which is no longer known"


_KINDS = {"config": "setting", "seeds": "seed", "version": "code version", "external": "data or weights from outside"}


def _kind(path: str) -> str:
    return _KINDS.get(path.partition(".")[0], "stage")


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
    return Named(f"{cell.label} {how} ({cell.id[:12]}, {search.origin(cell)})", cell, is_stored)
