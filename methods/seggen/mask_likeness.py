"""How alike two sets of masks are: which classes they show, and whether one copies the other (section 11).

Shape legend: N masks; K classes; S cells of a coarse grid; h, w cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GRID = 16
"""Cells a side at which masks are compared."""


def class_shares(labels_N: list[NDArray[np.uint8]], num_classes: int) -> NDArray[np.float64]:
    """Return the share of each class in all rated pixels, float64 (K,); zeros where nothing is rated."""
    pixel_K = np.zeros(num_classes, np.float64)
    for label_HW in labels_N:
        pixel_K += np.bincount(label_HW.ravel(), minlength=256)[:num_classes]
    total = max(1.0, float(pixel_K.sum()))
    return np.asarray(pixel_K / total, np.float64)


def co_occurrence(labels_N: list[NDArray[np.uint8]], num_classes: int) -> NDArray[np.float64]:
    """Return in which share of the masks two classes are shown together, float64 [K, K]; on the diagonal, each class."""
    shown_NK = np.zeros((len(labels_N), num_classes), np.float64)
    for row, label_HW in enumerate(labels_N):
        present = np.unique(label_HW)
        shown_NK[row, present[present < num_classes]] = 1.0
    return shown_NK.T @ shown_NK / max(1, len(labels_N))


def total_variation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return half of the summed absolute differences: of two sets of shares, the share that would have to move."""
    return float(np.abs(one - other).sum() / 2)


def nearest_agreement(
    labels_N: list[NDArray[np.uint8]], references: list[NDArray[np.uint8]], leave_out_own: bool = False
) -> NDArray[np.float64]:
    """Return how much of each mask its nearest reference shows at the same place, float64 (N,) in [0, 1].

    Both are read at the centres of 16 x 16 cells; void agrees with void.

    Args:
        labels_N: masks.
        references: what they may be copies of.
        leave_out_own: whether both lists are the same one, in which a mask is no copy of itself.
    """
    cell_NS, reference_MS = _coarse(labels_N), _coarse(references)
    found = np.zeros(len(labels_N))
    for row, cell_S in enumerate(cell_NS):
        agreement_M = (reference_MS == cell_S).mean(1)
        if leave_out_own:
            agreement_M[row] = 0.0
        found[row] = agreement_M.max()
    return found


def _coarse(labels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Read masks at the centres of cells, uint8 [N, S]."""
    rows = []
    for label_HW in labels:
        row_h, column_w = (((np.arange(_GRID) + 0.5) * length / _GRID).astype(np.int64) for length in label_HW.shape)
        rows.append(label_HW[np.ix_(row_h, column_w)].ravel())
    return np.stack(rows)
