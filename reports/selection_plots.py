"""Plots of selections: a score with its cut-offs, the class mix before and after.

Each function returns False, without a file, when there is nothing to draw. Shape legend: C classes; S seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from reports.figures import FAINT, PALETTE, drawing, save_figure
from reports.selections import ScoreHistogram, SelectionStatistics

_GAINS, _LOSES = PALETTE[0], PALETTE[1]
_MOST_CLASSES = 40
"""More classes than that are thinned to those whose share changes most."""


# --- scores -----------------------------------------------------------------------------------------------------


def draw_scores(histograms: Sequence[ScoreHistogram], x_title: str, y_title: str, path: Path) -> bool:
    """Draw how many candidates have which score, with the cut-off of each selection; counts are means over seeds.

    Args:
        histograms: one a seed; those of another score or with other bins than the first one's are left out.
        x_title: what the score is.
        y_title: what is counted.
        path: the PNG to write.
    """
    if not histograms:
        return False
    first = histograms[0]
    known = [item for item in histograms if (item.score, item.edges) == (first.score, first.edges)]
    counts, edges = np.mean([item.counts for item in known], axis=0), np.array(first.edges)
    with drawing(2.7) as figure:
        panel = figure.subplots()
        panel.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color="#b7cfe0", ec="white", lw=0.6)
        panel.set_xlim(edges[0], edges[-1])
        panel.set_xlabel(x_title)
        panel.set_ylabel(y_title)
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
            f"{name}, ≥ {cut_off:.2f}",
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


def draw_class_mix(selections: Sequence[SelectionStatistics], path: Path) -> bool:
    """Draw each class's share of images and of pixels before and after one arm's selection, means over seeds."""
    if not selections:
        return False
    shares = {
        "images": (_share(selections, "images_before"), _share(selections, "images_after")),
        "labelled pixels": (_share(selections, "pixels_before"), _share(selections, "pixels_after")),
    }
    before_C, after_C = shares["images"]
    order = np.argsort(after_C - before_C, kind="stable")
    if len(order) > _MOST_CLASSES:
        order = np.concatenate([order[: _MOST_CLASSES // 2], order[-_MOST_CLASSES // 2 :]])
    names = [selections[0].classes[index].replace("_", " ") for index in order]
    with drawing(0.85 + 0.2 * len(order)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (title, (before, after)) in zip(panels, shares.items(), strict=True):
            _dumbbells(panel, 100 * before[order], 100 * after[order])
            panel.set_title(f"Share of {title}")
            panel.set_xlabel("percent")
        panels[0].set_yticks(range(len(order)), names)
        panels[0].set_ylim(len(order) - 0.4, -0.6)
        save_figure(figure, path)
    return True


def _share(selections: Sequence[SelectionStatistics], field: str) -> np.ndarray:
    """Each class's share of a count, mean over seeds: float64 (C,)."""
    counts_SC = np.array([getattr(item, field) for item in selections], dtype=np.float64)
    return np.asarray((counts_SC / np.maximum(counts_SC.sum(axis=1, keepdims=True), 1)).mean(axis=0))


def _dumbbells(panel: Axes, before: np.ndarray, after: np.ndarray) -> None:
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        colour = _GAINS if new >= old else _LOSES
        panel.plot([old, new], [row, row], "-", lw=2, color=colour, alpha=0.55, solid_capstyle="butt")
        panel.plot([old], [row], "o", ms=5, mfc="white", mec=colour, mew=1.2)
        panel.plot([new], [row], "o", ms=5, color=colour)
    panel.set_xlim(left=0)
    panel.grid(axis="x")
    panel.hlines(range(len(before)), 0, np.minimum(before, after), color=FAINT, lw=0.6, zorder=0)
