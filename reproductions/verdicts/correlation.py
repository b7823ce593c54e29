"""Correlation over few points: the coefficient, its range with any one point left out, a permutation test, and the claim that tests it.

With eight points a coefficient's textbook interval leans on a normal distribution that nobody can check, so the test permutes the
points and the leave-one-out range shows whether one of them makes the correlation. Source: our choice;
SAM filter section 3 asks for the range.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reports.records import ClaimVerdict, Evidence, Report
from reproductions.verdicts.statistics import mean_interval, spearman

Coefficient: TypeAlias = Literal["Pearson", "Spearman"]

MOST_EXACT = 8
"""Up to so many points every order is tried (8! = 40,320); beyond that a sample of orders is."""
SAMPLED_ORDERS = 20_000
FEWEST_POINTS = 5
"""A correlation over fewer points is not judged: four can be ordered in 24 ways only. Source: our choice."""
SIGNIFICANCE = 0.05
"""Of a correlation's permutation test. Source: our choice, the same as of every interval."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A coefficient over a few points and what is known of it."""

    value: float
    """In [-1, 1]; 0 when x or y is constant."""
    leave_one_out: tuple[float, float]
    """Least and greatest value when any one point is left out."""
    p_value: float
    """Two-sided: share of the orders of y that give a coefficient at least as far from zero."""
    n: int


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    """Linear correlation of x and y in [-1, 1]; 0 when either is constant."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def correlate(points: Sequence[tuple[float, float]], coefficient: Coefficient) -> Correlation:
    """Correlate points (x, y).

    Raises:
        ValueError: fewer than three points, or a number that is not finite.
    """
    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"a correlation needs at least three finite points, got {list(points)!r}")
    measure = pearson if coefficient == "Pearson" else spearman
    x, y = [point[0] for point in points], [point[1] for point in points]
    without = [measure(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :]) for i in range(len(points))]
    return Correlation(measure(x, y), (min(without), max(without)), _p_value(x, y, coefficient), len(points))


def _p_value(x: Sequence[float], y: Sequence[float], coefficient: Coefficient) -> float:
    """Permutation test. Spearman's is Pearson's of the ranks, so both are one scalar product an order."""
    from scipy.stats import rankdata  # scipy.stats takes half a second to import

    left, right = (rankdata(values) if coefficient == "Spearman" else np.asarray(values) for values in (x, y))
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return 1.0
    centred = left - left.mean()
    products = np.abs((right - right.mean())[_orders(len(left))] @ centred)
    seen = abs(float((right - right.mean()) @ centred))
    return float(np.mean(products >= seen * (1 - 1e-9)))


def _orders(n: int) -> NDArray[np.int64]:
    """Every order of n points, or a fixed sample with the given order in it: int64 [orders, n]."""
    if n <= MOST_EXACT:
        return np.array(list(itertools.permutations(range(n)))).reshape(math.factorial(n), n)
    rng = np.random.default_rng(0)
    sampled = [rng.permutation(n) for _ in range(SAMPLED_ORDERS)]
    return np.stack([np.arange(n), *sampled])


@dataclass(frozen=True)
class Correlated:
    """What is varied and what comes of it go together over the variants of a study.

    The variants are the sample, so the test is over them: each one's mean over seeds is a point. It holds when both Pearson's and
    Spearman's coefficient are positive, stay so whichever variant is left out, and have a two-sided permutation p below
    ``SIGNIFICANCE``; it is contradicted by the same with a negative sign. Coefficients of single seeds are shown. Source: our choice.
    """

    scatter: str
    x_title: str
    y_title: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return (
            f"Pearson's and Spearman's correlation of {self.x_title} and {self.y_title} over the variants' means > 0, also "
            f"with any one variant left out, and permutation p < {SIGNIFICANCE}"
        )

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test both coefficients."""
        points = [point for point in report.points if (point.scatter, point.backbone) == (self.scatter, backbone)]
        by_seed: dict[int, list[tuple[float, float]]] = {}
        by_variant: dict[str, list[tuple[float, float]]] = {}
        for point in sorted(points, key=lambda point: (point.seed, point.variant)):
            by_seed.setdefault(point.seed, []).append((point.x, point.y))
            by_variant.setdefault(point.variant, []).append((point.x, point.y))
        means = [(_mean(x for x, _ in known), _mean(y for _, y in known)) for known in by_variant.values()]
        return [self._test(backbone, coefficient, by_seed, means) for coefficient in ("Pearson", "Spearman")]

    def _test(
        self,
        backbone: str,
        coefficient: Coefficient,
        by_seed: Mapping[int, list[tuple[float, float]]],
        means: list[tuple[float, float]],
    ) -> Evidence:
        label = f"{coefficient}'s correlation over {len(means)} variants, {self.x_title} and {self.y_title}"
        seeds = {seed: known for seed, known in by_seed.items() if len(known) >= FEWEST_POINTS}
        if len(means) < FEWEST_POINTS or not seeds:
            reason = f"fewer than {FEWEST_POINTS} variants"
            return Evidence(
                label=label,
                kind="correlation",
                unit="",
                backbone=backbone,
                seeds=(),
                values=(),
                verdict="not run",
                reason=reason,
            )
        found = correlate(means, coefficient)
        verdict, reason = _correlation_verdict(found.value, found.leave_one_out, found.p_value)
        if len(by_seed) == 1:
            verdict, reason = "not resolved", "one seed"
        return Evidence(
            label=label,
            kind="correlation",
            unit="",
            backbone=backbone,
            seeds=tuple(seeds),
            values=tuple(correlate(known, coefficient).value for known in seeds.values()),
            mean=found.value,
            leave_one_out=found.leave_one_out,
            p_value=found.p_value,
            verdict=verdict,
            reason=reason,
        )


def _correlation_verdict(value: float, leave_one_out: tuple[float, float], p_value: float) -> tuple[ClaimVerdict, str]:
    """Decide by sign, by the range with one point left out, and by the permutation test over the points."""
    low, high = leave_one_out
    one_sign = low > 0 if value > 0 else high < 0
    if not one_sign:
        return "not resolved", "its sign depends on a single variant"
    if p_value >= SIGNIFICANCE:
        return "not resolved", "as strong by chance too often"
    return ("holds" if value > 0 else "contradicted"), "the same sign whichever variant is left out"


def _mean(values: Iterable[float]) -> float:
    return mean_interval(list(values)).mean
