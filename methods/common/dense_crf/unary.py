"""Unary energies: how little each pixel wants each label, minus the logarithm of a probability.

Shape legend: L labels, H, W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED


def energy_of_labels(label_HW: NDArray[np.integer], num_labels: int, certainty: float) -> NDArray[np.float32]:
    """Return the energy of a hard label map: its label has a probability, the others share the rest; 255 is no opinion.

    Args:
        label_HW: in 0 to L - 1, or 255.
        num_labels: L, at least 2.
        certainty: probability of the given label, in (0, 1).

    Returns:
        float32 [L, H, W].

    Raises:
        ValueError: a label is none of L, L is below 2, or the certainty is no probability between 0 and 1.
    """
    if num_labels < 2 or not 0 < certainty < 1:
        raise ValueError(
            f"there are {num_labels} labels of certainty {certainty}; give 2 or more, and a certainty in (0, 1)"
        )
    known_HW = label_HW != IGNORED
    faulty = label_HW[known_HW & ((label_HW < 0) | (label_HW >= num_labels))]
    if faulty.size:
        raise ValueError(f"a label is {faulty[0]}; give labels in 0 to {num_labels - 1}, or 255")
    own_LHW = np.arange(num_labels)[:, None, None] == label_HW
    probability_LHW = np.where(own_LHW, certainty, (1 - certainty) / (num_labels - 1))
    probability_LHW = np.where(known_HW, probability_LHW, 1 / num_labels)
    return (-np.log(probability_LHW)).astype(np.float32)
