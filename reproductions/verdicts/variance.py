"""How noisy a difference of two arms is, and one run of an arm: from its own seeds and from those of comparable arms.

Three seeds leave two degrees of freedom, and three differences lie close together by chance often enough to decide what nothing
decides. Comparable arms (same backbone, same metric) say how far arms differ from seed to seed, so their noise is mixed in: an inverse
chi-square prior, as limma does for genes (Smyth 2004), whose weight is fixed and small because arms may differ in noise by a factor of
four. ``docs/verdicts.md`` states the error rates that this choice was made by.

The model of the other arms is value = arm + seed + noise: what all arms share with a seed changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from reproductions.verdicts.statistics import SeedMean, mean_interval, prediction_range, seed_mean

PRIOR_DEGREES = 4.0
"""Degrees of freedom that other arms count for, at most, however many there are.

Source: our choice, by simulation. With 4, a pair of arms that is four times as variable as all others is decided wrongly in 4 to 5 % of
cases instead of 2.5 %; with all degrees of the pooled variance it would be 7 to 13 %.
"""
_NO_VARIANCE = 1e-18
"""Below it a variance is rounding of the machine."""

BySeed = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Variance:
    """An estimate of a variance and the degrees of freedom behind it."""

    value: float
    degrees: float


def moderated(own: Variance, others: Variance, most: float = PRIOR_DEGREES) -> Variance:
    """Mix the variance of few seeds with that of other arms; it is never smaller than their own.

    Args:
        own: from the seeds in question, at least one degree of freedom.
        others: from other arms; without degrees of freedom it changes nothing.
        most: degrees of freedom that the others may count for.
    """
    weight = min(others.degrees, most)
    degrees = own.degrees + weight
    mixed = (own.degrees * own.value + weight * others.value) / degrees
    return Variance(max(own.value, mixed), degrees)


def paired_difference(by_arm: Mapping[str, BySeed], left: str, right: str) -> SeedMean | None:
    """Compare two arms seed by seed, left minus right.

    Args:
        by_arm: value by seed of every arm that may be compared on this metric and backbone, these two among them.
        left: its key.
        right: its key.
    Returns:
        The difference over the shared seeds, None when they share none. With one shared seed its noise is unknown.
    """
    seeds = sorted(by_arm.get(left, {}).keys() & by_arm.get(right, {}).keys())
    if not seeds:
        return None
    differences = [by_arm[left][seed] - by_arm[right][seed] for seed in seeds]
    if len(seeds) == 1:
        return seed_mean(seeds, differences, 0.0, 0.0)
    own = Variance(float(np.var(differences, ddof=1)), len(seeds) - 1)
    found = moderated(own, _difference_of_others(by_arm, left, right, seeds))
    return seed_mean(seeds, differences, found.value, found.degrees)


def _difference_of_others(by_arm: Mapping[str, BySeed], left: str, right: str, seeds: list[int]) -> Variance:
    """Variance of a difference as all arms have it, without what the pair itself says of it.

    Both are residual sums of squares of the additive model, of all values and of the pair's shared seeds; their difference is
    independent of the pair's own.
    """
    pair = {arm: {seed: by_arm[arm][seed] for seed in seeds} for arm in (left, right)}
    (all_squares, all_degrees), (own_squares, own_degrees) = _residual(by_arm), _residual(pair)
    degrees = all_degrees - own_degrees
    return Variance(2 * max(0.0, all_squares - own_squares) / degrees, degrees) if degrees else Variance(0.0, 0.0)


def _residual(by_arm: Mapping[str, BySeed]) -> tuple[float, int]:
    """Sum of squares that arm and seed do not explain, and its degrees of freedom; values may be missing."""
    arms = [arm for arm, by_seed in by_arm.items() if by_seed]
    seeds = sorted({seed for by_seed in by_arm.values() for seed in by_seed})
    places = [(i, seeds.index(seed)) for i, arm in enumerate(arms) for seed in by_arm[arm]]
    value_V = np.array([value for arm in arms for value in by_arm[arm].values()])
    design_VP = np.zeros((len(places), len(arms) + len(seeds)))
    for row, (arm, seed) in enumerate(places):
        design_VP[row, [arm, len(arms) + seed]] = 1
    value_V = value_V - value_V.mean()
    effect_P, _, rank, _ = np.linalg.lstsq(design_VP, value_V, rcond=None)
    return float(np.sum((value_V - design_VP @ effect_P) ** 2)), len(value_V) - int(rank)


def one_more_run(ours: BySeed, others: Iterable[BySeed] = ()) -> tuple[float, float] | None:
    """Range that one more run of an arm falls into, with a t prediction interval.

    This is what a number printed from a single run has to be held against; the interval of the mean would call about one faithful
    single run in six different (n = 3). The noise of a run holds what its seed does to all arms, and of that many arms with the same
    seeds say no more than one does: so they count for half of the degrees of freedom by which their pooled variance exceeds the
    arm's own (Satterthwaite), and for no more than its own. Source: our choice, by simulation.

    Args:
        ours: value by seed.
        others: the same of comparable arms; those that lack one of these seeds are left out.
    Returns:
        None where seed noise is unknown: one seed, or seeds that do not differ.
    """
    seeds = sorted(ours)
    if len(seeds) < 2:
        return None
    mean, own = mean_interval(list(ours.values())).mean, Variance(_variance(ours, seeds), len(seeds) - 1)
    rows = [by_seed for by_seed in others if by_seed.keys() >= ours.keys()]
    found = moderated(own, _runs_of_others(ours, rows, seeds), own.degrees) if rows else own
    return None if found.value < _NO_VARIANCE else prediction_range(mean, len(seeds), found.value, found.degrees)


def _variance(by_seed: BySeed, seeds: list[int]) -> float:
    return float(np.var([by_seed[seed] for seed in seeds], ddof=1))


def _runs_of_others(ours: BySeed, others: list[BySeed], seeds: list[int]) -> Variance:
    """Variance of one run in other arms, with half of the degrees of freedom that they add to the arm's own."""
    value_AS = np.array([[by_seed[seed] for seed in seeds] for by_seed in (ours, *others)])
    num_arms, own_degrees = len(value_AS), len(seeds) - 1
    pooled = float(np.mean(np.var(value_AS, axis=1, ddof=1)))
    between = float(np.var(value_AS.mean(axis=0), ddof=1))
    if pooled < _NO_VARIANCE:
        return Variance(0.0, 0.0)
    squares = (between**2 + (pooled - between) ** 2 / (num_arms - 1)) / own_degrees
    added = max(0.0, pooled**2 / squares - own_degrees)
    return Variance(float(np.mean([_variance(by_seed, seeds) for by_seed in others])), added / 2)
