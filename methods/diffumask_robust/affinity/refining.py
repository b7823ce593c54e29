"""From a heat map and an AffinityNet to a mask: scores walk to cells that belong together (section 10.4).

Shape legend: H, W pixels, h, w cells, A = h w cells in a row; 3 RGB.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods.diffumask_robust.affinity.config import WalkConfig
from methods.diffumask_robust.affinity.labels import pool_scores
from methods.diffumask_robust.affinity.network import AffinityNet
from methods.diffumask_robust.affinity.pairs import affinities, pair_cells
from methods.diffumask_robust.affinity.walk import transitions, walk


@torch.no_grad()
def walked_mask(
    model: AffinityNet,
    image_HW3: NDArray[np.uint8],
    map_HW: NDArray[np.floating],
    config: WalkConfig,
    device: torch.device,
) -> NDArray[np.bool_]:
    """Return where the class wins after the walk, bool [H, W].

    Args:
        model: in evaluation mode, on the device.
        image_HW3: the picture.
        map_HW: heat map of its class, in about [0, 1].
        config: see :class:`WalkConfig`.
        device: where the network is.
    Source: section 10.4 [code].
    """
    image_13HW = torch.from_numpy(np.array(image_HW3)).to(device).permute(2, 0, 1)[None].float()
    feature = model(image_13HW).feature_NChw
    radius, border, stride = model.config.radius, model.config.border, model.config.stride
    affinity_P = affinities(feature, radius, border)[0].double().cpu().numpy()
    height, width = feature.shape[-2:]
    first, second = (cells.numpy() for cells in pair_cells(height, width, radius, border))
    step = transitions(affinity_P, first, second, height * width, config.beta)
    score_2A = _cell_scores(map_HW, config.background, stride).flatten(1).numpy()
    walked = torch.from_numpy(walk(score_2A, step, 2**config.log2_steps)).reshape(1, 2, height, width)
    up = functional.interpolate(walked, scale_factor=stride, mode="bilinear", align_corners=False)[0]
    won: NDArray[np.bool_] = (up[1] > up[0]).numpy()[: map_HW.shape[0], : map_HW.shape[1]]
    return won


def _cell_scores(map_HW: NDArray[np.floating], background: float, stride: int) -> Tensor:
    """Return background's and class's mean score of each cell; outside of the image both are 0."""
    score_2HW = np.stack([np.full(map_HW.shape, background), map_HW]).astype(np.float64)
    padding = (0, -map_HW.shape[1] % stride, 0, -map_HW.shape[0] % stride)
    return pool_scores(functional.pad(torch.from_numpy(score_2HW), padding)[None], stride)[0]
