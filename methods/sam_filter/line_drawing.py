"""Drawing rings with the pixel rule of the published scripts: Pillow's lines of width 1 and filled polygons.

Pillow cuts coordinates to whole pixels towards zero, then walks Bresenham's line. It draws a whole ring at once from a buffer of
float32 pairs without touching a Python number, which is what makes this fast; the pixels are those of one call a line.

Shape legend: K rings, L = vertices of a ring plus the first again, 2 = x, y in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Canvas: TypeAlias = ImageDraw.ImageDraw
Ink: TypeAlias = int | tuple[int, int, int, int]
Points: TypeAlias = NDArray[np.float32]


def blank_canvas(mode: str, size_px: int) -> tuple[Image.Image, Canvas]:
    """Make a square picture of zeros in a mode of Pillow, and what draws on it."""
    picture = Image.new(mode, (size_px, size_px))
    return picture, ImageDraw.Draw(picture)


def to_pixels(rings_KV2: NDArray[np.float64]) -> Points:
    """Cut coordinates to whole pixels towards zero and close each ring, float32 [K, L, 2]."""
    num_rings, num_vertices, _ = rings_KV2.shape
    points_KL2 = np.empty((num_rings, num_vertices + 1, 2), np.float32)
    points_KL2[:, :-1] = rings_KV2.astype(np.int32)  # float32 alone could round up to the next pixel
    points_KL2[:, -1] = points_KL2[:, 0]
    return points_KL2


def draw_lines(canvas: Canvas, points_KL2: Points, inks_K: Iterable[Ink]) -> None:
    """Draw closed rings one after the other, one pixel wide, each in its ink."""
    for points_L2, ink in zip(points_KL2, inks_K, strict=True):
        canvas.line(points_L2, ink, 1)


def fill(canvas: Canvas, points_L2: Points, ink: int) -> None:
    """Fill a closed ring with Pillow's polygon rule, edges included."""
    canvas.polygon(cast(Any, points_L2), fill=ink)  # Pillow's annotation leaves buffers out
