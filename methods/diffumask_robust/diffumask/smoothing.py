"""Probabilities of a hard mask after a dense CRF, as DiffuMask runs it: with a label for every class of the data set (section 10.4).

Shape legend: H, W pixels, L labels: background, the class of the image, then the classes that it does not show; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Smooth = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]
"""Takes an image, uint8 RGB [H, W, 3], and probabilities [L, H, W]; returns smoothed probabilities."""


def label_probabilities(
    image_HW3: NDArray[np.uint8],
    mask_HW: NDArray[np.bool_],
    num_labels: int,
    certainty: float,
    smooth: Smooth | None,
) -> NDArray[np.float32]:
    """Return the probability of each label, float32 [L, H, W].

    Args:
        image_HW3: the picture.
        mask_HW: where the class is.
        num_labels: L, the classes of the data set with the background; with two a certainty of 0.5 says nothing.
        certainty: probability that a pixel's label is right; the other labels share the rest.
        smooth: the dense CRF; None leaves the mask as it is, with probabilities 1 and 0 [C D65].

    Raises:
        ValueError: fewer than two labels.
    Source: section 10.4 [code].
    """
    if num_labels < 2:
        raise ValueError(f"num_labels is {num_labels}; background and one class are 2")
    right = 1.0 if smooth is None else certainty
    probability = np.full((num_labels, *mask_HW.shape), (1 - right) / (num_labels - 1), np.float32)
    probability[0][~mask_HW] = right
    probability[1][mask_HW] = right
    return probability if smooth is None else smooth(image_HW3, probability)
