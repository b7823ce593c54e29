"""Labels that AffinityNet is trained on: sure foreground, sure background, and cells of which nothing is known (section 10.4).

Shape legend: H, W pixels, h, w cells; 3 RGB.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods.diffumask_robust.affinity.complement import Complement
from methods.diffumask_robust.affinity.labels import complemented, fuse_labels, pool_scores
from methods.diffumask_robust.crf import LabelCrf
from methods.diffumask_robust.diffumask.smoothing import MaskSmoother
from methods.diffumask_robust.diffumask.split_levels import Levels


def seed_labels(
    image_HW3: NDArray[np.uint8],
    map_HW: NDArray[np.floating],
    levels: Levels,
    stride: int,
    num_labels: int,
    smoothing: LabelCrf | None,
    complement: Complement = "as_meant",
) -> NDArray[np.uint8]:
    """Return a label for each cell, uint8 [h, w]: 0 background, 1 the class, 2 a class that the image does not show, 255 not known.

    Each level is a constant background score; what beats it is smoothed. Label 2 occurs only as released, where the least likely class
    is taken.

    Args:
        image_HW3: the picture.
        map_HW: heat map of its class.
        levels: of sure foreground and background.
        stride: pixels of a cell; cells at the right and the bottom may be cut.
        num_labels: classes of the data set, background included.
        smoothing: the dense CRF, if any.
        complement: whether the most or the least likely class is taken.
    Source: section 10.4 [code]; cells of the whole image, not of a crop [C D33].
    """
    pooled, smoother = [], MaskSmoother(image_HW3, num_labels, smoothing)
    for level in (levels.foreground, levels.background):
        probability = smoother.probabilities(map_HW > level)
        pooled.append(_pooled(complemented(torch.from_numpy(probability)[None], complement), stride))
    found: NDArray[np.uint8] = fuse_labels(*pooled)[0].numpy()
    return found


def _pooled(score_1LHW: Tensor, stride: int) -> Tensor:
    height, width = score_1LHW.shape[-2:]
    return pool_scores(functional.pad(score_1LHW, (0, -width % stride, 0, -height % stride)), stride)
