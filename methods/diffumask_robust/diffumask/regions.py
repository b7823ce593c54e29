"""Contours of a mask: large ones stay, and are filled (section 10.4).

Shape legend: H, W pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def fill_regions(mask_HW: NDArray[np.bool_], min_box_px2: float) -> NDArray[np.bool_]:
    """Keep the outer contours whose bounding box is large enough, filled: holes, and what lies in them, become part of the mask.

    Args:
        mask_HW: bool; pixels that touch at a corner belong together.
        min_box_px2: smallest area of a bounding box.
    Source: section 10.4 [code].
    """
    contours, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled_HW = np.zeros(mask_HW.shape, np.uint8)
    for contour in contours:
        _, _, width, height = cv2.boundingRect(contour)
        if width * height >= min_box_px2:
            cv2.fillPoly(filled_HW, [contour], 1)
    return filled_HW.astype(bool)
