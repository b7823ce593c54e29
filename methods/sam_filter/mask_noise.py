"""The three readings of "30-pixel noise" in the pre-training masks (section 7.2). The picture stays as it is.

Shape legend: K rings, L = vertices of a ring plus the first again, 2 = x, y; H, W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from methods.sam_filter.line_drawing import blank_canvas, fill, to_pixels
from methods.sam_filter.mask_modes import MaskMode, Pixels, draw_mask, paint_shape
from methods.sam_filter.segrcdb import Shape

MaskNoise: TypeAlias = Literal["none", "N1", "N2", "N3"]


def draw_noisy_mask(
    shapes: Iterable[Shape], mode: MaskMode, noise: MaskNoise, noise_px: float, size_px: int, rng: np.random.Generator
) -> Pixels:
    """Draw the label map of shapes with noise, uint8 [H, W].

    N1 moves every vertex by independent uniform noise in [-noise_px, noise_px] along x and y. N2 moves each shape as a whole by a
    vector drawn uniformly from the disc of radius noise_px, in whole pixels. N3 dilates or erodes what each shape labels by a uniform whole
    number of pixels in [-noise_px, noise_px]; for M2 and M3 only.

    Args:
        shapes: the picture's shapes in order.
        mode: what of a shape is labelled.
        noise: which reading; ``none`` draws the clean mask.
        noise_px: its greatest size.
        size_px: side of the picture.
        rng: the stream of this image's mask noise, apart from the picture's.
    """
    if noise == "N3":
        return _draw_resized(shapes, mode, int(noise_px), size_px, rng)
    if noise == "N1":
        shapes = (shape._replace(points_KL2=_jitter(shape.points_KL2, noise_px, rng)) for shape in shapes)
    elif noise == "N2":
        shapes = (shape._replace(points_KL2=shape.points_KL2 + _shift(noise_px, rng)) for shape in shapes)
    return draw_mask(shapes, mode, size_px)


def _jitter(points_KL2: NDArray[np.float32], noise_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    open_KV2 = points_KL2[:, :-1].astype(np.float64)
    return to_pixels(open_KV2 + rng.uniform(-noise_px, noise_px, open_KV2.shape))


def _shift(noise_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    length, angle = noise_px * math.sqrt(rng.uniform()), rng.uniform(0, 2 * math.pi)
    return np.round([length * math.cos(angle), length * math.sin(angle)]).astype(np.float32)


def _draw_resized(
    shapes: Iterable[Shape], mode: MaskMode, noise_px: int, size_px: int, rng: np.random.Generator
) -> Pixels:
    """Dilate or erode each shape with a disc; in M2 the clean hole is cleared first."""
    import cv2  # here, so that plans and `--help` start without it

    mask_HW = np.zeros((size_px, size_px), np.uint8)
    for shape in shapes:
        radius = int(rng.integers(-noise_px, noise_px, endpoint=True))
        alone, canvas = blank_canvas("L", size_px)
        if mode == "M2" and len(shape.points_KL2) > 1:
            fill(canvas, shape.points_KL2[0], 1)
            mask_HW[np.asarray(alone) > 0] = 0
            fill(canvas, shape.points_KL2[0], 0)
        paint_shape(canvas, mode, shape.label, shape.points_KL2)
        resize = cv2.dilate if radius > 0 else cv2.erode
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(radius) + 1,) * 2)
        resized_HW = resize(np.asarray(alone), disc)
        mask_HW[resized_HW > 0] = shape.label
    return mask_HW


def mask_overlap(clean_HW: Pixels, noisy_HW: Pixels) -> float:
    """Mean IoU of a clean and a noisy label map over the shape labels that occur in either; 1 where neither has any."""
    both = np.bincount(clean_HW.ravel().astype(np.int64) * 256 + noisy_HW.ravel(), minlength=256 * 256).reshape(
        256, 256
    )
    intersection = np.diagonal(both)[1:]
    union = both.sum(axis=0)[1:] + both.sum(axis=1)[1:] - intersection
    occurs = union > 0
    return float(np.mean(intersection[occurs] / union[occurs])) if occurs.any() else 1.0
