"""Pixels of a PNG from its inflated rows, by a compiled loop.

Shape legend: H, W pixels; C bytes of a pixel.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import NO_ROOM, address, loops


def undo_filters(filtered: bytearray, height: int, width: int, num_bytes: int) -> NDArray[np.uint8] | None:
    """Return the bytes of all pixels, uint8 [H, W, C]; None where a row's filter has no meaning.

    Args:
        filtered: of each row a byte that names its filter, then its bytes.
        height: rows.
        width: pixels of a row.
        num_bytes: of a pixel, 1 to 3.
    Source: the PNG specification on filtering.
    """
    assert len(filtered) == height * (width * num_bytes + 1), (len(filtered), height, width, num_bytes)
    pixels_HWC = np.empty((height, width, num_bytes), np.uint8)
    numbers = map(ctypes.c_int64, (height, width * num_bytes, num_bytes))
    answer = loops().undo_filters(address(np.frombuffer(filtered, np.uint8)), *numbers, address(pixels_HWC))
    if answer == NO_ROOM:
        raise MemoryError
    return pixels_HWC if answer == 0 else None
