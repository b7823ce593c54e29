"""What an evaluation would have said of other images: its numbers on resamples of the images that it has.

Every evaluation on as many images draws the same resamples, so differences between arms on one split can be taken resample by resample.

Shape legend: I images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.metrics.bootstrap import draw_weights

NUM_RESAMPLES = 100
"""Enough to know a standard error to 7 %. Source: our choice."""
_SEED = 20
_DECIMALS = 4


def resampled(numbers: Callable[[NDArray[np.float64]], dict[str, Any]], num_images: int) -> list[dict[str, Any]]:
    """Compute the numbers of an evaluation on each resample of its images.

    Args:
        numbers: the numbers of an evaluation, nested dicts of floats and None, for how often each image counts, float64 (I,).
        num_images: I; none gives no resamples.

    Returns:
        What ``numbers`` returned, rounded to 4 decimals, of each of :data:`NUM_RESAMPLES` resamples with replacement, which depend on
        nothing but ``num_images``.
    """
    draws = (np.random.default_rng([_SEED, number]) for number in range(NUM_RESAMPLES if num_images else 0))
    return [_rounded(numbers(draw_weights(num_images, draw))) for draw in draws]


def _rounded(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _rounded(value) for name, value in found.items()}
    return None if found is None else round(float(found), _DECIMALS)
