"""Which papers there are: those of this suite, and those that installed packages register (:mod:`reproductions.harness.packages`)."""

from __future__ import annotations

import importlib

from methods.common.errors import InputError
from reproductions.harness.packages import registered_papers
from reproductions.study.paper import Paper

_OURS = {
    "mrca": "reproductions.mrca.paper",
    "instance_synthesis": "reproductions.instance_synthesis.paper",
    "sam_filter": "reproductions.sam_filter.paper",
    "seggen": "reproductions.seggen.paper",
    "diffumask_robust": "reproductions.diffumask_robust.paper",
    "checkpoints": "reproductions.checkpoints.paper",
}
"""Where each id's ``PAPER`` object is; loaded only when it is asked for. An id of ours cannot be taken by a package."""


EVERY_PAPER = "all"
"""Named instead of a paper: those of this suite one after another."""
_NO_PAPER = ("checkpoints",)
"""Plans of ours that reproduce nothing."""


def suite_papers() -> tuple[str, ...]:
    """Return the id of every paper of this suite; those that packages register are run where they are named."""
    return tuple(name for name in _OURS if name not in _NO_PAPER)


def paper_ids() -> tuple[str, ...]:
    """Return the id of every paper."""
    return (*_OURS, *(name for name in registered_papers() if name not in _OURS))


def load_paper(paper_id: str) -> Paper:
    """Return the paper of that id.

    Raises:
        InputError: there is none, or the package that registers it cannot be loaded.
    """
    if paper_id in _OURS:
        ours: Paper = importlib.import_module(_OURS[paper_id]).PAPER
        return ours
    point = registered_papers().get(paper_id)
    if point is None:
        raise InputError(
            f"unknown paper {paper_id!r}; choose one of {', '.join(sorted(paper_ids()))}, or for `run` and `report` {EVERY_PAPER}"
        )
    try:
        theirs: Paper = point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"the paper {paper_id!r} cannot be loaded from {point.value} ({error}); install its package again or remove it"
        ) from error
    return theirs
