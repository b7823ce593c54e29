"""Free energy of a classifier's answers, and how far training and validation differ by it (section 5.4, TVG).

Shape legend: R boxes, C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def free_energy(logits_RC: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return -T log sum_c exp(logit_c / T), float64 (R,); low where the classifier is sure of some class. Source: section 5.4 [B]."""
    scaled_RC = logits_RC / temperature
    highest_R1 = scaled_RC.max(axis=1, keepdims=True)
    total_R = np.log(np.exp(scaled_RC - highest_R1).sum(axis=1)) + highest_R1[:, 0]
    return np.asarray(-temperature * total_R)


def train_val_gap(train_R: NDArray[np.float64], val_R: NDArray[np.float64]) -> float:
    """Return the mean energy on validation minus that on training; 0 where both look alike to the classifier [C D85]."""
    return float(val_R.mean() - train_R.mean())
