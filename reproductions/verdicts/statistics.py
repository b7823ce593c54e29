"""Means over seeds, what noise they are known with, slopes over rounds, correction for many tests, and seeds that a test would need.

Seeds are few (three), so everything over seeds is Student's t. One seed gives a value and no interval, and so do seeds that do not
differ at all: nothing here invents a spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
"""Of every interval in every report. Source: our choice."""
ONE_SIDED = (1 - CONFIDENCE) / 2
"""Level of every one-sided test, so that a test and its interval say the same."""
POWER = 0.8
"""With which a needed number of seeds would resolve a difference. Source: our choice, the usual one."""
MOST_SEEDS = 100
"""Up to which a needed number of seeds is named; it stands for "more" above."""
_NO_SPREAD = 1e-9
"""Standard errors below it, in percent or nats, are rounding of the machine."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and what is known of it. ``low`` and ``high`` are None where n is 1."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class SeedMean:
    """A mean over seeds and the noise that decides about it."""

    seeds: tuple[int, ...]
    values: tuple[float, ...]
    """One value a seed, same order as ``seeds``."""
    standard_error: float | None
    """Of the mean; None where it is unknown: one seed, or seeds that do not differ."""
    degrees: float
    """Of freedom of the standard error; 0 where it is unknown."""

    @property
    def plain(self) -> Interval:
        """Mean and Student-t interval of these values alone."""
        return mean_interval(self.values)

    @property
    def interval(self) -> Interval:
        """Mean and the interval that decides."""
        mean, n = self.plain.mean, len(self.values)
        if self.standard_error is None:
            return Interval(mean, None, None, n)
        half = _quantile(self.degrees) * self.standard_error
        return Interval(mean, mean - half, mean + half, n)

    def p_below(self, bound: float) -> float:
        """One-sided p-value of "the mean is at least ``bound``": small when it lies below."""
        return self._tail(self.plain.mean - bound)

    def p_above(self, bound: float) -> float:
        """One-sided p-value of "the mean is at most ``bound``": small when it lies above."""
        return self._tail(bound - self.plain.mean)

    def _tail(self, distance: float) -> float:
        assert self.standard_error is not None, "the noise is unknown"
        from scipy.special import stdtr

        return float(stdtr(self.degrees, distance / self.standard_error))

    @property
    def p_value(self) -> float | None:
        """Two-sided, against zero; None where the noise is unknown."""
        return None if self.standard_error is None else 2 * min(self.p_below(0.0), self.p_above(0.0))


def seed_mean(seeds: Sequence[int], values: Sequence[float], variance: float, degrees: float) -> SeedMean:
    """Return a mean over seeds whose values have a given variance; a variance that is no spread makes the noise unknown.

    Args:
        seeds: at least one.
        values: one finite number a seed.
        variance: of one value, at least 0.
        degrees: of freedom of that variance; 0 where there is none.
    Raises:
        ValueError: no value, or one that is not finite.
    """
    sample = _checked(values)
    error = float(np.sqrt(variance / sample.size))
    known = degrees > 0 and error > _NO_SPREAD
    return SeedMean(tuple(seeds), tuple(values), error if known else None, degrees if known else 0.0)


def _checked(values: Sequence[float]) -> np.ndarray:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"a list of at least one finite number is needed, got {list(values)!r}")
    return sample


def _quantile(degrees: float) -> float:
    """Of Student's t, for an interval of ``CONFIDENCE``."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean and Student-t interval of the mean.

    Args:
        values: one finite number a seed, at least one.
    Returns:
        The interval; its bounds are None for a single value.
    Raises:
        ValueError: no value, or one that is not finite.
    """
    sample = _checked(values)
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, None, None, 1)
    half = _quantile(sample.size - 1) * float(sample.std(ddof=1)) / float(np.sqrt(sample.size))
    return Interval(mean, mean - half, mean + half, int(sample.size))


def prediction_range(mean: float, n: int, variance: float, degrees: float) -> tuple[float, float]:
    """Range that one more run falls into: mean -+ t s sqrt(1 + 1/n), with the variance of one run and its degrees of freedom."""
    half = _quantile(degrees) * float(np.sqrt(variance * (1 + 1 / n)))
    return mean - half, mean + half


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values of several tests so that at most the level of them is wrong about any true hypothesis.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return tuple(adjusted)


def seeds_needed(distance: float, spread: float, prior_degrees: float) -> int:
    """Return how many seeds would resolve a distance with ``POWER`` in a two-sided test; ``MOST_SEEDS`` + 1 for more.

    Args:
        distance: of the mean from what it is held against.
        spread: standard deviation of one value, above 0.
        prior_degrees: of freedom that other arms add to those of the seeds.
    """
    from scipy.special import nctdtr, stdtrit

    n = np.arange(2, MOST_SEEDS + 1)
    degrees = n - 1 + prior_degrees
    power = 1 - nctdtr(degrees, abs(distance) / spread * np.sqrt(n), stdtrit(degrees, 1 - ONE_SIDED))
    enough = n[power >= POWER]
    return int(enough[0]) if enough.size else MOST_SEEDS + 1


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
