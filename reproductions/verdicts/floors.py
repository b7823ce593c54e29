"""Arms that have learnt nothing decide nothing: a difference between two of them says neither that one is better nor that they are equal."""

from __future__ import annotations

from collections.abc import Sequence

from reports.records import Evidence, Report
from reproductions.verdicts.evidence import SMALLEST_INTERESTING
from reproductions.verdicts.statistics import mean_interval

_ZERO_FLOOR = ("AP",)
"""Units of scores that are zero, or nearly so, where nothing is known."""


def beyond_floor(report: Report, item: Evidence) -> Evidence:
    """Take the verdict on a difference back where neither arm scores more than knowing nothing would, by what would matter at least.

    Source: our choice. It only takes decisions away, so that no rate of wrong ones rises.
    """
    if item.metric is None or not item.seeds:
        return item
    leads = [_lead(report, item, arm) for arm in (item.left, item.right) if arm is not None]
    least = SMALLEST_INTERESTING.get(item.unit)
    if least is None or any(lead is None or lead > least for lead in leads):
        return item
    reason = f"neither arm scores more than knowing nothing does, by the {least:g} {item.unit} that would matter"
    return item.model_copy(
        update={"verdict": "not resolved", "reason": reason, "p_against": None, "seeds_needed": None}
    )


def _lead(report: Report, item: Evidence, arm: str) -> float | None:
    """Return by how much an arm's mean over the seeds is above its floor; None where the floor is unknown."""
    found = [
        (result.metrics.get(item.metric or ""), _floor(result.floors.get(item.metric or ""), item.unit))
        for result in report.results
        if (result.arm, result.backbone) == (arm, item.backbone) and result.seed in item.seeds
    ]
    leads = [value - floor for value, floor in found if value is not None and floor is not None]
    return _mean(leads) if len(leads) == len(found) else None


def _floor(known: float | None, unit: str) -> float | None:
    return 0.0 if known is None and unit in _ZERO_FLOOR else known


def _mean(values: Sequence[float]) -> float | None:
    return mean_interval(values).mean if values else None
