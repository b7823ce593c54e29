"""Which pixels of an image are trusted (section 6.1).

Shape legend: H, W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED


def trust_best_of_each_class(
    margin_HW: NDArray[np.floating], label_HW: NDArray[np.integer], share: float = 0.5
) -> NDArray[np.bool_]:
    """Mark the pixels of largest margin, a share of each class rounded down, background included.

    No class with two pixels vanishes, and a class of a single pixel has no trusted one at the default share. Of equal margins the earlier
    pixel in row order comes first [C D20]. Pixels labelled 255 are never trusted [C D21].

    Args:
        margin_HW: how sure each label is; larger is surer.
        label_HW: class of each pixel.
        share: in [0, 1]. [code] 1/2.

    Returns:
        bool [H, W].

    Raises:
        ValueError: shapes differ, or the share is not in [0, 1].
    Source: section 6.1.
    """
    if margin_HW.shape != label_HW.shape:
        raise ValueError(f"margins have shape {margin_HW.shape} and labels {label_HW.shape}; give both of one image")
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; give one in [0, 1]")
    margin, label = margin_HW.ravel(), label_HW.ravel()
    trusted = np.zeros(label.shape, bool)
    for class_id in np.unique(label[label != IGNORED]):
        pixels = np.flatnonzero(label == class_id)
        order = np.argsort(-margin[pixels], kind="stable")
        trusted[pixels[order[: int(len(pixels) * share)]]] = True
    return trusted.reshape(label_HW.shape)
