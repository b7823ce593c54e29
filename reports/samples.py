"""Sheets of sample images: generated objects a round, and training images with their masks drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from PIL import Image

from reports.figures import GREY, PALETTE, drawing, save_figure
from reports.records import ObjectSample, PastedSample

_BACKDROP = (222, 222, 222)
"""Light grey behind cut-outs, so that white objects and holes in a mask are seen."""
_PASTED, _REAL = PALETTE[1], PALETTE[5]


def object_sheet(objects: Sequence[ObjectSample], path: Path, columns: int = 10, max_rounds: int = 12) -> bool:
    """Draw a row a round of generated objects with their class, on light grey.

    Rounds beyond ``max_rounds`` are thinned evenly, first and last kept.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    rounds = sorted({sample.round for sample in objects})
    if not rounds:
        return False
    rounds = _thinned(rounds, max_rounds)
    rows = [[sample for sample in objects if sample.round == number][:columns] for number in rounds]
    columns = max(len(row) for row in rows)
    with drawing(0.95 * len(rows) + 0.1) as figure:
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for number, row, panels in zip(rounds, rows, grid, strict=True):
            _object_row(row, panels)
            panels[0].set_ylabel(f"round {number}", rotation=0, ha="right", va="center", labelpad=8)
        save_figure(figure, path)
    return True


def _thinned(rounds: list[int], most: int) -> list[int]:
    if len(rounds) <= most:
        return rounds
    return [rounds[round(index * (len(rounds) - 1) / (most - 1))] for index in range(most)]


def _object_row(row: Sequence[ObjectSample], panels: Sequence[Axes]) -> None:
    for place, panel in enumerate(panels):
        _bare(panel)
        if place < len(row):
            panel.imshow(_on_grey(row[place].path), interpolation="nearest")
            panel.set_xlabel(row[place].category.replace("_", " "), fontsize=7, color=GREY, labelpad=2)


def _bare(panel: Axes) -> None:
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)


def _on_grey(path: Path) -> np.ndarray:
    """Read an image and put it, centred in a square, on light grey: uint8 (S, S, 3)."""
    with Image.open(path) as image:
        cut_out = image.convert("RGBA")
    side = max(cut_out.size)
    canvas = Image.new("RGBA", (side, side), (*_BACKDROP, 255))
    canvas.alpha_composite(cut_out, ((side - cut_out.width) // 2, (side - cut_out.height) // 2))
    return np.asarray(canvas.convert("RGB"))


def pasted_sheet(samples: Sequence[PastedSample], path: Path, columns: int = 4, most: int = 8) -> bool:
    """Draw training images as the segmenter sees them, pasted masks in orange, real ones in blue.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    shown = list(samples)[:most]
    if not shown:
        return False
    rows = -(-len(shown) // columns)
    with drawing(2.35 * rows + 0.3) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for place, panel in enumerate(grid.flat):
            _bare(panel)
            if place < len(shown):
                _pasted_image(panel, shown[place])
        handles = [Patch(fc="none", ec=colour, lw=1.8) for colour in (_PASTED, _REAL)]
        figure.legend(handles, ["pasted object", "real object"], loc="outside upper left", ncols=2)
        save_figure(figure, path)
    return True


def _pasted_image(panel: Axes, sample: PastedSample) -> None:
    with Image.open(sample.path) as image:
        pixels = np.asarray(image.convert("RGB"))
    with Image.open(sample.instances_path) as image:
        instances = np.asarray(image).astype(np.int64)
    assert instances.shape == pixels.shape[:2], f"{sample.instances_path} has another size than its image"
    panel.imshow(pixels, interpolation="nearest")
    for number in np.unique(instances[instances > 0]).tolist():
        pasted = number in sample.pasted
        mask = np.pad(instances == number, 1).astype(np.float64)
        span = np.arange(-1, mask.shape[1] - 1), np.arange(-1, mask.shape[0] - 1)
        colour = _PASTED if pasted else _REAL
        panel.contour(*span, mask, levels=[0.5], colors=[colour], linewidths=1.8 if pasted else 1.2)
        if pasted and number in sample.names:
            _name_inside(panel, instances == number, sample.names[number])
    panel.set_xlim(-0.5, pixels.shape[1] - 0.5)
    panel.set_ylim(pixels.shape[0] - 0.5, -0.5)
    panel.set_title(f"round {sample.round}", fontsize=7.5, fontweight="normal", color=GREY, pad=2)


def _name_inside(panel: Axes, mask: np.ndarray, name: str) -> None:
    """Write the class at the top of its object, inside the image."""
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    place = float(np.clip(columns.mean(), 0.2 * width, 0.8 * width)), float(np.clip(rows.min(), 0.09 * height, height))
    box = {"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8}
    panel.text(*place, name.replace("_", " "), fontsize=6, color="#222222", ha="center", va="bottom", bbox=box)
