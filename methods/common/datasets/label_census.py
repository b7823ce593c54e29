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
_BINARY = 2
"""Classes of data whose masks tools write as 0 and 255."""


def check_labels(data: CheckedImages, where: str) -> list[str]:
    """Look at the pairs of a split before anything trains, and at which classes they hold.

    Args:
        data: one split.
        where: what to call it.

    Returns:
        Notes: classes that are in no label map, some masks of 0 and 255 among others, and whether not every pair was looked at.

    Raises:
        InputError: pairs are faulty, all counted and the first named, or fewer than two classes are in any label map.
    """
    places = range(0, len(data), max(1, -(-len(data) // MOST_PAIRS)))
    faults: list[str] = []
    seen = np.zeros(IGNORED + 1, np.bool_)
    hidden: list[str] = []
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        for place, found in zip(places, pool.map(lambda index: _look(data, index), places), strict=True):
            if isinstance(found, str):
                faults.append(found)
                continue
            seen |= found
            if found[IGNORED] and found[:IGNORED].sum() == 1:
                hidden.append(data.name(place))
    if faults:
        raise InputError(faults[0] + (f" ({len(faults):,} of {len(data):,} pairs are faulty)" if faults[1:] else ""))
    names = data.class_names
    lacking = [name for name, is_seen in zip(names, seen, strict=False) if not is_seen]
    if seen[:IGNORED].sum() < 2:
        raise InputError(_refusal(names, lacking, bool(seen[IGNORED]), where))
    told = []
    if hidden and len(names) == _BINARY:
        told.append(
            f"{len(hidden):,} label maps of {where} hold one class and 255, which is not rated (first: {hidden[0]}); where 255 means the other "
            "class, save it as that class's number"
        )
    if len(places) < len(data):
        told.append(
            f"{len(places):,} of the {len(data):,} pairs of {where} are looked at here, the others when they are used"
        )
    elif lacking:
        told.append(f"no label map of {where} holds {_some(lacking)}, so nothing is learned or rated of it")
    return told


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
    if not lacking:
        return f"there is only one class, {only!r}, so nothing can be told apart; name what the other pixels are too"
    why = "; 255 is not rated, so masks of 0 and 255 have to be saved as 0 and 1" if with_ignored else ""
    return f"no label map of {where} holds class {_some(lacking)}, every rated pixel is {only!r}{why}; label at least two classes"


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if names[_NAMED:] else "")
