"""The threshold of a heat map that agrees best with the random walk's mask (section 10.4).

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Masked = Callable[[float], NDArray[np.bool_]]
"""Returns the mask of a threshold, smoothed."""


class Chosen(NamedTuple):
    """The best mask."""

    mask_HW: NDArray[np.bool_]
    threshold: float | None
    """None where no threshold's mask overlaps."""
    agreement: float
    """Half of Dice's coefficient, in [0, 0.5]."""


def agreement(one_HW: NDArray[np.bool_], other_HW: NDArray[np.bool_]) -> float:
    """Return overlap / (|A| + |B|), half of Dice's coefficient; 0 where both are empty.

    Source: section 10.4 [code].
    """
    total = int(one_HW.sum()) + int(other_HW.sum())
    return float((one_HW & other_HW).sum()) / total if total else 0.0


def choose_threshold(thresholds: Sequence[float], masked: Masked, walked_HW: NDArray[np.bool_]) -> Chosen:
    """Return the mask that agrees best with the random walk's; of equal ones the first, and an empty one where nothing overlaps.

    Args:
        thresholds: in the order of preference.
        masked: makes the mask of each.
        walked_HW: mask of the random walk.
    Source: section 10.4 [code].
    """
    best = Chosen(np.zeros(walked_HW.shape, bool), None, 0.0)
    for threshold in thresholds:
        mask_HW = masked(threshold)
        found = agreement(mask_HW, walked_HW)
        if found > best.agreement:
            best = Chosen(mask_HW, threshold, found)
    return best
