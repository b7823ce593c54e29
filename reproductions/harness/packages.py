"""Packages that register papers, and so may define stages that a stored cell names.

A package registers a paper by an entry point of the group ``segrepro.papers`` whose name is the paper's id and whose value names its
``PAPER`` object, for instance ``thin_masks = "thin_masks.paper:PAPER"``.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

GROUP = "segrepro.papers"
_OURS = ("methods", "reproductions", "tests")


@cache
def registered_papers() -> dict[str, EntryPoint]:
    """Return the entry points of installed packages by id of the paper, in alphabetical order."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def may_define_stages(module: str) -> bool:
    """Whether cells may name a module: it is this suite's, or of a package that is installed and registers a paper.

    A store is data, perhaps of somebody else; it must not have any module imported.
    """
    package = module.partition(".")[0]
    return package in _OURS or package in {point.module.partition(".")[0] for point in registered_papers().values()}
