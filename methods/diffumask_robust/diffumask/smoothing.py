"""Probabilities of a hard mask after a dense CRF, as DiffuMask runs it: with a label for every class of the data set (section 10.4).

Classes that the image does not show have equal energies and stay equal, so one stands for all of them.

Shape legend: H, W pixels, L labels: background, the class of the image, and one class that it does not show; 3 RGB.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.common.dense_crf.mean_field import DenseCrf
from methods.common.dense_crf.unary import energy_of_labels
from methods.diffumask_robust.crf import LabelCrf

_LABELS = 3


class MaskSmoother:
    """The dense CRF of one picture, for any number of masks."""

    def __init__(self, image_HW3: NDArray[np.uint8], num_labels: int, smoothing: LabelCrf | None) -> None:
        """Make the kernels.

        Args:
            image_HW3: the picture.
            num_labels: the classes of the data set with the background, at least 2; with 2 a certainty of 0.5 says nothing.
            smoothing: the dense CRF; None leaves masks as they are, with probabilities 1 and 0 [C D32].
        """
        self._num_labels, self._smoothing = num_labels, smoothing
        self._crf = None if smoothing is None else DenseCrf(image_HW3, smoothing.crf)

    def probabilities(self, mask_HW: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the probability of each label, float32 [L, H, W]; without the last one where all classes are shown.

        Args:
            mask_HW: where the class is.
        Source: section 10.4 [code].
        """
        place_HW = mask_HW.astype(np.uint8)
        if self._crf is not None and self._smoothing is not None:
            energy = energy_of_labels(place_HW, self._num_labels, self._smoothing.certainty)[:_LABELS]
            return self._crf.infer(energy, (1, 1, self._num_labels - 2)[: len(energy)])
        labels = np.arange(min(self._num_labels, _LABELS))
        certain: NDArray[np.float32] = (labels[:, None, None] == place_HW).astype(np.float32)
        return certain
