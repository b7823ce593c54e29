"""Quantities followed over rounds: thin lines for seeds, a thick one for their mean, a panel a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures import WIDTH_IN, drawing, save_figure
from reports.records import Report, SeriesPoint

Series = tuple[str, str, str]
"""Id of a series, its words in the legend, its colour."""


def series_plot(report: Report, shown: Sequence[Series], y_title: str, path: Path) -> bool:
    """Draw series over rounds.

    Args:
        report: judged records.
        shown: which series, in the order of the legend.
        y_title: what they measure, with its unit.
        path: the PNG to write.
    Returns:
        False, and no file, when there is nothing to draw.
    """
    ids = {series for series, _, _ in shown}
    points = [point for point in report.series if point.series in ids]
    backbones = [backbone for backbone in report.backbones if any(point.backbone == backbone.id for point in points)]
    if not backbones:
        return False
    with drawing(3.0, width_in=min(WIDTH_IN, 3.0 + 3.0 * len(backbones))) as figure:
        panels = figure.subplots(1, len(backbones), squeeze=False)[0]
        for panel, backbone in zip(panels, backbones, strict=True):
            for series, label, colour in shown:
                _lines(panel, [p for p in points if (p.series, p.backbone) == (series, backbone.id)], label, colour)
            panel.set_title(backbone.title)
            panel.set_xlabel("round")
            panel.set_ylabel(y_title)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.grid(axis="y")
        panels[0].legend(loc="best")
        save_figure(figure, path)
    return True


def _lines(panel: Axes, points: Sequence[SeriesPoint], label: str, colour: str) -> None:
    for seed in sorted({point.seed for point in points}):
        line = sorted((point.round, point.value) for point in points if point.seed == seed)
        panel.plot(*zip(*line, strict=True), "-", lw=0.8, color=colour, alpha=0.45)
    rounds = sorted({point.round for point in points})
    if rounds:
        means = [np.mean([point.value for point in points if point.round == number]) for number in rounds]
        panel.plot(rounds, means, "o-", lw=2.2, ms=4, color=colour, label=label)
