"""Augmentation of training images with instances: random size, crop and mirroring, as MRCA's release does it [R].

Shape legend: H, W image in pixels; N instances; C channels; 4 = x0, y0, x1, y1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.segmenters.instance.instances import Image, Instances, Mask, boxes_of_masks
from methods.common.stage import Config


class AugmentConfig(Config):
    """Resize, crop and flip of a real training image."""

    size_px: int = Field(default=640, ge=16)
    """Side of the square that an image is cropped to; 640 for R50, 896 for Swin-L [R]."""
    min_scale: float = Field(default=0.1, gt=0)
    """Smallest u: the image is resized to fit a square of u * size_px [R]."""
    max_scale: float = Field(default=2.0, gt=0)
    """Largest u [R]."""
    flip_probability: float = Field(default=0.5, ge=0, le=1)
    """Chance of mirroring left to right [R]."""


def fit_size(height: int, width: int, square_px: float) -> tuple[int, int]:
    """Return the (height, width) at which an image just fits a square, ratio kept, at least 1 px each."""
    scale = square_px / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize_and_crop(
    layer_HWC: NDArray[np.uint8], resized: tuple[int, int], crop: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """Resize to ``resized`` (height, width) and cut out ``crop`` (top, left, height, width), as one operation.

    Shrinks with antialiasing. When it grows, only the pixels of the crop are computed (bilinear, edges repeated).
    """
    import cv2

    height, width = layer_HWC.shape[:2]
    top, left, crop_height, crop_width = crop
    if resized == (height, width):
        return layer_HWC[top : top + crop_height, left : left + crop_width]
    if resized[0] * resized[1] < height * width:
        small = cv2.resize(layer_HWC, (resized[1], resized[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(small[top : top + crop_height, left : left + crop_width])
    step_y, step_x = height / resized[0], width / resized[1]
    # Pixel centres: target (x + left + 0.5) * step - 0.5 is where the source is read.
    source = np.array([[step_x, 0, (left + 0.5) * step_x - 0.5], [0, step_y, (top + 0.5) * step_y - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (crop_width, crop_height)
    return np.asarray(cv2.warpAffine(layer_HWC, source, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def augment_image(
    image_HW3: Image, instances: Instances, rng: np.random.Generator, config: AugmentConfig
) -> tuple[Image, Instances]:
    """Resize an image to fit a random square, crop it to the training size, mirror it with probability 0.5.

    Args:
        image_HW3: uint8 RGB.
        instances: its annotations; masks follow the image (coverage of at least half), boxes become the masks' tight
            boxes, instances without a visible pixel go.
        rng: four numbers are drawn.
        config: sizes.

    Returns:
        uint8 RGB of at most (size_px, size_px), smaller where the resized image was smaller (no padding), instances.

    Source: MRCA section 6.5 [R].
    """
    scale, place_y, place_x, mirror = rng.random(4)
    square_px = (config.min_scale + scale * (config.max_scale - config.min_scale)) * config.size_px
    resized = fit_size(image_HW3.shape[0], image_HW3.shape[1], square_px)
    crop_height, crop_width = min(resized[0], config.size_px), min(resized[1], config.size_px)
    top, left = int(place_y * (resized[0] - crop_height + 1)), int(place_x * (resized[1] - crop_width + 1))
    crop = (top, left, crop_height, crop_width)
    flip = bool(mirror < config.flip_probability)
    return mirrored(resize_and_crop(image_HW3, resized, crop), flip), crop_instances(instances, resized, crop, flip)


def mirrored(layer_HWC: NDArray[np.uint8], flip: bool) -> NDArray[np.uint8]:
    """Mirror a picture left to right where ``flip``."""
    return np.ascontiguousarray(layer_HWC[:, ::-1] if flip else layer_HWC)


def crop_instances(
    instances: Instances, resized: tuple[int, int], crop: tuple[int, int, int, int], flip: bool
) -> Instances:
    """Do to instances what was done to their image: resize, cut out (top, left, height, width), mirror; drop what is not seen."""
    windows_N4 = _windows(instances.mask_NHW, resized, crop)
    visible = np.flatnonzero((windows_N4[:, 2] > windows_N4[:, 0]) & (windows_N4[:, 3] > windows_N4[:, 1]))
    mask_NHW: Mask = np.zeros((len(visible), crop[2], crop[3]), np.bool_)
    for row, index in enumerate(visible):
        x0, y0, x1, y1 = (int(value) for value in windows_N4[index])
        layer_HW = instances.mask_NHW[index].view(np.uint8) * np.uint8(255)
        part_HW = resize_and_crop(layer_HW, resized, (crop[0] + y0, crop[1] + x0, y1 - y0, x1 - x0)) >= 128
        place = slice(crop[3] - x1, crop[3] - x0) if flip else slice(x0, x1)
        mask_NHW[row, y0:y1, place] = part_HW[:, ::-1] if flip else part_HW
    boxes_N4 = boxes_of_masks(mask_NHW)
    cropped = Instances(boxes_N4, instances.class_N[visible], mask_NHW, instances.source_N[visible])
    seen_N = boxes_N4[:, 2] > boxes_N4[:, 0]
    return cropped if seen_N.all() else cropped.select(seen_N)


def _windows(mask_NHW: Mask, resized: tuple[int, int], crop: tuple[int, int, int, int]) -> NDArray[np.int64]:
    """Find the part of the crop, x0, y0, x1, y1, outside which each mask is empty, so that only that part is computed.

    An empty window has x1 <= x0 or y1 <= y0.
    """
    top, left, crop_height, crop_width = crop
    scale = np.array([resized[1] / mask_NHW.shape[2], resized[0] / mask_NHW.shape[1]] * 2)
    slack = 2 * max(1.0, float(scale.max()))  # interpolation reaches one source pixel and one target pixel further
    reach = np.array([-left - slack, -top - slack, slack - left, slack - top])
    corners_N4 = boxes_of_masks(mask_NHW) * scale + reach
    windows_N4: NDArray[np.int64] = np.rint(corners_N4).clip(0, [crop_width, crop_height] * 2).astype(np.int64)
    return windows_N4
