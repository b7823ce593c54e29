"""What an accuracy costs: AP against denoiser calls, and how often BSGAL's gate accepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reports.records import Report
from reports.scatter_plot import scatter_plot
from reports.tables import fixed, markdown_table, whole
from reproductions.mrca.records import MrcaReport

CALLS = "calls"
"""Scatter of mask AP over denoiser calls, a point an arm and seed."""


def draw_calls(report: Report, path: Path) -> bool:
    """Draw mask AP over denoiser calls; False, and no file, where no arm generates anything."""
    if not any(point.scatter == CALLS and point.x > 0 for point in report.points):
        return False
    return scatter_plot(report, CALLS, report.backbones[0].id, "denoiser calls (thousands)", "mask AP", path)


def cost_section(report: Report) -> str:
    """Name the arms that no other beats at equal or lower cost: what each further AP costs in denoiser calls."""
    rows = [
        [backbone.title, report.arm_title(arm), whole(1000 * calls), fixed(ap)]
        for backbone in report.backbones
        for arm, calls, ap in frontier(report, backbone.id)
    ]
    if len(rows) < 2:
        return ""
    text = (
        "Arms from cheap to dear, each with more mask AP (mean over seeds) than every arm that needs fewer denoiser calls; all others cost more "
        "than they bring here. Means alone: whether two arms differ is said under Claims."
    )
    header = ["Segmenter", "Arm", "Denoiser calls", "AP mask"]
    return "\n\n".join(["## Cost to reach an AP", text, markdown_table(header, rows, 2)])


def frontier(report: Report, backbone: str) -> list[tuple[str, float, float]]:
    """Return (arm, thousands of denoiser calls, mask AP) of each arm with more AP than all arms of fewer calls, cheapest first."""
    by_arm: dict[str, list[tuple[float, float]]] = {}
    for point in report.points:
        if (point.scatter, point.backbone) == (CALLS, backbone):
            by_arm.setdefault(point.variant, []).append((point.x, point.y))
    means = [
        (arm, float(np.mean([calls for calls, _ in found])), float(np.mean([ap for _, ap in found])))
        for arm, found in by_arm.items()
    ]
    best = -np.inf
    kept: list[tuple[str, float, float]] = []
    for arm, calls, ap in sorted(means, key=lambda row: (row[1], -row[2])):
        if ap > best:
            best = ap
            kept.append((arm, calls, ap))
    return kept


def gate_section(report: MrcaReport) -> str:
    """Say which share of its batches BSGAL trained on with pasting, in all and in each tenth of the training."""
    rows = []
    for arm in dict.fromkeys((rate.arm, rate.backbone) for rate in report.gate_rates):
        rates = [rate for rate in report.gate_rates if (rate.arm, rate.backbone) == arm]
        parts = np.array([[np.nan if part is None else part for part in rate.by_part] for rate in rates])
        tenths = ", ".join(fixed(100 * value, 0) if np.isfinite(value) else "–" for value in _means(parts))
        overall = [rate.rate for rate in rates if rate.rate is not None]
        shown = fixed(100 * float(np.mean(overall)), 1) if overall else "–"
        rows.append([report.arm_title(arm[0]), shown, tenths, fixed(max(rate.cache_mib for rate in rates), 1)])
    if not rows:
        return ""
    text = "A batch that is not accepted is trained on without its pasted objects. Means over seeds."
    header = ["Arm", "Accepted (%)", "In each tenth of the training (%)", "Cache (MiB)"]
    return "\n\n".join(["## BSGAL's gate", text, markdown_table(header, rows, 1)])


def _means(parts: np.ndarray) -> list[float]:
    """Mean of each column over the rows that have a number; NaN where none has."""
    return [
        float(np.mean(column[known])) if (known := np.isfinite(column)).any() else float("nan") for column in parts.T
    ]
