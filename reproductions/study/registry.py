"""Which papers there are: those of this suite, and those that installed packages register.

A package registers a paper by an entry point of the group ``segrepro.papers`` whose name is the paper's id and whose value names its
``PAPER`` object, for instance ``my_paper = "my_package.paper:PAPER"``.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from methods.common.errors import InputError
from reproductions.study.paper import Paper

GROUP = "segrepro.papers"
_OURS = {
    "mrca": "reproductions.mrca.paper",
    "sam_filter": "reproductions.sam_filter.paper",
    "checkpoints": "reproductions.checkpoints.paper",
}
"""Where each id's ``PAPER`` object is; loaded only when it is asked for."""


@cache
def _registered() -> dict[str, EntryPoint]:
    """Entry points of other packages by id, in the order of their names."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def paper_ids() -> tuple[str, ...]:
    """Return the id of every paper."""
    return (*_OURS, *(name for name in _registered() if name not in _OURS))


def load_paper(paper_id: str) -> Paper:
    """Return the paper of that id.

    Raises:
        InputError: there is none, or the package that registers it cannot be loaded.
    """
    if paper_id in _OURS:
        ours: Paper = importlib.import_module(_OURS[paper_id]).PAPER
        return ours
    point = _registered().get(paper_id)
    if point is None:
        raise InputError(f"unknown paper {paper_id!r}; choose one of {', '.join(sorted(paper_ids()))}")
    try:
        theirs: Paper = point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"the paper {paper_id!r} cannot be loaded from {point.value} ({error}); install its package again or remove it"
        ) from error
    return theirs
