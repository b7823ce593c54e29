"""A plan as a table: what every cell is made of, by labels, so that it can be compared with what a specification says."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from reproductions.harness.cell import Cell, External
from reproductions.harness.plan import Plan

Settings = Callable[[Cell], str]
"""Says in a few words what of a cell's config decides between arms, rounds and variants."""


def outside(*roles: str) -> dict[str, External]:
    """Places from outside, which nobody reads."""
    return {role: External(Path("/nowhere"), role) for role in roles}


def inputs_of(cell: Cell, names: Mapping[str, str]) -> str:
    """``role<-label label`` for each role with cells, ``role`` for each from outside, in the order of roles."""
    cells = {role: f"{role}<-{' '.join(names[one.id] for one in found)}" for role, found in cell.inputs.items()}
    return ", ".join(text for _, text in sorted({**cells, **{role: role for role in cell.external}}.items()))


def label_of(cell: Cell) -> str:
    """Its label without the seed's name and without spaces."""
    return cell.label.removeprefix("seed0/").replace(" ", "_")


def table_of(cells: Iterable[Cell], settings: Settings) -> dict[str, str]:
    """By label, ``settings | inputs`` of these cells and of all that they are made from; a shared cell has its first label."""
    plan = Plan("all", tuple(cells))
    names = {cell.id: label_of(cell) for cell in plan}
    assert len(set(names.values())) == len(names), "two cells have one label"
    return {names[cell.id]: " | ".join(filter(None, (settings(cell), inputs_of(cell, names)))) for cell in plan}


def differences(found: dict[str, str], wanted: dict[str, str]) -> str:
    """Name every cell that is not as it should be."""
    return "\n".join(
        f"{label}:\n  is        {found.get(label, 'not there')}\n  should be {wanted.get(label, 'not there')}"
        for label in sorted(found.keys() | wanted.keys())
        if found.get(label) != wanted.get(label)
    )
