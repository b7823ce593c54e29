"""A study over variants: one named point a variant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from reports.figures import PALETTE, drawing, save_figure
from reports.records import Report, ScatterPoint


def scatter_plot(report: Report, scatter: str, backbone: str, x_title: str, y_title: str, path: Path) -> bool:
    """Draw a variant a point, what is varied on x and what comes of it on y; seeds light, means bold and named.

    Args:
        report: judged records.
        scatter: which study over variants.
        backbone: which one.
        x_title: what x is, with its unit.
        y_title: what y is.
        path: the PNG to write.
    Returns:
        False, and no file, when there is nothing to draw.
    """
    points = [point for point in report.points if (point.scatter, point.backbone) == (scatter, backbone)]
    if not points:
        return False
    with drawing(3.9, width_in=6.2) as figure:
        panel = figure.subplots()
        panel.plot([p.x for p in points], [p.y for p in points], "o", ms=3.5, mew=0, color=PALETTE[5], alpha=0.6)
        means = {variant: _mean(points, variant) for variant in sorted({point.variant for point in points})}
        panel.plot(*zip(*means.values(), strict=True), "o", ms=7, color=PALETTE[0])
        panel.set_xlabel(x_title)
        panel.set_ylabel(y_title)
        panel.grid()
        panel.margins(0.12)
        _name_points(figure, panel, {name.replace("_", " "): place for name, place in means.items()})
        save_figure(figure, path)
    return True


def _mean(points: Sequence[ScatterPoint], variant: str) -> tuple[float, float]:
    of_variant = [point for point in points if point.variant == variant]
    return float(np.mean([point.x for point in of_variant])), float(np.mean([point.y for point in of_variant]))


def _name_points(figure: Figure, panel: Axes, points: dict[str, tuple[float, float]]) -> None:
    """Write each name beside its point, on the side where it covers least."""
    figure.canvas.draw()
    marks = [panel.transData.transform(place) for place in points.values()]
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in marks]
    for name, place in points.items():
        options = [_written(panel, name, place, side) for side in _SIDES]
        boxes = [text.get_window_extent() for text in options]
        costs = [sum(_overlap(box, other) for other in taken) + _outside(box, panel.bbox) for box in boxes]
        best = int(np.argmin(costs))
        for index, text in enumerate(options):
            if index != best:
                text.remove()
        taken.append(boxes[best])


_SIDES = ((8, 0), (-8, 0), (0, 9), (0, -9), (7, 7), (-7, 7), (7, -7), (-7, -7))
"""Where a name may stand, points from its mark."""


def _written(panel: Axes, name: str, place: tuple[float, float], side: tuple[int, int]) -> Annotation:
    x, y = side
    return panel.annotate(
        name,
        place,
        xytext=side,
        textcoords="offset points",
        size=8,
        ha="left" if x > 0 else "right" if x < 0 else "center",
        va="bottom" if y > 0 else "top" if y < 0 else "center",
    )


def _overlap(box: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(box, other)
    return 0.0 if both is None else both.width * both.height


def _outside(box: Bbox, frame: Bbox) -> float:
    return box.width * box.height - _overlap(box, frame)
