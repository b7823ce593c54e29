"""Sheets of pictures: tiles in rows and columns, with heads, names and captions, every size in pixels.

A sheet is one picture with words and lines on it: laying out a panel a tile would take seconds. Shape legend: H, W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

from reports.figures import DPI, GREY, drawing, save_figure

_GAP, _STRIP_GAP = 6, 18
"""Between two tiles, and between two strips."""
_HEAD, _CAPTION, _LEGEND = 22, 17, 28
"""Room for heads, for the words under a row, and for the legend above everything."""
_LEGEND_WIDTH = 320


@dataclass(frozen=True)
class Outline:
    """A line around a region of a tile's picture."""

    region_HW: NDArray[np.bool_]
    """Of the picture's size."""
    colour: str
    width_pt: float = 1.2
    name: str = ""
    """Written at the top of the region, inside the picture."""


@dataclass(frozen=True)
class Tile:
    """One picture; it is fitted into the sheet's tiles, small ones with their hard pixels."""

    image: Image.Image
    outlines: tuple[Outline, ...] = ()


@dataclass(frozen=True)
class Strip:
    """Tiles side by side that belong together, with one line of words under them."""

    tiles: Sequence[Tile]
    caption: str = ""


@dataclass(frozen=True)
class SheetRow:
    """Strips side by side, with a name at the left."""

    strips: Sequence[Strip]
    name: str = ""


@dataclass(frozen=True)
class Sheet:
    """What is shown, and how large."""

    rows: Sequence[SheetRow]
    tile_px: int = 108
    """Width of a tile."""
    tile_heads: Sequence[str] = ()
    """Above the tiles of each strip."""
    strip_heads: Sequence[str] = ()
    """Above the strips."""
    legend: Mapping[str, str] = field(default_factory=dict)
    """Colour of outlines by what they mean."""
    tile_aspect: float = 1.0
    """Width of a tile by its height."""
    side_px: int = 80
    """Room for the names of rows at the left."""

    @property
    def strip_px(self) -> int:
        """From one strip to the next."""
        tiles = max(len(strip.tiles) for row in self.rows for strip in row.strips)
        return tiles * (self.tile_px + _GAP) - _GAP + _STRIP_GAP

    @property
    def tile_height_px(self) -> int:
        """Height of a tile."""
        return round(self.tile_px / self.tile_aspect)

    @property
    def row_px(self) -> int:
        """From one row to the next."""
        captions = any(strip.caption for row in self.rows for strip in row.strips)
        return self.tile_height_px + _GAP + (_CAPTION if captions else 0)

    @property
    def width_px(self) -> int:
        """Of all tiles, without the names of rows."""
        width = max(len(row.strips) for row in self.rows) * self.strip_px - _STRIP_GAP
        return max(width, _LEGEND_WIDTH) if self.legend else width

    @property
    def height_px(self) -> int:
        """Of all tiles with their captions, without heads."""
        return len(self.rows) * self.row_px - _GAP

    def strips(self) -> Iterator[tuple[Strip, int, int]]:
        """Go through the strips with the place of their upper left corner, x and y."""
        for number, row in enumerate(self.rows):
            for column, strip in enumerate(row.strips):
                yield strip, column * self.strip_px, number * self.row_px

    def tiles(self) -> Iterator[tuple[Tile, int, int]]:
        """Go through the tiles with the place of their upper left corner, x and y."""
        for strip, x, y in self.strips():
            for column, tile in enumerate(strip.tiles):
                yield tile, x + column * (self.tile_px + _GAP), y


def draw_sheet(sheet: Sheet, path: Path) -> bool:
    """Draw a sheet.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    if not any(row.strips for row in sheet.rows):
        return False
    side = sheet.side_px if any(row.name for row in sheet.rows) else 0
    top = (_HEAD if sheet.tile_heads or sheet.strip_heads else 0) + (_LEGEND if sheet.legend else 0)
    width, height = sheet.width_px, sheet.height_px
    with drawing((top + height) / DPI, (side + width) / DPI) as figure:
        figure.set_layout_engine("none")
        panel = figure.add_axes((0, 0, 1, 1))
        panel.set_axis_off()
        panel.imshow(_all_tiles(sheet), interpolation="nearest", extent=(0, width, height, 0))
        for tile, x, y in sheet.tiles():
            for outline in tile.outlines:
                _outline(panel, outline, *_fit(tile.image, sheet, x, y))
        _write(panel, sheet)
        if sheet.legend:
            handles = [Patch(fc="none", ec=colour, lw=1.8) for colour in sheet.legend.values()]
            figure.legend(handles, list(sheet.legend), loc="upper left", ncols=len(handles), borderaxespad=0.2)
        panel.set_xlim(-side, width)
        panel.set_ylim(height, -top)
        save_figure(figure, path)
    return True


def _fit(image: Image.Image, sheet: Sheet, x: int, y: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Upper left corner and size, in pixels, of a picture that is centred in a tile at x, y."""
    scale = min(sheet.tile_px / image.width, sheet.tile_height_px / image.height)
    width, height = (max(1, round(length * scale)) for length in image.size)
    return (x + (sheet.tile_px - width) // 2, y + (sheet.tile_height_px - height) // 2), (width, height)


def _all_tiles(sheet: Sheet) -> NDArray[np.uint8]:
    """All pictures on white: uint8 (height, width, 3)."""
    canvas = Image.new("RGB", (sheet.width_px, sheet.height_px), "white")
    for tile, x, y in sheet.tiles():
        corner, size = _fit(tile.image, sheet, x, y)
        enlarged = max(tile.image.size) <= sheet.tile_px
        method = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
        canvas.paste(tile.image.convert("RGB").resize(size, method), corner)
    return np.asarray(canvas)


def _write(panel: Axes, sheet: Sheet) -> None:
    """Write names of rows, heads of columns and captions; those of a single tile stand in its middle."""
    half = sheet.tile_px / 2
    for number, row in enumerate(sheet.rows):
        panel.text(
            -8, number * sheet.row_px + sheet.tile_height_px / 2, row.name, ha="right", va="center", weight="bold"
        )
    for x in range(0, max(len(row.strips) for row in sheet.rows) * sheet.strip_px, sheet.strip_px):
        for column, head in enumerate(sheet.tile_heads):
            panel.text(x + column * (sheet.tile_px + _GAP) + half, -5, head, size=8, ha="center", va="bottom")
    for column, head in enumerate(sheet.strip_heads):
        middle = column * sheet.strip_px + (sheet.strip_px - _STRIP_GAP) / 2
        panel.text(middle, -5, head, size=8.5, ha="center", va="bottom", weight="bold")
    for strip, x, y in sheet.strips():
        place, side = (x + half, "center") if len(strip.tiles) == 1 else (x, "left")
        panel.text(place, y + sheet.tile_height_px + 2, strip.caption, size=7, color=GREY, ha=side, va="top")


def _outline(panel: Axes, outline: Outline, corner: tuple[int, int], size: tuple[int, int]) -> None:
    """Draw along the edges of the region's pixels, also at the edge of the picture."""
    height, width = outline.region_HW.shape
    x = corner[0] + (np.arange(-1, width + 1) + 0.5) * size[0] / width
    y = corner[1] + (np.arange(-1, height + 1) + 0.5) * size[1] / height
    padded = np.pad(outline.region_HW, 1).astype(np.float64)
    panel.contour(x, y, padded, levels=[0.5], colors=[outline.colour], linewidths=outline.width_pt)
    if outline.name:
        rows, columns = np.nonzero(outline.region_HW)
        place = (
            corner[0] + size[0] * np.clip(columns.mean() / width, 0.2, 0.8),
            corner[1] + size[1] * max(rows.min() / height, 0.09),
        )
        box = {"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8}
        panel.text(*place, outline.name, size=6, color="#222222", ha="center", va="bottom", bbox=box)
