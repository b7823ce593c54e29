"""Maps of ids, uint16: counting what they hold.

Shape legend: H, W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_IDS = 1 << 16
"""So many values tell 16 bits apart."""


def pixels_by_id(id_HW: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Count the pixels of every value of a map, int64 (65536,)."""
    import cv2

    counts = cv2.calcHist([np.ascontiguousarray(id_HW)], [0], None, [MOST_IDS], [0, MOST_IDS])
    if id_HW.size >= 1 << 24:  # where its float32 would begin to round
        return np.bincount(id_HW.ravel(), minlength=MOST_IDS)
    return counts.ravel().astype(np.int64)
