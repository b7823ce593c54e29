"""How far a drawn picture is a mask: whether its colours are the palette's, and its regions large enough (section 11).

Shape legend: H, W pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.seggen.clean_up import connected_regions
from methods.seggen.colour_coding import Decoded

_NEAR = 25.0
"""RGB units. Section 11"""


class Validity(NamedTuple):
    """Of one mask, before small regions are cleaned up."""

    near_share: float
    """Share of the pixels within 25 RGB units of a colour of the palette."""
    num_segments: int
    """Connected regions of one label."""
    num_small: int
    """Those of them below an area."""


def rate(decoded: Decoded, min_px: int) -> Validity:
    """Rate a mask as it was decoded.

    Args:
        decoded: labels, and distances to colours.
        min_px: a region of fewer pixels is small.
    Source: section 11.
    """
    area_R = np.bincount(connected_regions(decoded.label_HW).ravel())
    return Validity(float((decoded.nearest_HW <= _NEAR).mean()), len(area_R), int((area_R < min_px).sum()))


def present_classes(label_HW: NDArray[np.uint8], num_classes: int) -> list[int]:
    """Return the classes that a label map shows, in order."""
    return [int(label) for label in np.unique(label_HW) if label < num_classes]
