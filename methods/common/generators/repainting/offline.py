"""Back ends without a network: honest controls, and a pipeline that can be tried without weights.

Shape legend: S side of a square crop; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from methods.common.generators.repainting.interface import Mask, Picture, RepaintOrder


class _Offline:
    side_px: int | None = None
    denoisings_per_picture = 0


class Identity(_Offline):
    """Gives every crop back."""

    def paint(self, orders: Sequence[RepaintOrder]) -> list[Picture]:
        """Return the crops."""
        return [order.crop_SS3 for order in orders]


class Solid(_Offline):
    """Fills every mask with one colour."""

    def __init__(self, colour: tuple[int, int, int]) -> None:
        self._colour = np.array(colour, np.uint8)

    def paint(self, orders: Sequence[RepaintOrder]) -> list[Picture]:
        """Return the crops with their masks filled."""
        return [np.where(order.mask_SS[..., None], self._colour, order.crop_SS3) for order in orders]


class Noise(_Offline):
    """Fills every mask with uniform noise from the order's seed."""

    def paint(self, orders: Sequence[RepaintOrder]) -> list[Picture]:
        """Return the crops with their masks filled."""
        return [np.where(order.mask_SS[..., None], _noise(order), order.crop_SS3) for order in orders]


def _noise(order: RepaintOrder) -> Picture:
    return np.random.default_rng(order.seed).integers(0, 256, order.crop_SS3.shape, np.uint8)


class Donor(Protocol):
    """One instance that may be copied."""

    @property
    def source(self) -> str:
        """Which instance it is."""

    def load(self) -> tuple[Picture, Mask]:
        """Return its tight crop, uint8 RGB, and its mask there."""


class CopyFromBank(_Offline):
    """Pastes another real instance of the class, scaled to the box of the mask, by the donor's own mask.

    Where the donor does not cover the mask the old instance shows. A class that the bank holds one instance of, or none, keeps it.
    """

    def __init__(self, bank: dict[str, Sequence[Donor]]) -> None:
        """Take a bank of donors by class name."""
        self._bank = bank

    def paint(self, orders: Sequence[RepaintOrder]) -> list[Picture]:
        """Return the crops with donors pasted in."""
        return [self._copy(order) for order in orders]

    def _copy(self, order: RepaintOrder) -> Picture:
        import cv2

        donor = self._draw(order)
        rows, columns = np.flatnonzero(order.mask_SS.any(1)), np.flatnonzero(order.mask_SS.any(0))
        if donor is None or len(rows) == 0:
            return order.crop_SS3
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        size = (int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)
        picture, mask = donor.load()
        shrinks = size[0] * size[1] < mask.size
        scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        scaled_mask = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
        copied = order.crop_SS3.copy()
        cv2.copyTo(scaled, scaled_mask, copied[box])
        return copied

    def _draw(self, order: RepaintOrder) -> Donor | None:
        others = [donor for donor in self._bank.get(order.class_name, ()) if donor.source != order.source]
        if not others:
            return None
        return others[int(np.random.default_rng(order.seed).integers(len(others)))]
