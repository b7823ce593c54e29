"""Why is this cell not that cell? The difference of two identities, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from methods.common.errors import InputError
from reproductions.harness.cell import canonical_json
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store

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


_ID_START = re.compile("[0-9a-f]{4,64}")


@dataclass(frozen=True)
class Named:
    """An identity with a name to show."""

    name: str
    identity: dict[str, Any]
    label: str = ""


def find(name: str, store: Store, plan: Plan | None) -> Named:
    """Find a cell by label in the plan, or by the start of its id in the store or the plan.

    Raises:
        InputError: nothing or more than one thing matches.
    """
    found: dict[str, Named] = {}
    for cell in plan or ():
        if cell.label == name or (len(name) >= 4 and cell.id.startswith(name)):
            found[cell.id] = Named(f"{cell.label} as asked now ({cell.id[:12]})", cell.identity, cell.label)
    if not found and _ID_START.fullmatch(name):
        for path in sorted((store.root / "specs").glob(f"{name}*.json")):
            try:
                spec = store.read_spec(path.stem)
            except ValueError as error:
                raise InputError(str(error)) from error
            found[spec.id] = Named(f"{spec.label} ({spec.id[:12]})", spec.identity, spec.label)
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise InputError(f"no cell {name!r} in the plan or in {store.root}; `segrepro status` lists labels and ids")
    raise InputError(f"{name!r} fits {len(found)} cells; give more digits of the id")


def asked_now(old: Named, plan: Plan, label: str) -> Named:
    """Find the cell of the plan that stands where ``old`` stood: the same label, or the nearest of its stage.

    Raises:
        InputError: the plan has no cell of that stage.
    """
    rivals = [cell for cell in plan if cell.stage.name == old.identity["stage"]]
    if not rivals:
        raise InputError(f"the plan asked now has no {old.identity['stage']!r} cell to compare with")
    same = [cell for cell in rivals if cell.label == label]
    nearest = min(same or rivals, key=lambda cell: len(list(differences(old.identity, cell.identity))))
    return Named(f"{nearest.label} as asked now ({nearest.id[:12]})", nearest.identity, nearest.label)


def explain(name: str, other: str | None, store: Store, plan: Plan) -> tuple[Named, Named, list[Difference]]:
    """Compare two named cells, or a stored cell with what the plan asks for now.

    Raises:
        InputError: a name fits nothing, or several cells.
    """
    if other is not None:
        left, right = find(name, store, plan), find(other, store, plan)
    else:
        left = find(name, store, None) if not any(cell.label == name for cell in plan) else find(name, store, plan)
        right = asked_now(left, plan, left.label)
    return left, right, list(differences(left.identity, right.identity))
