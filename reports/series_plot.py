"""Quantities followed over rounds: thin lines for seeds, a thick one for their mean, panels beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures import WIDTH_IN, drawing, save_figure
from reports.records import Report, SeriesPoint


@dataclass(frozen=True)
class Series:
    """One line of a panel."""

    id: str
    words: str
    """In the legend."""
    colour: str
    style: str = "-"
    """As matplotlib writes it; tells lines of one colour apart."""


@dataclass(frozen=True)
class Panel:
    """Series that share axes."""

    title: str
    x_title: str
    series: Sequence[Series]
    """In the order of the legend."""


def series_plot(report: Report, shown: Sequence[Panel], y_title: str, path: Path) -> bool:
    """Draw series over rounds, a row of panels a backbone, all on one scale.

    Args:
        report: judged records.
        shown: panels from left to right.
        y_title: what they measure, with its unit.
        path: the PNG to write.
    Returns:
        False, and no file, when there is nothing to draw.
    """
    ids = {series.id for panel in shown for series in panel.series}
    points = [point for point in report.series if point.series in ids]
    backbones = [backbone for backbone in report.backbones if any(point.backbone == backbone.id for point in points)]
    if not backbones:
        return False
    lines_of_legend = max(len(panel.series) for panel in shown)
    height = (2.5 + 0.2 * lines_of_legend) * len(backbones)
    with drawing(height, width_in=min(WIDTH_IN, 3.0 + 3.0 * len(shown))) as figure:
        axes = figure.subplots(len(backbones), len(shown), squeeze=False, sharey=True)
        for row, backbone in zip(axes, backbones, strict=True):
            for place, (axis, panel) in enumerate(zip(row, shown, strict=True)):
                of_backbone = [point for point in points if point.backbone == backbone.id]
                named = f", {backbone.title}" if len(backbones) > 1 else ""
                _draw_panel(axis, panel, of_backbone, f"{panel.title}{named}", lines_of_legend)
                axis.set_ylabel("" if place else y_title)
        save_figure(figure, path)
    return True


def _draw_panel(axis: Axes, panel: Panel, points: Sequence[SeriesPoint], title: str, lines_of_legend: int) -> None:
    """Draw one panel; its legend stands between title and lines, where it hides none."""
    for series in panel.series:
        _lines(axis, [point for point in points if point.series == series.id], series)
    axis.set_title(title, pad=6 + 12.5 * lines_of_legend)
    axis.set_xlabel(panel.x_title)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(axis="y")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.1, fontsize=8, labelspacing=0.2)


def _lines(axis: Axes, points: Sequence[SeriesPoint], series: Series) -> None:
    for seed in sorted({point.seed for point in points}):
        line = sorted((point.round, point.value) for point in points if point.seed == seed)
        axis.plot(*zip(*line, strict=True), series.style, lw=0.8, color=series.colour, alpha=0.45)
    rounds = sorted({point.round for point in points})
    if rounds:
        means = [np.mean([point.value for point in points if point.round == number]) for number in rounds]
        axis.plot(rounds, means, f"o{series.style}", lw=2.2, ms=4, color=series.colour, label=series.words)
