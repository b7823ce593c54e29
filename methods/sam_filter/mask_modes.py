"""The three mask modes of SegRCDB, and the picture beside them (section 5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from methods.sam_filter.line_drawing import Canvas, Points, blank_canvas, draw_lines, fill
from methods.sam_filter.segrcdb import Shape

MaskMode: TypeAlias = Literal["M1", "M2", "M3"]
Pixels: TypeAlias = NDArray[np.uint8]


def paint_shape(canvas: Canvas, mode: MaskMode, label: int, points_KL2: Points) -> None:
    """Paint one shape into a label map.

    M1: its rings as lines. M2: the band between first and last ring; the hole becomes background, whatever lay there, and a
    shape with one ring is not painted at all, as in the published script. M3: the last ring filled.
    """
    if mode == "M1":
        draw_lines(canvas, points_KL2, repeat(label, len(points_KL2)))
    elif mode == "M3":
        fill(canvas, points_KL2[-1], label)
    elif len(points_KL2) > 1:
        fill(canvas, points_KL2[-1], label)
        fill(canvas, points_KL2[0], 0)
        draw_lines(canvas, points_KL2[[0, -1]], (label, label))


def draw_image(shapes: Iterable[Shape], size_px: int) -> Pixels:
    """Draw the picture alone, grey, uint8 [H, W]."""
    picture, canvas = blank_canvas("L", size_px)
    for shape in shapes:
        draw_lines(canvas, shape.points_KL2, shape.grey_K.tolist())
    return np.array(picture)


def draw_mask(shapes: Iterable[Shape], mode: MaskMode, size_px: int) -> Pixels:
    """Draw the label map alone, uint8 [H, W]; 0 is background."""
    picture, canvas = blank_canvas("L", size_px)
    for shape in shapes:
        paint_shape(canvas, mode, shape.label, shape.points_KL2)
    return np.array(picture)


def draw_image_and_lines(shapes: Iterable[Shape], size_px: int) -> tuple[Pixels, Pixels]:
    """Draw the picture and its M1 label map in one pass: every line carries its grey value and its label.

    Returns:
        Picture uint8 [H, W], label map uint8 [H, W].
    """
    picture, canvas = blank_canvas("RGBA", size_px)
    for label, points_KL2, grey_K in shapes:
        draw_lines(canvas, points_KL2, ((grey, grey, grey, label) for grey in grey_K.tolist()))
    return np.array(picture.getchannel("R")), np.array(picture.getchannel("A"))


def to_rgb(grey_HW: Pixels) -> Pixels:
    """Repeat a grey picture in three channels, uint8 [H, W, 3]."""
    import cv2  # here, so that plans and `--help` start without it

    return np.asarray(cv2.cvtColor(grey_HW, cv2.COLOR_GRAY2RGB))
