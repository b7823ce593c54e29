"""Sheets of sample images: generated objects a round, and training images with their masks drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from PIL import Image

from reports.figures import DPI, GREY, PALETTE, drawing, save_figure
from reproductions.mrca.records import ObjectSample, PastedSample

ItemT = TypeVar("ItemT")

_BACKDROP = (222, 222, 222)
"""Light grey behind cut-outs, so that white objects and holes in a mask are seen."""
_TILE, _PITCH, _MARGIN = 72, 90, 80
"""Pixels: side of a shown object, distance between two, room for the round at the left."""
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
    height, width = _PITCH * len(rows), _PITCH * columns
    with drawing(height / DPI, (width + _MARGIN) / DPI) as figure:
        figure.set_layout_engine("none")  # one picture with text on it; laying out a panel a tile takes seconds
        panel = figure.add_axes((0, 0, 1, 1))
        panel.imshow(_tiled(rows, height, width), interpolation="nearest", extent=(0, width, height, 0))
        _captions(panel, rounds, rows)
        panel.set_xlim(-_MARGIN, width)
        panel.set_ylim(height, 0)
        panel.set_axis_off()
        save_figure(figure, path)
    return True


def _tiled(rows: Sequence[Sequence[ObjectSample]], height: int, width: int) -> np.ndarray:
    """Put every object into its place on white: uint8 (height, width, 3)."""
    sheet = Image.new("RGB", (width, height), "white")
    for y, row in enumerate(rows):
        for x, sample in enumerate(row):
            tile = _on_grey(sample.path).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (x * _PITCH, y * _PITCH))
    return np.asarray(sheet)


def _captions(panel: Axes, rounds: Sequence[int], rows: Sequence[Sequence[ObjectSample]]) -> None:
    for y, (number, row) in enumerate(zip(rounds, rows, strict=True)):
        panel.text(-0.15 * _PITCH, y * _PITCH + _TILE / 2, f"round {number}", ha="right", va="center")
        for x, sample in enumerate(row):
            name = sample.category.replace("_", " ")
            place = x * _PITCH + _TILE / 2, y * _PITCH + _TILE + 3
            panel.text(*place, name, fontsize=7, color=GREY, ha="center", va="top")


def _thinned(items: Sequence[ItemT], most: int) -> list[ItemT]:
    """Return at most ``most`` items, evenly spaced, first and last kept."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _bare(panel: Axes) -> None:
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)


def _on_grey(path: Path) -> Image.Image:
    """Read an image and put it, centred in a square, on light grey."""
    with Image.open(path) as image:
        cut_out = image.convert("RGBA")
    side = max(cut_out.size)
    canvas = Image.new("RGBA", (side, side), (*_BACKDROP, 255))
    canvas.alpha_composite(cut_out, ((side - cut_out.width) // 2, (side - cut_out.height) // 2))
    return canvas.convert("RGB")


def pasted_sheet(samples: Sequence[PastedSample], path: Path, columns: int = 4, most: int = 8) -> bool:
    """Draw training images as the segmenter sees them, pasted masks in orange, real ones in blue.

    More than ``most`` samples are thinned evenly.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    shown = _thinned(samples, most)
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
