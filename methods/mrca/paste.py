"""Pasting cut-outs into a training image with hard masks (section 3.8). Arrays in, arrays out.

Only the window that an object covers is touched, in the image as well as in the masks.

Shape legend: H, W image or object in pixels; N instances; 4 box corners x0, y0, x1, y1 or channels R, G, B, A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from methods.common.segmenters.instance.instances import Image, Instances, Mask, box_of_mask
from methods.common.stage import Config
from methods.mrca.size_model import Floats, PasteSizeConfig, SizeModel, draw_size

_OPAQUE = 128  # alpha from here on is object: the soft mask binarised at 0.5


class PasteConfig(Config):
    """When a real instance that a pasted object partly hides is still kept. The papers' numbers are for 640 px and up."""

    box_tolerance_px: float = Field(default=10.0, ge=0)
    """Keep it if no side of its box moved by more than this, ... [B]"""
    min_visible_px: int = Field(default=300, ge=0)
    """... or if more than this many pixels of its mask remain [B]."""
    flip_probability: float = Field(default=0.5, ge=0, le=1)
    """Chance that an object is mirrored left to right [B]."""


@dataclass(frozen=True)
class Placement:
    """Where and how large one object is pasted."""

    height: int
    """Height of the pasted box in pixels."""
    width: int
    """Width of the pasted box in pixels."""
    centre_y: float
    """Centre of the box from the image's upper edge, in pixels."""
    centre_x: float
    """Centre of the box from the image's left edge, in pixels."""
    flip: bool
    """Mirror left to right."""


def draw_placement(
    object_size: tuple[int, int],
    image_size: tuple[int, int],
    class_index: int,
    size_model: SizeModel,
    factor_C: Floats,
    rng: np.random.Generator,
    size_config: PasteSizeConfig,
    flip_probability: float = 0.5,
) -> Placement | None:
    """Draw size, position and flip of one object; None if the size model would make it too small or too large.

    The centre of the box is uniform over the image, so parts of the object may fall outside.

    Args:
        object_size: (height, width) of the cut-out in pixels.
        image_size: (H, W) of the training image in pixels.
        class_index: class of the object.
        size_model: typical sizes of each class.
        factor_C: resize factors, ones without accuracy-based resizing.
        rng: five numbers are drawn whatever the outcome.
        size_config: limits of the size.
        flip_probability: chance of mirroring.

    Source: sections 3.7 and 3.8.
    """
    mean, std = float(size_model.mean_C[class_index]), float(size_model.std_C[class_index])
    size = draw_size(object_size, image_size, mean, std, float(factor_C[class_index]), size_config, rng)
    centre_y, centre_x, mirror = rng.uniform(0, image_size[0]), rng.uniform(0, image_size[1]), rng.random()
    if size is None:
        return None
    return Placement(size[0], size[1], centre_y, centre_x, bool(mirror < flip_probability))


def resize_object(rgba_HW4: Image, height: int, width: int) -> tuple[Image, Mask]:
    """Resize a cut-out to (height, width) and binarise its mask at 0.5.

    Colours are averaged over opaque pixels only, so that whatever colour lies hidden under the transparent ones does
    not leak into the rim. Antialiased when it shrinks, bilinear when it grows.

    Returns:
        uint8 RGB (height, width, 3), meaningful where the mask is set, and the bool mask (height, width).
    """
    import cv2

    opaque_HW = rgba_HW4[..., 3] >= _OPAQUE
    layers_HW4 = rgba_HW4 * opaque_HW[..., None]
    layers_HW4[..., 3] = opaque_HW * np.uint8(255)
    shrinks = height * width < opaque_HW.size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized_HW4: Image = np.asarray(cv2.resize(layers_HW4, (width, height), interpolation=method), np.uint8)
    mask_HW = resized_HW4[..., 3] >= _OPAQUE
    rgb_HW3 = resized_HW4[..., :3]
    rim_HW = mask_HW & (resized_HW4[..., 3] < 255)
    rim_M4 = resized_HW4[rim_HW].astype(np.float32)
    rgb_HW3[rim_HW] = np.minimum(rim_M4[:, :3] * 255 / rim_M4[:, 3:] + 0.5, 255).astype(np.uint8)
    return rgb_HW3, mask_HW


def place_object(
    rgba_HW4: Image, placement: Placement, image_size: tuple[int, int]
) -> tuple[slice, slice, Image, Mask] | None:
    """Resize, mirror and cut an object to the part that lies in the image.

    Returns:
        Rows and columns of the image that it covers, its colours and its mask there; None if nothing is visible.
    """
    top = round(placement.centre_y - placement.height / 2)
    left = round(placement.centre_x - placement.width / 2)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + placement.height, image_size[0]), min(left + placement.width, image_size[1])
    if y0 >= y1 or x0 >= x1:
        return None
    rgb_HW3, mask_HW = resize_object(rgba_HW4, placement.height, placement.width)
    if placement.flip:
        rgb_HW3, mask_HW = rgb_HW3[:, ::-1], mask_HW[:, ::-1]
    rgb_HW3, mask_HW = (
        rgb_HW3[y0 - top : y1 - top, x0 - left : x1 - left],
        mask_HW[y0 - top : y1 - top, x0 - left : x1 - left],
    )
    return (slice(y0, y1), slice(x0, x1), rgb_HW3, mask_HW) if mask_HW.any() else None


def paste_objects(
    image_HW3: Image,
    instances: Instances,
    objects: Sequence[tuple[Image, int]],
    placements: Sequence[Placement | None],
    config: PasteConfig,
) -> tuple[Image, Instances]:
    """Paste objects one over the other into an image, and update what is known of it.

    A real instance loses its covered pixels. If it lost any, its box becomes the tight box of what is left, and it stays
    if no side of the box moved by more than ``box_tolerance_px`` or more than ``min_visible_px`` pixels are left; an
    instance with nothing left goes in any case [C D59]. A pasted object's box is the tight box of its visible mask; it
    goes if nothing is visible, because it lies outside or a later one hides it [C D38].

    Args:
        image_HW3: uint8 RGB; not changed.
        instances: what is in the image; not changed.
        objects: (uint8 RGBA cut-out, class index) in the order of pasting.
        placements: one for each object; None skips it.
        config: when hidden instances are kept.

    Returns:
        The new image, and the instances: real ones in their order, then pasted ones in theirs.

    Source: section 3.8 [B].
    """
    height, width = image_HW3.shape[:2]
    placed = [
        (window, class_index)
        for (rgba_HW4, class_index), placement in zip(objects, placements, strict=True)
        if placement is not None and (window := place_object(rgba_HW4, placement, (height, width))) is not None
    ]
    if not placed:
        return image_HW3, instances
    num_before = len(instances)
    image_HW3 = image_HW3.copy()
    mask_NHW = np.zeros((num_before + len(placed), height, width), np.bool_)
    mask_NHW[:num_before] = instances.mask_NHW
    touched_N = np.zeros(len(mask_NHW), np.bool_)
    for index, ((rows, columns, rgb_HW3, visible_HW), _) in enumerate(placed, start=num_before):
        image_HW3[rows, columns][visible_HW] = rgb_HW3[visible_HW]
        below = mask_NHW[:index, rows, columns]
        touched_N[:index] |= (below & visible_HW).any(axis=(1, 2))
        below &= ~visible_HW
        mask_NHW[index, rows, columns] = visible_HW
    touched_N[num_before:] = True
    everything = Instances(
        np.concatenate([instances.boxes_N4, np.zeros((len(placed), 4), np.float32)]),
        np.concatenate([instances.class_N, np.array([class_index for _, class_index in placed], np.int64)]),
        mask_NHW,
        np.concatenate([instances.source_N, np.ones(len(placed), np.uint8)]),
    )
    return image_HW3, _drop_hidden(everything, touched_N, num_before, config)


def _drop_hidden(instances: Instances, touched_N: Mask, num_before: int, config: PasteConfig) -> Instances:
    """Give touched instances their new boxes, and drop those of which too little is left."""
    keep_N = np.ones(len(instances), np.bool_)
    boxes_N4 = instances.boxes_N4.copy()
    for index in np.flatnonzero(touched_N):
        box = np.array(box_of_mask(instances.mask_NHW[index]), np.float32)
        left_px = np.count_nonzero(instances.mask_NHW[index])
        moved_px = np.abs(box - boxes_N4[index]).max()
        unharmed = index >= num_before or moved_px <= config.box_tolerance_px
        keep_N[index] = left_px > 0 and (unharmed or left_px > config.min_visible_px)
        boxes_N4[index] = box
    updated = Instances(boxes_N4, instances.class_N, instances.mask_NHW, instances.source_N)
    return updated if keep_N.all() else updated.select(keep_N)
