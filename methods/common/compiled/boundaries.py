"""Boundaries of label maps by a compiled loop, equal to OpenCV's way in :mod:`methods.common.metrics.label_maps.imagenet_s`.

Shape legend: H, W pixels.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import NO_ROOM, address, loops


def mark_boundaries(label_HW: NDArray[np.uint32], reach: int) -> NDArray[np.uint16] | None:
    """Return 2 * label + (whether another label or the image's edge is near); None where a label has more than 15 bits.

    Args:
        label_HW: labels of pixels.
        reach: rows and columns from which on something is not near any more, at least 1.
    """
    label_HW = np.ascontiguousarray(label_HW, np.uint32)
    marked_HW = np.empty(label_HW.shape, np.uint16)
    numbers = map(ctypes.c_int64, (*label_HW.shape, reach))
    answer = loops().mark_boundaries(address(label_HW), *numbers, address(marked_HW))
    if answer == NO_ROOM:
        raise MemoryError
    return marked_HW if answer == 0 else None
