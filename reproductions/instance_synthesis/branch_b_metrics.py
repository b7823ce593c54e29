"""Columns of the few-shot tables (section 6.1)."""

from __future__ import annotations

from collections.abc import Mapping

from reports.records import Metric

BASE_AP, NOVEL_AP, HARMONIC_AP, NOVEL_AP50 = "AP_base", "AP_novel", "AP_harmonic", "AP50_novel"
FEW_SHOT_METRICS: tuple[Metric, ...] = (
    Metric(id=BASE_AP, title="base AP"),
    Metric(id=NOVEL_AP, title="novel AP"),
    Metric(id=NOVEL_AP50, title="novel AP50"),
    Metric(id=HARMONIC_AP, title="harmonic mean"),
)


def few_shot_metrics(found: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return the columns from what an evaluation tells of its groups of classes, in percent."""
    known = {name: found[name] for name in (BASE_AP, NOVEL_AP, NOVEL_AP50)}
    return {**known, HARMONIC_AP: harmonic_mean(found[BASE_AP], found[NOVEL_AP])}


def harmonic_mean(left: float | None, right: float | None) -> float | None:
    """Return the harmonic mean of two numbers that are not negative; 0 where one is 0, None where one is unknown."""
    if left is None or right is None:
        return None
    return 2 * left * right / (left + right) if left and right else 0.0
