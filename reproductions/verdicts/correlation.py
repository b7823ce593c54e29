"""Correlation over few points: the coefficient, its range with any one point left out, a permutation test, and the claim that tests it.

With eight points a coefficient's textbook interval leans on a normal distribution that nobody can check, so the test permutes the
points and the leave-one-out range shows whether one of them makes the correlation. Source: our choice;
SAM filter section 3 asks for the range.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reports.records import ClaimVerdict, Evidence, Report
from reproductions.verdicts.evidence import Quantity
from reproductions.verdicts.statistics import ONE_SIDED, mean_interval, spearman

Coefficient: TypeAlias = Literal["Pearson", "Spearman"]

MOST_EXACT = 8
"""Up to so many points every order is tried (8! = 40,320); beyond that a sample of orders is."""
SAMPLED_ORDERS = 20_000
FEWEST_POINTS = 5
"""A correlation over fewer points is not judged: four can be ordered in 24 ways only. Source: our choice."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A coefficient over a few points and what is known of it."""

    value: float
    """In [-1, 1]; 0 when x or y is constant."""
    leave_one_out: tuple[float, float]
    """Least and greatest value when any one point is left out."""
    p_above: float
    """Share of the orders of y that give a coefficient at least as large."""
    p_below: float
    """Share of the orders of y that give one at most as large."""
    n: int

    @property
    def p_value(self) -> float:
        """Two-sided: twice the smaller share, as the coefficients of all orders need not lie evenly about zero."""
        return min(1.0, 2 * min(self.p_above, self.p_below))


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
    return Correlation(measure(x, y), (min(without), max(without)), *_p_values(x, y, coefficient), len(points))


def _p_values(x: Sequence[float], y: Sequence[float], coefficient: Coefficient) -> tuple[float, float]:
    """Permutation test to both sides. Spearman's is Pearson's of the ranks, so both are one scalar product an order."""
    from scipy.stats import rankdata  # scipy.stats takes half a second to import

    left, right = (rankdata(values) if coefficient == "Spearman" else np.asarray(values) for values in (x, y))
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return 1.0, 1.0
    centred = left - left.mean()
    products = (right - right.mean())[_orders(len(left))] @ centred
    seen, rounding = float((right - right.mean()) @ centred), 1e-9 * float(np.abs(products).max())
    return float(np.mean(products >= seen - rounding)), float(np.mean(products <= seen + rounding))


@functools.cache
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

    The variants are the sample, so the test is over them: each one's mean over seeds is a point. A coefficient holds when it is positive,
    stays so whichever variant is left out, and its one-sided permutation p is below ``ONE_SIDED``; the claim needs Pearson's and
    Spearman's, as every claim needs all its tests. Coefficients of single seeds are shown. Source: our choice.
    """

    scatter: str
    x_title: str
    y_title: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return (
            f"Pearson's and Spearman's correlation of {self.x_title} and {self.y_title} over the variants' means > 0, also "
            f"with any one variant left out, and two-sided permutation p < {2 * ONE_SIDED:g}"
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
        quantity = Quantity(label, "correlation", "", backbone)
        seeds = {seed: known for seed, known in by_seed.items() if len(known) >= FEWEST_POINTS}
        if len(means) < FEWEST_POINTS or not seeds:
            return quantity.evidence("not run", f"fewer than {FEWEST_POINTS} variants")
        found = correlate(means, coefficient)
        verdict, reason = _correlation_verdict(found)
        if len(by_seed) == 1:
            verdict, reason = "not resolved", "one seed"
        return quantity.evidence(
            verdict,
            reason,
            seeds=tuple(seeds),
            values=tuple(correlate(known, coefficient).value for known in seeds.values()),
            mean=found.value,
            leave_one_out=found.leave_one_out,
            p_value=found.p_value,
            p_against=found.p_below,
        )


def _correlation_verdict(found: Correlation) -> tuple[ClaimVerdict, str]:
    """Decide by sign, by the range with one point left out, and by the permutation test over the points."""
    low, high = found.leave_one_out
    one_sign = low > 0 if found.value > 0 else high < 0
    if not one_sign:
        return "not resolved", "its sign depends on a single variant"
    if (found.p_above if found.value > 0 else found.p_below) > ONE_SIDED:
        return "not resolved", "as strong by chance too often"
    return ("holds" if found.value > 0 else "contradicted"), "the same sign whichever variant is left out"


def _mean(values: Iterable[float]) -> float:
    return mean_interval(list(values)).mean
