"""One metric by arm, the arms in groups: for papers with one metric and many arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.figures import GREY, drawing, save_figure, seeds_and_mean
from reports.records import Report

_GAP = 0.9
"""Empty rows before a group, for its heading."""
_HANDLE_LETTERS, _LETTERS_OF_LEGEND = 7, 110
"""Room of a legend's mark, and of one of its lines, in letters."""
_LINES = (":", (0, (4, 3)))


@dataclass(frozen=True)
class Row:
    """One arm in one group; an arm may stand in several."""

    group: str
    """Heading; empty for none."""
    arm: str
    title: str
    kind: str
    """What its colour says, as in the legend."""


def grouped_dot_plot(
    report: Report,
    backbone: str,
    metric: str,
    rows: Sequence[Row],
    colours: Mapping[str, str],
    references: Mapping[str, str],
    path: Path,
) -> bool:
    """Draw every seed of every arm, mean and 95 % interval, group by group.

    Args:
        report: judged records.
        backbone: which one.
        metric: which one.
        rows: arms in their order; those without a value are left out.
        colours: by kind, in the order of the legend.
        references: arms whose mean is drawn through the whole height, with the words beside the line; two at most.
        path: the PNG to write.
    Returns:
        False, and no file, when there is nothing to draw.
    """
    shown = [row for row in rows if report.by_seed(row.arm, backbone, metric)]
    if not shown:
        return False
    places, headings = _places(shown)
    with drawing(0.75 + 0.235 * (places[-1] + 1)) as figure:
        panel = figure.subplots()
        for row, place in zip(shown, places, strict=True):
            estimate = report.estimate(row.arm, backbone, metric)
            seeds_and_mean(panel, place, report.by_seed(row.arm, backbone, metric), estimate, colours[row.kind])
        panel.set_yticks(places, [row.title for row in shown])
        panel.set_ylim(places[-1] + 0.6, -0.7)
        for heading, place in headings.items():
            on_white = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none"}
            transform = panel.get_yaxis_transform()
            panel.text(0.006, place, heading, transform=transform, weight="bold", va="center", bbox=on_white)
            panel.axhline(place - 0.45, color="#dddddd", lw=0.8)
        panel.set_xlabel(f"{report.metric_title(metric)} (percent)")
        panel.grid(axis="x")
        _references(panel, report, backbone, metric, references)
        used = [kind for kind in colours if any(row.kind == kind for row in shown)]
        handles = [Line2D([], [], color=colours[kind], marker="o", mfc="none", ms=5, lw=1.4) for kind in used]
        letters = sum(len(kind) + _HANDLE_LETTERS for kind in used)
        lines = -(-letters // _LETTERS_OF_LEGEND)
        figure.legend(handles, used, loc="outside upper center", ncols=-(-len(used) // lines))
        save_figure(figure, path)
    return True


def _places(rows: Sequence[Row]) -> tuple[list[float], dict[str, float]]:
    """Heights of the rows and of the headings, downwards."""
    places: list[float] = []
    headings: dict[str, float] = {}
    height = -1.0
    for row in rows:
        height += 1
        if row.group and row.group not in headings:
            headings[row.group] = height
            height += _GAP
        places.append(height)
    return places, headings


def _references(panel: Axes, report: Report, backbone: str, metric: str, references: Mapping[str, str]) -> None:
    """Draw the lines; the words of the left one stand left of it and of the right one right, so that they never meet."""
    found = [(report.estimate(arm, backbone, metric), words) for arm, words in references.items()]
    means = sorted((estimate.mean, words) for estimate, words in found if estimate is not None)
    for line, side, (mean, words) in zip(_LINES, ("right", "left"), means, strict=False):
        panel.axvline(mean, color=GREY, lw=0.9, ls=line, zorder=0)
        place, shift = (mean, 1), (3 if side == "left" else -3, 2)
        panel.annotate(
            words,
            place,
            xytext=shift,
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha=side,
            va="bottom",
            color=GREY,
            size=8,
        )
