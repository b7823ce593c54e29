"""What a prompter is to the filter: class names in, a mask for each out.

Shape suffixes: H, W pixels; 3 colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NamedMasks = dict[str, NDArray[np.bool_]]
"""For each name the union of its instances, bool (H, W); empty where none was found."""


class NamedSegmenter(Protocol):
    """Finds what is named. T4 of SAM filter section 4.2 is any object of this form."""

    def segment(self, image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
        """Return a mask for each of the picture's class names, in their order; each name is asked for on its own.

        Args:
            image_HW3: RGB, uint8.
            class_names: distinct, in written form.
        """


def empty_masks(image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
    """Return "not found" for every name."""
    return {name: np.zeros(image_HW3.shape[:2], bool) for name in class_names}
