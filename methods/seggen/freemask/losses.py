"""How hard each class is, and which pixels of a generated image are too hard to be what their mask says.

Shape legend: H, W pixels; K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED


class ClassLosses:
    """Sums of the losses of all pixels of each class, over images of any size."""

    def __init__(self, num_classes: int) -> None:
        self.loss_K = np.zeros(num_classes)
        """Sum of the losses."""
        self.pixels_K = np.zeros(num_classes, np.int64)
        """Number of pixels."""

    def add(self, loss_HW: NDArray[np.float32], label_HW: NDArray[np.uint8]) -> None:
        """Add an image; pixels labelled 255 are skipped.

        Args:
            loss_HW: cross-entropy of each pixel with its label, anything where there is none.
            label_HW: labels below K, and 255.
        """
        known_HW = label_HW != IGNORED
        labels, num_classes = label_HW[known_HW], len(self.loss_K)
        self.loss_K += np.bincount(labels, loss_HW[known_HW].astype(np.float64), num_classes)
        self.pixels_K += np.bincount(labels, minlength=num_classes)

    def means(self) -> list[float | None]:
        """Return h_k, the mean loss of each class over its pixels in all images; None where there is none.

        Source: section 9, step 1 [code]: no mean over images is taken first.
        """
        pairs = zip(self.loss_K.tolist(), self.pixels_K.tolist(), strict=True)
        return [loss / pixels if pixels else None for loss, pixels in pairs]


def without_noise(
    loss_HW: NDArray[np.float32], label_HW: NDArray[np.uint8], mean_K: NDArray[np.float64], tolerance: float
) -> NDArray[np.uint8]:
    """Return labels with 255 wherever the loss is above ``tolerance`` times the mean of the pixel's class; nothing else changes.

    Args:
        loss_HW: cross-entropy of each pixel with its label.
        label_HW: labels below K, and 255, which stays.
        mean_K: mean loss of each class, infinite where it is not known, so that nothing of such a class is noise.
        tolerance: exclusive.
    Source: section 9, step 1 [code].
    """
    known_HW = label_HW != IGNORED
    limit_HW = tolerance * mean_K[np.where(known_HW, label_HW, 0)]
    kept: NDArray[np.uint8] = np.where(known_HW & (loss_HW > limit_HW), IGNORED, label_HW).astype(np.uint8)
    return kept


class IgnoredPixels:
    """How much of each class a filter ignored."""

    def __init__(self, num_classes: int) -> None:
        self.pixels_2K = np.zeros((2, num_classes), np.int64)
        """Pixels of each class before and after."""

    def add(self, before_HW: NDArray[np.uint8], after_HW: NDArray[np.uint8]) -> None:
        """Add the labels of an image."""
        for row, label_HW in enumerate((before_HW, after_HW)):
            self.pixels_2K[row] += np.bincount(label_HW[label_HW != IGNORED], minlength=self.pixels_2K.shape[1])

    def shares(self, class_names: Sequence[str]) -> dict[str, float | dict[str, float | None] | None]:
        """Return the ignored share of all pixels with a class (``all``), and of those of each class by name (``by_class``)."""
        before_K, after_K = self.pixels_2K
        by_class = {
            name: None if not before else 1 - after / before
            for name, before, after in zip(class_names, before_K.tolist(), after_K.tolist(), strict=True)
        }
        total = int(before_K.sum())
        return {"all": 1 - int(after_K.sum()) / total if total else None, "by_class": by_class}
