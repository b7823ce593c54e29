"""Pasting cut-outs into a training image with hard masks (section 3.8). Arrays in, arrays out.

Only the window that an object covers is touched, in the image as well as in the masks.

Shape legend: H, W image or object in pixels; N instances; 4 box corners x0, y0, x1, y1 or channels R, G, B, A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.segmenters.instance.instances import Image, Instances, Mask, box_of_mask
from methods.common.stage import Config
from methods.mrca.size_model import Floats, PasteSizeConfig, SizeModel, draw_extra_size, draw_size

_OPAQUE = 128
"""Alpha from here on is object: the soft mask binarised at 0.5."""
_ALPHA, _HIGHEST_BIT = np.uint32(0xFF000000), np.uint32(31)
"""Alpha of a pixel that is one little-endian number, and the bit that is set from 128 on."""


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
        class_index: class of the object; extra classes come behind those of the size model.
        size_model: typical sizes of each class.
        factor_C: resize factors, ones without accuracy-based resizing.
        rng: five numbers are drawn whatever the outcome, four for an extra class.
        size_config: limits of the size.
        flip_probability: chance of mirroring.

    Source: sections 3.7, 3.8 and, for extra classes, 5.4.
    """
    if class_index < len(size_model.mean_C):
        mean, std = float(size_model.mean_C[class_index]), float(size_model.std_C[class_index])
        size = draw_size(object_size, image_size, mean, std, float(factor_C[class_index]), size_config, rng)
    else:
        size = draw_extra_size(object_size, image_size, size_config, rng)
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

    word_HW1 = np.ascontiguousarray(rgba_HW4).view("<u4")  # one number a pixel; alpha is its highest byte
    layers_HW4 = ((word_HW1 | _ALPHA) * (word_HW1 >> _HIGHEST_BIT)).view(np.uint8)
    shrinks = height * width < word_HW1.size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized_HW4: Image = np.asarray(cv2.resize(layers_HW4, (width, height), interpolation=method), np.uint8)
    alpha_HW = resized_HW4[..., 3]
    mask_HW = alpha_HW >= _OPAQUE
    rgb_HW3: Image = np.asarray(cv2.cvtColor(resized_HW4, cv2.COLOR_RGBA2RGB), np.uint8)
    rim_R = np.flatnonzero(mask_HW & (alpha_HW < 255))
    rim_R4 = resized_HW4.reshape(-1, 4)[rim_R].astype(np.float32)
    rgb_HW3.reshape(-1, 3)[rim_R] = np.minimum(rim_R4[:, :3] * 255 / rim_R4[:, 3:] + 0.5, 255).astype(np.uint8)
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
    image_HW3 = image_HW3.copy()
    parts = [_Part.of(mask_HW) for mask_HW in instances.mask_NHW]
    shown = [_Part(rows.start, columns.start, visible_HW.copy()) for (rows, columns, _, visible_HW), _ in placed]
    window_N4 = np.array([part.window for part in (*parts, *shown)])
    touched_N = np.arange(len(window_N4)) >= len(parts)
    for ((rows, columns, rgb_HW3, visible_HW), _), above in zip(placed, shown, strict=True):
        np.copyto(image_HW3[rows, columns], rgb_HW3, where=visible_HW[..., None])
        for index in _overlapping(window_N4[: len(parts)], above.window):
            touched_N[index] |= parts[index].lose(above)
        parts.append(above)
    class_N = np.concatenate([instances.class_N, np.array([class_index for _, class_index in placed], np.int64)])
    source_N = np.concatenate([instances.source_N, np.ones(len(placed), np.uint8)])
    boxes_N4 = np.concatenate([instances.boxes_N4, np.zeros((len(placed), 4), np.float32)])
    keep_N = _still_visible(parts, boxes_N4, touched_N, len(instances), config)
    mask_NHW = np.zeros((int(keep_N.sum()), height, width), np.bool_)
    for mask_HW, index in zip(mask_NHW, np.flatnonzero(keep_N).tolist(), strict=True):
        parts[index].write(mask_HW)
    return image_HW3, Instances(boxes_N4[keep_N], class_N[keep_N], mask_NHW, source_N[keep_N])


@dataclass(frozen=True)
class _Part:
    """The part of an image beyond which a mask is empty, and the mask there, which shrinks as objects hide it."""

    top: int
    left: int
    mask_HW: Mask

    @classmethod
    def of(cls, mask_HW: Mask) -> _Part:
        """Cut the tight box out of a mask as large as the image."""
        x0, y0, x1, y1 = box_of_mask(mask_HW)
        return cls(y0, x0, mask_HW[y0:y1, x0:x1].copy())

    @property
    def window(self) -> tuple[int, int, int, int]:
        """Top, left, bottom and right, the last two exclusive."""
        return self.top, self.left, self.top + self.mask_HW.shape[0], self.left + self.mask_HW.shape[1]

    def lose(self, above: _Part) -> bool:
        """Take away what lies below another mask whose window overlaps this one's; tell whether anything did."""
        top, left = max(self.top, above.top), max(self.left, above.left)
        bottom, right = min(self.window[2], above.window[2]), min(self.window[3], above.window[3])
        mine_HW = self.mask_HW[top - self.top : bottom - self.top, left - self.left : right - self.left]
        hidden_HW = (
            mine_HW & above.mask_HW[top - above.top : bottom - above.top, left - above.left : right - above.left]
        )
        if not hidden_HW.any():
            return False
        mine_HW ^= hidden_HW
        return True

    def box(self) -> tuple[int, int, int, int]:
        """Return the tight box in the image, x0, y0, x1, y1."""
        x0, y0, x1, y1 = box_of_mask(self.mask_HW)
        return x0 + self.left, y0 + self.top, x1 + self.left, y1 + self.top

    def write(self, mask_HW: Mask) -> None:
        """Set the mask in an empty one as large as the image."""
        height, width = self.mask_HW.shape
        mask_HW[self.top : self.top + height, self.left : self.left + width] = self.mask_HW


def _overlapping(window_N4: NDArray[np.int64], other: tuple[int, int, int, int]) -> NDArray[np.int64]:
    """Return the indices of the windows that share a pixel with another one."""
    top, left, bottom, right = other
    starts_before_N = (window_N4[:, 0] < bottom) & (window_N4[:, 1] < right)
    return np.flatnonzero(starts_before_N & (window_N4[:, 2] > top) & (window_N4[:, 3] > left))


def _still_visible(
    parts: Sequence[_Part], boxes_N4: NDArray[np.float32], touched_N: Mask, num_before: int, config: PasteConfig
) -> Mask:
    """Give touched instances their new boxes, in place, and tell of which enough is left, bool (N,)."""
    keep_N = np.ones(len(parts), np.bool_)
    for index in np.flatnonzero(touched_N).tolist():
        box_4 = np.array(parts[index].box(), np.float32)
        left_px = np.count_nonzero(parts[index].mask_HW)
        moved_px = np.abs(box_4 - boxes_N4[index]).max()
        unharmed = index >= num_before or moved_px <= config.box_tolerance_px
        keep_N[index] = left_px > 0 and (unharmed or left_px > config.min_visible_px)
        boxes_N4[index] = box_4
    return keep_N
