"""An image's instances as arrays: masks, boxes, classes.

Shape legend: N instances, H, W pixels; 4 = x0, y0, x1, y1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture, RGB [H, W, 3] or RGBA [H, W, 4]."""
Mask = NDArray[np.bool_]
"""A mask [H, W], or several [N, H, W]."""
IGNORED = -1
"""In place of a class index: an object that is neither to be learnt nor background."""


@dataclass(frozen=True)
class Instances:
    """What is known of the objects in one image; every array has N rows, N may be 0."""

    boxes_N4: NDArray[np.float32]
    """Corners x0, y0, x1, y1 in pixels; x1 and y1 lie one past the last pixel."""
    class_N: NDArray[np.int64]
    """Class indices 0..C-1, or :data:`IGNORED`."""
    mask_NHW: Mask
    source_N: NDArray[np.uint8]
    """0 for real instances, 1 for pasted ones."""

    def __len__(self) -> int:
        """Number of instances."""
        return len(self.class_N)

    def select(self, keep_N: NDArray[np.bool_] | NDArray[np.int64]) -> Instances:
        """Return some of the instances."""
        return Instances(self.boxes_N4[keep_N], self.class_N[keep_N], self.mask_NHW[keep_N], self.source_N[keep_N])


def real_instances(
    class_N: NDArray[np.int64], mask_NHW: Mask, boxes_N4: NDArray[np.float32] | None = None
) -> Instances:
    """Wrap the annotations of a real image; boxes are those of the masks unless given."""
    boxes = boxes_of_masks(mask_NHW) if boxes_N4 is None else boxes_N4
    return Instances(boxes.astype(np.float32), class_N.astype(np.int64), mask_NHW, np.zeros(len(class_N), np.uint8))


def box_of_mask(mask_HW: Mask) -> tuple[int, int, int, int]:
    """Return the tight box x0, y0, x1, y1 of a mask, x1 and y1 one past the last pixel; all 0 for an empty mask."""
    import cv2

    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask_HW).view(np.uint8))
    return x, y, x + width, y + height


def boxes_of_masks(mask_NHW: Mask) -> NDArray[np.float32]:
    """Return the tight boxes of masks, float32 [N, 4]; zeros for empty masks."""
    boxes = [box_of_mask(mask_HW) for mask_HW in mask_NHW]
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)
