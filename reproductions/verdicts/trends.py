"""Tests of a quantity that is followed over rounds: does it rise, stay level, rise faster than another?

A seed gives one number, the fitted change from first to last round. What decides is how these differ between seeds; no other arm
follows the quantity, so nothing can be mixed in. But the scatter of the rounds around each seed's line says how far changes must differ
by chance at least, and a smaller difference between seeds is not believed. That can only make intervals wider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reports.records import Evidence, Report
from reproductions.verdicts.evidence import ABOVE_ZERO, Claimed, Quantity, weigh
from reproductions.verdicts.statistics import SeedMean, mean_interval, seed_mean, slope

FEWEST_ROUNDS = 3
"""A trend over fewer rounds is not judged. Source: our choice."""

Lines = Mapping[int, Mapping[int, float]]
"""Value by round, by seed."""


@dataclass(frozen=True)
class Rising:
    """A series rises over the rounds: least-squares change from first to last round, tested over seeds."""

    series: str
    title: str
    arm: str
    unit: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"{self.title}: fitted change from first to last round > 0"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the change."""
        quantity = Quantity(f"change of {self.title}", "change", self.unit, backbone)
        return [weigh(quantity, mean_change(lines(report, self.series, self.arm, backbone)), ABOVE_ZERO)]


@dataclass(frozen=True)
class Falling:
    """A series falls over the rounds: least-squares change from first to last round, tested over seeds."""

    series: str
    title: str
    arm: str
    unit: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"{self.title}: fitted change from first to last round < 0"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the change."""
        quantity = Quantity(f"change of {self.title}", "change", self.unit, backbone)
        found = mean_change(lines(report, self.series, self.arm, backbone))
        return [weigh(quantity, found, Claimed(high=0.0), "the whole interval must be negative")]


@dataclass(frozen=True)
class Level:
    """A series stays level: its fitted change lies within a share of its own mean, by interval (equivalence)."""

    series: str
    title: str
    arm: str
    unit: str
    tolerance: float
    """Change from first to last round that counts as none, as a share of the mean. Source: our choice."""

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"{self.title}: fitted change from first to last round within ±{100 * self.tolerance:.0f} % of its mean"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the change against the band."""
        known = lines(report, self.series, self.arm, backbone)
        values = [value for line in known.values() for value in line.values()]
        edge = self.tolerance * abs(mean_interval(values).mean) if values else 0.0
        quantity = Quantity(f"change of {self.title}", "change", self.unit, backbone)
        said = "the whole interval must lie within"
        tested = weigh(quantity, mean_change(known), Claimed(-edge, edge), said)
        return [tested if tested.low is None else tested.model_copy(update={"band": (-edge, edge)})]


@dataclass(frozen=True)
class RisesFaster:
    """One series changes more than another over the rounds that both have, paired over seeds."""

    left: str
    left_title: str
    right: str
    right_title: str
    arm: str
    unit: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"fitted change of {self.left_title} − of {self.right_title} > 0"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the change of the difference."""
        left, right = (lines(report, series, self.arm, backbone) for series in (self.left, self.right))
        apart = {
            seed: {
                number: left[seed][number] - right[seed][number] for number in left[seed].keys() & right[seed].keys()
            }
            for seed in left.keys() & right.keys()
        }
        label = f"change of {self.left_title} − of {self.right_title}"
        return [weigh(Quantity(label, "change", self.unit, backbone), mean_change(apart), ABOVE_ZERO)]


def lines(report: Report, series: str, arm: str, backbone: str) -> Lines:
    """Return a series' value by seed and round."""
    found: dict[int, dict[int, float]] = {}
    for point in report.series:
        if (point.series, point.arm, point.backbone) == (series, arm, backbone):
            found.setdefault(point.seed, {})[point.round] = point.value
    return found


def mean_change(by_seed: Lines) -> SeedMean | None:
    """Fitted change from first to last round over the seeds that have enough rounds, None when there are none.

    Its variance is that between the seeds' changes, or that which the scatter around their lines implies where it is larger.
    """
    seeds = [seed for seed in sorted(by_seed) if len(by_seed[seed]) >= FEWEST_ROUNDS]
    if not seeds:
        return None
    changes, squares, factors, degrees = [], 0.0, [], 0
    for seed in seeds:
        rounds, values = (
            np.array(known, dtype=np.float64) for known in zip(*sorted(by_seed[seed].items()), strict=True)
        )
        rise, centred = slope(rounds.tolist(), values.tolist()), rounds - rounds.mean()
        changes.append(rise * float(np.ptp(rounds)))
        squares += float(np.sum((values - values.mean() - rise * centred) ** 2))
        factors.append(float(np.ptp(rounds) ** 2 / (centred @ centred)))
        degrees += len(rounds) - 2
    between = float(np.var(changes, ddof=1)) if len(seeds) > 1 else 0.0
    scatter = squares / degrees * float(np.mean(factors))
    return seed_mean(seeds, changes, max(between, scatter), len(seeds) - 1)
