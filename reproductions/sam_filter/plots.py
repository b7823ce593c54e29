"""Plots of a filter's report: the scores with their cut-offs, the class mix before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from reports.figures import FAINT, PALETTE, drawing, save_figure
from reproductions.sam_filter.records import SamFilterReport, ScoreHistogram, SelectionStatistics

_GAINS, _LOSES = PALETTE[0], PALETTE[1]
_MOST_CLASSES = 40
"""More classes than that are thinned to those whose share changes most."""


# --- scores -----------------------------------------------------------------------------------------------------


def draw_scores(report: SamFilterReport, path: Path) -> bool:
    """Draw how many pairs have which score, with the cut-off of each selection; counts are means over seeds.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    if not report.histograms:
        return False
    score = report.histograms[0].score
    first = report.histograms[0].edges
    known = [item for item in report.histograms if item.score == score and item.edges == first]
    counts = np.mean([item.counts for item in known], axis=0)
    edges = np.array(first)
    with drawing(2.7) as figure:
        panel = figure.subplots()
        panel.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color="#b7cfe0", ec="white", lw=0.6)
        panel.set_xlim(edges[0], edges[-1])
        panel.set_xlabel(f"score {score} (IoU of the generated mask and SAM's, mean over the named classes)")
        panel.set_ylabel("pairs")
        panel.grid(axis="y")
        panel.margins(y=0.06)
        _cut_offs(panel, known)
        save_figure(figure, path)
    return True


def _cut_offs(panel: Axes, histograms: Sequence[ScoreHistogram]) -> None:
    """Mark the cut-offs; names of close ones stand one above the other."""
    names = dict.fromkeys(name for item in histograms for name in item.cut_offs)
    means = {name: float(np.mean([h.cut_offs[name] for h in histograms if name in h.cut_offs])) for name in names}
    low, high = panel.get_xlim()
    edge = 0.06 * (high - low)
    last, level = -np.inf, 0
    for name, cut_off in sorted(means.items(), key=lambda known: known[1]):
        level = level + 1 if cut_off - last < 2 * edge else 0
        last = cut_off
        panel.axvline(cut_off, color=PALETTE[1], lw=1.3)
        panel.annotate(
            f"top {name}, ≥ {cut_off:.2f}",
            (cut_off, 1),
            xytext=(0, 2 + 11 * level),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="left" if cut_off < low + edge else "right" if cut_off > high - edge else "center",
            va="bottom",
            size=8,
            color=PALETTE[1],
        )


# --- class mix --------------------------------------------------------------------------------------------------


def draw_class_mix(report: SamFilterReport, arm: str, path: Path) -> str | None:
    """Draw each class's share of images and of pixels before and after a selection, means over seeds.

    Args:
        report: judged records.
        arm: whose selection; where it is not there, the first one that leaves something out.
        path: the PNG to write.
    Returns:
        The arm drawn; None, and no file, when there is nothing to draw.
    """
    selecting = [item.arm for item in report.selections if item.num_after < item.num_before]
    chosen = arm if arm in selecting else next(iter(selecting), None)
    if chosen is None:
        return None
    known = [item for item in report.selections if item.arm == chosen]
    shares = {
        "images": (_share(known, "images_before"), _share(known, "images_after")),
        "labelled pixels": (_share(known, "pixels_before"), _share(known, "pixels_after")),
    }
    before_C, after_C = shares["images"]
    order = np.argsort(after_C - before_C, kind="stable")
    if len(order) > _MOST_CLASSES:
        order = np.concatenate([order[: _MOST_CLASSES // 2], order[-_MOST_CLASSES // 2 :]])
    names = [known[0].classes[index].replace("_", " ") for index in order]
    with drawing(0.85 + 0.2 * len(order)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (title, (before, after)) in zip(panels, shares.items(), strict=True):
            _dumbbells(panel, 100 * before[order], 100 * after[order])
            panel.set_title(f"Share of {title}")
            panel.set_xlabel("percent")
        panels[0].set_yticks(range(len(order)), names)
        panels[0].set_ylim(len(order) - 0.4, -0.6)
        save_figure(figure, path)
    return chosen


def _share(selections: Sequence[SelectionStatistics], field: str) -> np.ndarray:
    """Each class's share of a count, mean over seeds: float64 (C,)."""
    counts = np.array([getattr(item, field) for item in selections], dtype=np.float64)
    return np.asarray((counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).mean(axis=0))


def _dumbbells(panel: Axes, before: np.ndarray, after: np.ndarray) -> None:
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        colour = _GAINS if new >= old else _LOSES
        panel.plot([old, new], [row, row], "-", lw=2, color=colour, alpha=0.55, solid_capstyle="butt")
        panel.plot([old], [row], "o", ms=5, mfc="white", mec=colour, mew=1.2)
        panel.plot([new], [row], "o", ms=5, color=colour)
    panel.set_xlim(left=0)
    panel.grid(axis="x")
    panel.hlines(range(len(before)), 0, np.minimum(before, after), color=FAINT, lw=0.6, zorder=0)
