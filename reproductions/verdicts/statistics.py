"""Intervals over seeds, paired differences, slopes over rounds, and a bootstrap for large samples.

Seeds are few (three), so everything over seeds is Student's t; the bootstrap is for images and classes, where n is
large. One seed gives a value and no interval: nothing here invents a spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
"""Of every interval in every report. Source: our choice."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and what is known of it. ``low`` and ``high`` are None where n is 1."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Left minus right over the seeds that both have."""

    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    """One value a seed, same order as ``seeds``."""
    interval: Interval
    p_value: float | None
    """Two-sided paired t-test against zero; None with one seed."""


def _checked(values: Sequence[float]) -> np.ndarray:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"a list of at least one finite number is needed, got {list(values)!r}")
    return sample


def _half_width(sample: np.ndarray, confidence: float, extra_run: bool = False) -> float:
    """Return half the width of a t interval of the mean, or of one more run from the same distribution."""
    spread = float(sample.std(ddof=1)) * float(np.sqrt(1 / sample.size + extra_run))
    from scipy.special import stdtrit

    return float(stdtrit(sample.size - 1, 0.5 + confidence / 2)) * spread


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Mean and Student-t interval of the mean.

    Args:
        values: one finite number a seed, at least one.
        confidence: in (0, 1).
    Returns:
        The interval; its bounds are None for a single value.
    Raises:
        ValueError: no value, or one that is not finite.
    """
    sample = _checked(values)
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, None, None, 1)
    half = _half_width(sample, confidence)
    return Interval(mean, mean - half, mean + half, int(sample.size))


def one_more_run(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Range that one more run falls into: the t prediction interval, mean +- t s sqrt(1 + 1/n).

    This is what a number printed from a single run has to be held against; the interval of the mean would call
    about one faithful single run in six different (n = 3). None with one seed. Source: our choice.
    """
    sample = _checked(values)
    if sample.size == 1:
        return None
    mean, half = float(sample.mean()), _half_width(sample, confidence, extra_run=True)
    return mean - half, mean + half


def _p_value(sample: np.ndarray) -> float | None:
    """Two-sided p-value of a t-test of the mean against zero."""
    if sample.size == 1:
        return None
    error = float(sample.std(ddof=1)) / float(np.sqrt(sample.size))
    if error == 0:
        return 1.0 if sample.mean() == 0 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(sample.size - 1, -abs(float(sample.mean())) / error))


def paired_difference(left: Mapping[int, float], right: Mapping[int, float]) -> PairedDifference | None:
    """Compare two arms seed by seed: left minus right, t interval and p-value.

    Args:
        left: value by seed.
        right: value by seed.
    Returns:
        The difference over the shared seeds, None when they share none.
    """
    seeds = tuple(sorted(left.keys() & right.keys()))
    if not seeds:
        return None
    differences = tuple(left[seed] - right[seed] for seed in seeds)
    return PairedDifference(seeds, differences, mean_interval(differences), _p_value(_checked(differences)))


def against_zero(values: Mapping[int, float]) -> PairedDifference | None:
    """Test values by seed against zero, as a paired difference against nothing."""
    return paired_difference(values, dict.fromkeys(values, 0.0))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least-squares slope of y over x.

    Raises:
        ValueError: fewer than two points, unequal lengths, or all x equal.
    """
    x_sample, y_sample = _checked(x), _checked(y)
    if x_sample.size != y_sample.size or np.ptp(x_sample) == 0:
        raise ValueError(f"a slope needs as many y as x and two different x, got x={list(x)!r}, y={list(y)!r}")
    centred = x_sample - x_sample.mean()
    return float(centred @ y_sample / (centred @ centred))


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Rank correlation of x and y in [-1, 1], ties at their mean rank; 0 when either is constant."""
    from scipy.stats import rankdata  # scipy.stats takes half a second to import

    x_rank, y_rank = rankdata(_checked(x)), rankdata(_checked(y))
    if np.ptp(x_rank) == 0 or np.ptp(y_rank) == 0:
        return 0.0
    return float(np.corrcoef(x_rank, y_rank)[0, 1])
