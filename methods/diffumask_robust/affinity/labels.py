"""Labels of cells from two runs of scores: one that finds foreground for sure, one that finds background for sure.

Shape legend: N images, K scores with background first, H, W pixels, h, w cells.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.datasets.labelled_images import IGNORED
from methods.diffumask_robust.affinity.complement import Complement

_NOTHING = 1e-5
"""A cell whose scores are all below is outside of the image [code]."""


def complemented(score_NKHW: Tensor, reading: Complement) -> Tensor:
    """Return the scores that name the class of a pixel, from probabilities."""
    return 1 - score_NKHW if reading == "as_released" else score_NKHW


def pool_scores(score_NKHW: Tensor, stride: int) -> Tensor:
    """Return the mean score of each cell; the sides are whole cells."""
    return functional.avg_pool2d(score_NKHW, stride)


def fuse_labels(foreground_NKhw: Tensor, background_NKhw: Tensor) -> Tensor:
    """Return labels of cells, uint8 [N, h, w]: 0 background, 1 to K - 1 the place of a class, 255 not known.

    A cell is foreground where both runs find a class there, which is the first run's; background where the second run finds none; not known
    where the runs disagree, or where no score is above nothing.

    Args:
        foreground_NKhw: mean scores of the run that finds little foreground.
        background_NKhw: mean scores of the run that finds much.
    Source: section 10.4 [code].
    """
    label = foreground_NKhw.argmax(1)
    label[label == 0] = IGNORED
    label[background_NKhw.argmax(1) == 0] = 0
    outside = torch.maximum(foreground_NKhw.amax(1), background_NKhw.amax(1)) < _NOTHING
    label[outside] = IGNORED
    return label.to(torch.uint8)
