"""Which classes the label maps of a split hold: a set in which only one is ever seen trains and rates nothing.

That is what masks of 0 and 255 come to, for 255 is never rated, and maps in which everything is ignored.
"""

from __future__ import annotations

import numpy as np

from methods.common.datasets.labelled_images import IGNORED, LabelledFiles
from methods.common.errors import InputError

MOST_MAPS = 1_000
"""Label maps that are read to find the last classes, ten milliseconds each at most; with fewer than two classes, all are read."""


def check_classes_seen(data: LabelledFiles, where: str) -> list[str]:
    """Read label maps until every class was seen.

    Args:
        data: one split.
        where: what to call it.

    Returns:
        A note where classes are in no label map.

    Raises:
        InputError: fewer than two classes are in any, or a label map is faulty.
    """
    names, seen = data.class_names, np.zeros(IGNORED + 1, bool)
    num_read = 0
    for index in range(len(data)):
        if (num_read >= MOST_MAPS and seen[:IGNORED].sum() > 1) or seen[: len(names)].all():
            break
        seen[np.unique(data.labels(index))] = True
        num_read += 1
    lacking = [name for name, is_seen in zip(names, seen, strict=False) if not is_seen]
    if seen[:IGNORED].sum() < 2:
        raise InputError(_refusal(names, lacking, bool(seen[IGNORED]), where))
    if not lacking or num_read < len(data):
        return []
    return [f"no label map of {where} holds {_some(lacking)}, so nothing is learned or rated of it"]


def _refusal(names: tuple[str, ...], lacking: list[str], with_ignored: bool, where: str) -> str:
    if len(lacking) == len(names):
        return f"no pixel of {where} is rated: its label maps hold nothing but 255 and classes in brackets; correct the labels or classes.txt"
    only = next(name for name in names if name not in lacking)
    why = "; 255 is not rated, so masks of 0 and 255 have to be saved as 0 and 1" if with_ignored else ""
    return f"no label map of {where} holds class {_some(lacking)}, every rated pixel is {only!r}{why}; label at least two classes"


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if names[3:] else "")
