"""Sizes of pictures for a generator that was trained at one area: shapes of about that area near each native shape.

Shape legend: H, W pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.stage import Config


class Size(NamedTuple):
    """Of a picture, in pixels."""

    height: int
    width: int


class Frames(Config):
    """Which sizes there are: about one area, sides that the U-Net can halve, native shape as far as that allows.

    The authors' pictures keep their shape (section 12, items 9 and 10).
    """

    size_px: int = Field(default=768, ge=16)
    """Side of the square with their area. Sections 5 and 6 [S]"""
    step_px: int = Field(default=64, ge=8, multiple_of=8)
    """Sides are multiples of this, and of as much as the autoencoder and the U-Net halve them together."""
    max_aspect: float = Field(default=2.0, ge=1)
    """Longer side over the shorter one at most; 1 crops every picture to a square."""

    def sizes(self) -> tuple[Size, ...]:
        """Return every size, the flattest first: each height with the width that brings the area nearest."""
        found = []
        for height in range(self.step_px, int(self.size_px * self.max_aspect) + self.step_px, self.step_px):
            width = max(1, round(self.size_px**2 / height / self.step_px)) * self.step_px
            if max(height, width) <= self.max_aspect * min(height, width):
                found.append(Size(height, width))
        return tuple(found)

    def nearest(self, height: int, width: int) -> Size:
        """Return the size whose shape is nearest to a picture's, in the logarithm of width over height."""
        shape = math.log(width / height)
        return min(self.sizes(), key=lambda size: abs(math.log(size.width / size.height) - shape))


class Placing(NamedTuple):
    """How a picture fills a frame: it is scaled to cover it, then cut."""

    scaled: Size
    """The whole picture, scaled."""
    top: int
    left: int
    """Corner of the frame in it."""
    frame: Size

    @property
    def window(self) -> tuple[slice, slice]:
        """The frame within the scaled picture."""
        return (
            slice(self.top, self.top + self.frame.height),
            slice(self.left, self.left + self.frame.width),
        )


def place(height: int, width: int, frame: Size, down: float = 0.5, right: float = 0.5) -> Placing:
    """Scale a picture of a height and width until it just covers a frame, and choose what is cut off.

    Args:
        height: of the picture.
        width: of the picture.
        frame: to fill.
        down: how far down the frame lies in what is left over, in [0, 1]; 0.5 for the middle.
        right: the same to the right.
    """
    scale = max(frame.height / height, frame.width / width)
    scaled = Size(max(frame.height, round(height * scale)), max(frame.width, round(width * scale)))
    rest = (scaled.height - frame.height, scaled.width - frame.width)
    return Placing(scaled, round(down * rest[0]), round(right * rest[1]), frame)


def fit_ids(id_HW: NDArray[np.integer], placing: Placing) -> NDArray[np.integer]:
    """Bring a map of ids into a frame by nearest neighbour, so that no new id can arise (section 4.4, step 1)."""
    import cv2

    height, width = placing.scaled
    resized = cv2.resize(id_HW, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.ascontiguousarray(resized[placing.window])


def fit_image(image_HW3: NDArray[np.uint8], placing: Placing) -> NDArray[np.uint8]:
    """Bring a picture into a frame: by area where it shrinks, linearly where it grows."""
    import cv2

    height, width = placing.scaled
    shrinks = height < image_HW3.shape[0]
    resized = cv2.resize(image_HW3, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.ascontiguousarray(resized[placing.window], np.uint8)
