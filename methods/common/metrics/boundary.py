"""The boundary region of masks: their pixels within a short way of the outline.

Source: Cheng et al. 2021, Boundary IoU, and its reference implementation for COCO: the region is the mask without what is
left of it after erosion by a 3x3 square, as many times as 0.02 of the image's diagonal has pixels (rounded, at least once);
beyond the image's border there is nothing, so that a mask cut by the border has its boundary there too.

Shape legend: N masks; M chosen masks; H, W a mask's box.
"""

import numpy as np

from methods.common.metrics.detection.run_length_masks import Ints, MaskTable

DILATION_RATIO = 0.02


def boundary_width(height: int, width: int) -> int:
    """Return the width of the boundary region in pixels, for an image of this size."""
    return max(1, round(DILATION_RATIO * float(np.sqrt(height**2 + width**2))))


def boundary_table(masks: MaskTable, index_M: Ints, height_M: Ints, width_M: Ints) -> MaskTable:
    """Return the boundary regions of chosen masks, whose images have these sizes."""
    import cv2

    tables, square = [], np.ones((3, 3), np.uint8)
    for index, height, width in zip(index_M.tolist(), height_M.tolist(), width_M.tolist(), strict=True):
        mask_HW, left, top = masks.crop(index)
        # A rim of nothing: what lies outside the box is empty, and so is what lies outside the image.
        padded_HW = np.pad(mask_HW.view(np.uint8), 1)
        inner_HW = cv2.erode(padded_HW, square, iterations=boundary_width(height, width))[1:-1, 1:-1]
        tables.append(MaskTable.from_mask(mask_HW & (inner_HW == 0), left, top))
    return MaskTable.concatenate(tables)
