"""Probabilities of a hard mask after a dense CRF, as DiffuMask runs it: with a label for every class of the data set (section 10.4).

Shape legend: H, W pixels, L labels: background, the class of the image, then the classes that it does not show; 3 RGB.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.common.dense_crf.mean_field import infer
from methods.common.dense_crf.unary import energy_of_labels
from methods.diffumask_robust.crf import LabelCrf


def label_probabilities(
    image_HW3: NDArray[np.uint8], mask_HW: NDArray[np.bool_], num_labels: int, smoothing: LabelCrf | None
) -> NDArray[np.float32]:
    """Return the probability of each label, float32 [L, H, W].

    Args:
        image_HW3: the picture.
        mask_HW: where the class is.
        num_labels: L, the classes of the data set with the background, at least 2; with 2 a certainty of 0.5 says nothing.
        smoothing: the dense CRF; None leaves the mask as it is, with probabilities 1 and 0 [C D65].
    Source: section 10.4 [code].
    """
    place_HW = mask_HW.astype(np.uint8)
    if smoothing is not None:
        return infer(energy_of_labels(place_HW, num_labels, smoothing.certainty), image_HW3, smoothing.crf)
    certain: NDArray[np.float32] = (np.arange(num_labels)[:, None, None] == place_HW).astype(np.float32)
    return certain
