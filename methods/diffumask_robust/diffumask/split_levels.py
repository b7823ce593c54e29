"""Seeds of AffinityNet's labels: the adaptive split of a heat map into sure foreground and sure background (section 10.4).

Shape legend: H, W pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.diffumask_robust.diffumask.split_config import SplitConfig

_STEP, _LOWEST, _HIGHEST = 0.03, 0.3, 0.75
"""How far the split moves at once, and where it stops [code]."""


class Levels(NamedTuple):
    """Two thresholds of a heat map."""

    split: float
    """Between foreground and background."""
    foreground: float
    """Above it a pixel is surely foreground."""
    background: float
    """Not above it a pixel is surely background."""


def fullest_bin(map_HW: NDArray[np.floating], config: SplitConfig) -> float:
    """Return the lower end of the bin of 0.01 in the window that holds most pixels; of equal ones the lowest.

    Values on an edge between bins count in neither [code].

    Source: section 10.4.
    """
    best, most = config.low, 0
    for place in range(round(config.low * 100), round(config.high * 100)):
        held = int(((map_HW > place * 0.01) & (map_HW < (place + 1) * 0.01)).sum())
        if held > most:
            best, most = place * 0.01, held
    return best


def split_levels(map_HW: NDArray[np.floating], config: SplitConfig) -> Levels:
    """Return the levels of sure foreground and background.

    The split goes down until enough pixels are above the mean of those above it, then up until enough are below the mean of those
    below it [C D31]. A side without pixels has the split as its mean.

    Args:
        map_HW: heat map in about [0, 1].
        config: window, constants and the share of pixels that each side needs.
    Source: section 10.4 [code].
    """
    split = fullest_bin(map_HW, config)
    while float((map_HW > _mean_above(map_HW, split)).mean()) < config.min_share and split >= _LOWEST:
        split -= _STEP
    while float((map_HW < _mean_below(map_HW, split)).mean()) < config.min_share and split <= _HIGHEST:
        split += _STEP
    return Levels(split, _mean_above(map_HW, split) + config.foreground, _mean_below(map_HW, split) + config.background)


def _mean_above(map_HW: NDArray[np.floating], split: float) -> float:
    above = map_HW[map_HW > split]
    return float(above.mean()) if above.size else split


def _mean_below(map_HW: NDArray[np.floating], split: float) -> float:
    below = map_HW[map_HW < split]
    return float(below.mean()) if below.size else split
