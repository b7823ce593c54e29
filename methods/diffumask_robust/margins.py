"""How sure a label is: its score over the best other one (section 6.1).

Shape legend: K scores, background first; H, W pixels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED

Ties = Literal["as_meant", "as_released"]
"""``as_released``: the runner-up is what is left when every entry equal to the largest one is zeroed [code]; ``as_meant``: it is the
largest of the others [C D18]."""


def score_margins(
    score_KHW: NDArray[np.floating], label_HW: NDArray[np.integer], ties: Ties = "as_meant"
) -> NDArray[np.floating]:
    """Return the margin of every pixel, of the scores' type, [H, W].

    Negative where a filter gave a pixel another label than its best score [C D19]; never as released, where the label does not count.

    Args:
        score_KHW: scores before any filter, K >= 2.
        label_HW: which of the scores each pixel's label is, below K; 255 where there is none, whose margin is that of its best score.
        ties: how the runner-up is found.

    Raises:
        ValueError: shapes do not fit, or a label is no score.
    Source: section 6.1, equation 4.
    """
    num_scores = len(score_KHW)
    if score_KHW.ndim != 3 or num_scores < 2 or label_HW.shape != score_KHW.shape[1:]:
        raise ValueError(
            f"scores have shape {score_KHW.shape} and labels {label_HW.shape}; give [K, H, W] with K >= 2 and [H, W]"
        )
    faulty = label_HW[((label_HW < 0) | (label_HW >= num_scores)) & (label_HW != IGNORED)]
    if faulty.size:
        raise ValueError(f"a label is {faulty[0]}, there are scores from 0 to {num_scores - 1}; give places of scores")
    best_HW = score_KHW.max(0)
    if ties == "as_released":
        released_HW: NDArray[np.floating] = best_HW - np.where(score_KHW == best_HW, 0, score_KHW).max(0)
        return released_HW
    chosen_HW = np.where(label_HW == IGNORED, score_KHW.argmax(0), label_HW)
    own_HW = np.take_along_axis(score_KHW, chosen_HW[None], 0)[0]
    others_KHW = np.where(np.arange(num_scores)[:, None, None] == chosen_HW, -np.inf, score_KHW)
    margin_HW: NDArray[np.floating] = (own_HW - others_KHW.max(0)).astype(score_KHW.dtype)
    return margin_HW
