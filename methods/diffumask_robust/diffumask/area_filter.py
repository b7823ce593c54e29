"""Masks whose size or shape no object of the class has (section 10.5).

Shape legend: H, W pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.diffumask_robust.diffumask.area_config import AreaRule


def why_filtered(mask_HW: NDArray[np.bool_], rule: AreaRule) -> str:
    """Tell in a few words why a mask is of no use, or return an empty text; an empty mask is of none.

    Source: section 10.5 [code].
    """
    share = float(mask_HW.mean())
    if not mask_HW.any():
        return "empty mask"
    if not rule.min_share <= share <= rule.max_share:
        return f"area {share:.2%} is outside of {rule.min_share:.0%} to {rule.max_share:.0%}"
    if rule.max_aspect is None and not rule.min_aspect and not rule.min_filled:
        return ""
    left, top, width, height = _largest_box(mask_HW)
    aspect = width / height
    if aspect < rule.min_aspect or (rule.max_aspect is not None and aspect > rule.max_aspect):
        return f"aspect {aspect:.2f} of the largest region is out of bounds"
    filled = float(mask_HW[top : top + height, left : left + width].mean())
    return f"the largest region fills {filled:.0%} of its box" if filled < rule.min_filled else ""


def _largest_box(mask_HW: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    contours, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    left, top, width, height = max((cv2.boundingRect(one) for one in contours), key=lambda box: box[2] * box[3])
    return int(left), int(top), int(width), int(height)
