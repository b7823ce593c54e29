"""Which classes the label maps of a split hold: a set in which only one is ever seen trains and rates nothing.

That is what masks of 0 and 255 come to, for 255 is never rated, and maps in which everything is ignored.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED, CheckedImages
from methods.common.errors import InputError

MOST_PAIRS = 5_000
"""Pairs that are looked at, some ten milliseconds each on one core; of more, so many spread evenly. Our choice."""
_THREADS = 4
_NAMED = 3


def check_labels(data: CheckedImages, where: str) -> list[str]:
    """Look at the pairs of a split before anything trains, and at which classes they hold.

    Args:
        data: one split.
        where: what to call it.

    Returns:
        Notes: classes that are in no label map, and whether not every pair was looked at.

    Raises:
        InputError: pairs are faulty, all counted and the first named, or fewer than two classes are in any label map.
    """
    places = range(0, len(data), max(1, -(-len(data) // MOST_PAIRS)))
    faults: list[str] = []
    seen = np.zeros(IGNORED + 1, np.bool_)
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        for found in pool.map(lambda index: _look(data, index), places):
            if isinstance(found, str):
                faults.append(found)
            else:
                seen |= found
    if faults:
        raise InputError(faults[0] + (f" ({len(faults):,} of {len(data):,} pairs are faulty)" if faults[1:] else ""))
    names = data.class_names
    lacking = [name for name, is_seen in zip(names, seen, strict=False) if not is_seen]
    if seen[:IGNORED].sum() < 2:
        raise InputError(_refusal(names, lacking, bool(seen[IGNORED]), where))
    if len(places) < len(data):
        return [
            f"{len(places):,} of the {len(data):,} pairs of {where} are looked at here, the others when they are used"
        ]
    if not lacking:
        return []
    return [f"no label map of {where} holds {_some(lacking)}, so nothing is learned or rated of it"]


def _look(data: CheckedImages, index: int) -> NDArray[np.bool_] | str:
    """Return which labels a pair holds, or what is wrong with it."""
    try:
        return data.check(index)
    except InputError as error:
        return str(error)


def _refusal(names: tuple[str, ...], lacking: list[str], with_ignored: bool, where: str) -> str:
    if len(lacking) == len(names):
        return f"no pixel of {where} is rated: its label maps hold nothing but 255 and classes in brackets; correct the labels or classes.txt"
    only = next(name for name in names if name not in lacking)
    why = "; 255 is not rated, so masks of 0 and 255 have to be saved as 0 and 1" if with_ignored else ""
    return f"no label map of {where} holds class {_some(lacking)}, every rated pixel is {only!r}{why}; label at least two classes"


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if names[_NAMED:] else "")
