"""Sizes of images: the size at test time, resizing.

Shape legend: H, W image in pixels; C colour channels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def size_at_test(height: int, width: int, short_side_px: int, long_side_px: int) -> tuple[int, int]:
    """Return height and width at which an image is tested.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        short_side_px: what the shorter side becomes, unless ...
        long_side_px: ... the longer side would pass this.

    Source: detectron2's and MMSegmentation's rule, rounded half up.
    """
    scale = min(short_side_px / min(height, width), long_side_px / max(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def resize(image_HWC: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize with antialiasing where it shrinks."""
    if image_HWC.shape[:2] == (height, width):
        return image_HWC
    shrinks = height * width < image_HWC.shape[0] * image_HWC.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image_HWC, (width, height), interpolation=method), np.uint8)
