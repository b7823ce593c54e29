"""The two colours of a palette that are nearest to any colour, exactly, at the cost of one look-up a pixel.

All 2^24 colours have a place in a table. It is filled where it is needed, one cell of 8 x 8 x 8 colours at a time, and for a cell only those
colours of the palette are compared that can be among the two nearest of any colour in it.

Shape legend: H, W pixels; N cells; E entries of the palette; M entries compared; 3 RGB channels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SIDE = 8
_CELLS = 256 // _SIDE
_AT_ONCE = 256
_MOST_ENTRIES = 256
_OFFSETS = (
    np.stack(np.meshgrid(*[np.arange(_SIDE)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:, ::-1].astype(np.float32)
)
"""RGB of the colours of a cell, counted from its darkest: red runs fastest, as in the table."""


class NearestColours:
    """Finds the nearest and the second-nearest entry of a palette by squared distance in RGB; of equals the first."""

    def __init__(self, colour_E3: NDArray[np.uint8]) -> None:
        assert 2 <= len(colour_E3) <= _MOST_ENTRIES, len(colour_E3)
        self._colour_E3 = colour_E3.astype(np.float32)
        self._table = np.zeros(
            256**3, np.uint16
        )  # 256 * nearest + second; these differ, so 0 is a place not filled yet

    def find(self, image_HW3: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return for every pixel which entry is nearest and which second, uint8 [H, W] each."""
        import cv2

        rgba_HW4 = np.asarray(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2RGBA))
        place_HW = rgba_HW4.view("<u4")[..., 0] & np.uint32(0xFFFFFF)
        pair_HW = self._table[place_HW]
        lacking_HW = pair_HW == 0
        if lacking_HW.any():
            self._fill(place_HW[lacking_HW])
            pair_HW = self._table[place_HW]
        both_HW2 = pair_HW.astype("<u2", copy=False).view(np.uint8).reshape(*pair_HW.shape, 2)
        return np.ascontiguousarray(both_HW2[..., 1]), np.ascontiguousarray(both_HW2[..., 0])

    def _fill(self, places: NDArray[np.uint32]) -> None:
        """Fill the cells that hold these places of the table."""
        red, green, blue = (places >> shift & 255 for shift in (0, 8, 16))
        wanted = np.zeros((_CELLS, _CELLS, _CELLS), np.bool_)
        wanted[blue // _SIDE, green // _SIDE, red // _SIDE] = True
        cell_N3 = np.argwhere(wanted)
        table = self._table.reshape(_CELLS, _SIDE, _CELLS, _SIDE, _CELLS, _SIDE)
        for start in range(0, len(cell_N3), _AT_ONCE):
            some_N3 = cell_N3[start : start + _AT_ONCE]
            pairs = self._nearest_pairs(some_N3[:, ::-1].astype(np.float32) * _SIDE)
            blue_N, green_N, red_N = some_N3.T
            table[blue_N, :, green_N, :, red_N, :] = pairs.reshape(-1, _SIDE, _SIDE, _SIDE)

    def _nearest_pairs(self, corner_N3: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Compare every colour of some cells; all numbers are whole and below 2^24, so that float32 is exact.

        Args:
            corner_N3: the darkest colour of each cell.

        Returns:
            256 * nearest + second, uint16 [N, 512].
        """
        entry_NM = self._candidates(corner_N3)
        colour_NM3 = self._colour_E3[entry_NM]
        # |x - c|^2 without |x|^2, which is the same for all entries.
        fixed_NM = (colour_NM3**2).sum(-1) - 2 * (colour_NM3 @ corner_N3[..., None])[..., 0]
        far_NPM = fixed_NM[:, None] - 2 * (_OFFSETS @ colour_NM3.swapaxes(1, 2))
        first_NP = far_NPM.argmin(-1)
        np.put_along_axis(far_NPM, first_NP[..., None], np.inf, axis=-1)
        second_NP = far_NPM.argmin(-1)
        nearest_NP = np.take_along_axis(entry_NM, first_NP, axis=1)
        pairs_NP = (nearest_NP << 8) + np.take_along_axis(entry_NM, second_NP, axis=1)
        return pairs_NP.astype(np.uint16)

    def _candidates(self, corner_N3: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the entries that may be nearest or second anywhere in a cell, rising; cells with fewer add others, which never are."""
        below_NE3 = corner_N3[:, None] - self._colour_E3
        above_NE3 = below_NE3 + np.float32(_SIDE - 1)
        least_NE = (np.maximum(np.maximum(below_NE3, -above_NE3), 0) ** 2).sum(-1)
        most_NE = np.maximum(below_NE3**2, above_NE3**2).sum(-1)
        may_NE = least_NE <= np.partition(most_NE, 1, axis=1)[:, 1:2]
        order_NE = np.argsort(~may_NE, axis=1, kind="stable")
        return order_NE[:, : int(may_NE.sum(1).max())]


@lru_cache(maxsize=4)
def nearest_colours(colours: bytes) -> NearestColours:
    """Return the table of a palette, which fills as it is used; 32 MiB of memory when all of it is.

    Args:
        colours: RGB of its entries, one after the other.
    """
    return NearestColours(np.frombuffer(colours, np.uint8).reshape(-1, 3))
