"""Making a training crop of an image and its labels; a pure function of the image and a random generator.

Shape legend: H, W pixels of the original, h, w of the crop, S its padded side; 3 RGB.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED
from methods.common.segmenters.semantic.augmentation_config import PhotometricConfig, SemanticAugmentConfig

Image = NDArray[np.uint8]

_LEVELS = np.arange(256, dtype=np.float32)


class Window(NamedTuple):
    """A crop of a scaled image, in its pixels."""

    top: int
    left: int
    height: int
    width: int


def augment(
    image_HW3: Image, label_HW: Image, config: SemanticAugmentConfig, rng: np.random.Generator
) -> tuple[Image, Image]:
    """Return a crop, uint8 RGB [S, S, 3] padded with 0, and its labels, uint8 [S, S] padded with 255.

    Source: SAM filter section 8 [MM]: scale, crop, mirror, colours, pad, in this order.
    """
    short_sides = config.short_sides_px
    size = scaled_size(label_HW.shape[0], label_HW.shape[1], short_sides[int(rng.integers(len(short_sides)))], config)
    window, label_hw = choose_crop(label_HW, size, config, rng)
    image_hw3 = read_window(image_HW3, size, window)
    if rng.random() < config.flip_probability:
        image_hw3, label_hw = (np.asarray(cv2.flip(pixels, 1), np.uint8) for pixels in (image_hw3, label_hw))
    if config.photometric is not None:
        image_hw3 = distort_colours(image_hw3, config.photometric, rng)
    return pad(image_hw3, config.crop_px, 0), pad(label_hw, config.crop_px, IGNORED)


def scaled_size(height: int, width: int, short_side_px: int, config: SemanticAugmentConfig) -> tuple[int, int]:
    """Return height and width of the scaled image: the short side as asked, the long side within its limit, rounded half up."""
    scale = min(short_side_px / min(height, width), config.max_long_side * config.crop_px / max(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def choose_crop(
    label_HW: Image, size: tuple[int, int], config: SemanticAugmentConfig, rng: np.random.Generator
) -> tuple[Window, Image]:
    """Draw a crop of the scaled image until no class fills it, and return it with its labels."""
    height, width = min(size[0], config.crop_px), min(size[1], config.crop_px)
    for retry in range(config.crop_retries + 1):
        top, left = (int(rng.integers(0, side - part + 1)) for side, part in zip(size, (height, width), strict=True))
        window = Window(top, left, height, width)
        label_hw = read_labels(label_HW, size, window)
        if retry == config.crop_retries or not is_filled(label_hw, config.max_class_share):
            break
    return window, label_hw


def is_filled(label_hw: Image, max_share: float) -> bool:
    """Whether one class has at least this share of the rated pixels, or is the only one, or none is rated.

    Source: MMSegmentation's rule for crops [MM]. ``max_share`` 1 accepts everything.
    """
    if max_share >= 1.0:
        return False
    count_K = cv2.calcHist([label_hw], [0], None, [256], [0, 256]).ravel()[:IGNORED]
    largest, total = float(count_K.max()), float(count_K.sum())
    return largest == total or largest >= max_share * total


def read_labels(label_HW: Image, size: tuple[int, int], window: Window) -> Image:
    """Return the labels of a window of the scaled label map, nearest pixel by centres."""
    rows, columns = (
        _nearest(start, length, scaled, original)
        for start, length, scaled, original in zip(window[:2], window[2:], size, label_HW.shape, strict=True)
    )
    return label_HW[rows][:, columns]


def _nearest(start: int, length: int, scaled: int, original: int) -> NDArray[np.int64]:
    """Return the pixel of the original under the centre of each pixel of a stretch of the scaled side."""
    return (2 * np.arange(start, start + length) + 1) * original // (2 * scaled)


def read_window(image_HW3: Image, size: tuple[int, int], window: Window) -> Image:
    """Return a window of the scaled image, bilinear without smoothing, as MMSegmentation scales images [MM].

    All of it is scaled, because OpenCV's scaling is so much quicker than its warping that a crop alone would take longer.
    """
    top, left, height, width = window
    if size != image_HW3.shape[:2]:
        image_HW3 = np.asarray(cv2.resize(image_HW3, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.ascontiguousarray(image_HW3[top : top + height, left : left + width])


def distort_colours(image_HW3: Image, config: PhotometricConfig, rng: np.random.Generator) -> Image:
    """Change brightness, contrast, saturation and hue at random.

    Brightness comes first; contrast follows it or comes last; saturation and hue are changed in HSV with 8 bits a channel, where
    hue has 180 steps. Results are cut to [0, 255] and rounded down after each change. Source:
    SAM filter section 8 [MM].
    """
    changes, contrast_last = rng.random(4) < 0.5, bool(rng.random() < 0.5)
    brightness = _table(1.0, rng.uniform(-config.brightness, config.brightness)) if changes[0] else None
    contrast = _table(rng.uniform(*config.contrast), 0.0) if changes[1] else None
    first = [brightness] if contrast_last else [brightness, contrast]
    image_HW3 = _look_up(image_HW3, first)
    if changes[2] or changes[3]:
        saturation = _table(rng.uniform(*config.saturation), 0.0) if changes[2] else None
        shift = int(rng.integers(-config.hue, max(config.hue, 1 - config.hue))) if changes[3] else 0
        image_HW3 = _change_hsv(image_HW3, saturation, shift)
    return _look_up(image_HW3, [contrast]) if contrast_last else image_HW3


def _table(factor: float, offset: float) -> Image:
    """Return what a linear change makes of every level, uint8 [256]."""
    changed: Image = np.clip(_LEVELS * np.float32(factor) + np.float32(offset), 0, 255).astype(np.uint8)
    return changed


def _look_up(image_HW3: Image, tables: list[Image | None]) -> Image:
    """Apply the tables that there are, one after another, in one pass over the image."""
    combined: Image | None = None
    for table in tables:
        if table is not None:
            combined = table if combined is None else table[combined]
    return image_HW3 if combined is None else np.asarray(cv2.LUT(image_HW3, combined), np.uint8)


def _change_hsv(image_HW3: Image, saturation: Image | None, hue_shift: int) -> Image:
    identity = _LEVELS.astype(np.uint8)
    hue = ((np.arange(256) + hue_shift) % 180).astype(np.uint8)
    table_3 = np.stack([hue, identity if saturation is None else saturation, identity], axis=-1)[None]
    hsv_HW3 = cv2.LUT(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2HSV), table_3)
    return np.asarray(cv2.cvtColor(hsv_HW3, cv2.COLOR_HSV2RGB), np.uint8)


def pad(pixels: Image, side: int, value: int) -> Image:
    """Pad right and bottom to a square."""
    height, width = pixels.shape[:2]
    if (height, width) == (side, side):
        return pixels
    padded = np.full((side, side, *pixels.shape[2:]), value, np.uint8)
    padded[:height, :width] = pixels
    return padded
