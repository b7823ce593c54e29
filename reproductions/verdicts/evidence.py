"""From a tested quantity to the record behind a claim: where it must lie, what its interval says, and what would resolve it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from reports.records import ClaimVerdict, Evidence, EvidenceKind
from reproductions.verdicts.statistics import MOST_SEEDS, ONE_SIDED, SeedMean, seeds_needed

SMALLEST_INTERESTING: Mapping[str, float] = {"AP": 0.5, "mIoU": 0.3}
"""By unit, in points: two arms whose difference surely lies within it are equivalent. Source: our choice; below every gain that a
paper's claim rests on (the least are 1.36 AP and 0.32 mIoU)."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Where a claim says that a mean lies."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, low: float, high: float) -> bool:
        """Whether a whole interval lies there."""
        return self.low < low and high < self.high

    def p_against(self, found: SeedMean) -> float:
        """One-sided p-value of the claim: small when the mean lies beyond an edge. Two edges are two chances to be wrong."""
        tails = [found.p_below(self.low)] if math.isfinite(self.low) else []
        tails += [found.p_above(self.high)] if math.isfinite(self.high) else []
        return min(1.0, len(tails) * min(tails))

    def distance(self, mean: float) -> float:
        """Of a mean from the nearest edge."""
        return min(abs(mean - edge) for edge in (self.low, self.high) if math.isfinite(edge))


ABOVE_ZERO = Claimed(low=0.0)


@dataclass(frozen=True)
class Quantity:
    """What is tested, before anything is known of it; fields as in :class:`~reports.records.Evidence`."""

    label: str
    kind: EvidenceKind
    unit: str
    backbone: str
    left: str | None = None
    right: str | None = None
    metric: str | None = None
    rivals: int | None = None

    def evidence(self, verdict: ClaimVerdict, reason: str, **known: object) -> Evidence:
        """Return the record, with what is known of it."""
        empty: dict[str, object] = {"seeds": (), "values": ()}
        return Evidence.model_validate({**empty, **asdict(self), "verdict": verdict, "reason": reason, **known})


def weigh(
    quantity: Quantity, found: SeedMean | None, claimed: Claimed, said: str = "", printed: float | None = None
) -> Evidence:
    """Hold a mean over seeds against a claim.

    Args:
        quantity: what was measured.
        found: its mean and noise; None where nothing was run.
        claimed: where the claim says that it lies.
        said: what must be seen, in words, where the reason is to open with it; else the reason counts signs.
        printed: the paper's own value, where it may be compared.
    """
    if found is None:
        return quantity.evidence("not run", "no data on shared seeds")
    interval = found.interval
    known: dict[str, object] = {"seeds": found.seeds, "values": found.values, "mean": interval.mean}
    if interval.low is None or interval.high is None:
        why = "one seed" if len(found.seeds) == 1 else "the seeds do not differ"
        return quantity.evidence("not resolved", f"{why}, no interval", **known)
    known |= {"low": interval.low, "high": interval.high, "p_value": found.p_value, "degrees": found.degrees}
    known |= _plain(found) | {"p_against": claimed.p_against(found)}
    reason = said or f"positive in {sum(value > 0 for value in found.values)} of {len(found.seeds)} seeds"
    if claimed.holds(interval.low, interval.high):
        return quantity.evidence("holds", reason, **known)
    if claimed.p_against(found) <= ONE_SIDED:
        return quantity.evidence("contradicted", reason, **known)
    smallest = SMALLEST_INTERESTING.get(quantity.unit, 0.0) if claimed == ABOVE_ZERO else 0.0
    if -smallest < interval.low and interval.high < smallest:
        return quantity.evidence("equivalent", f"{reason}; the whole interval lies within ±{smallest:.2f}", **known)
    known["seeds_needed"] = needed = _needed(found, claimed.distance(interval.mean))
    reason += f"; {seeds_text(needed)} would resolve what is seen"
    if printed is not None and claimed.holds(printed, printed):
        reason += f", {seeds_text(_needed(found, claimed.distance(printed)))} the paper's {printed:+.2f}"
    return quantity.evidence("not resolved", reason, **known)


def _plain(found: SeedMean) -> dict[str, object]:
    """The interval of these seeds alone, where it is not the one that decides."""
    plain, deciding = found.plain, found.interval
    same = plain.low is None or deciding.low is None or math.isclose(plain.low, deciding.low, rel_tol=1e-9)
    return {} if same else {"plain_low": plain.low, "plain_high": plain.high}


def _needed(found: SeedMean, distance: float) -> int:
    assert found.standard_error is not None
    num_seeds = len(found.seeds)
    return seeds_needed(distance, found.standard_error * math.sqrt(num_seeds), found.degrees - (num_seeds - 1))


def seeds_text(number: int) -> str:
    """Write a needed number of seeds."""
    return f"more than {MOST_SEEDS} seeds" if number > MOST_SEEDS else f"about {number} seeds"
