"""Pooling of box features from the pyramid level that fits each box."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.roi_pooling import aligned_roi_pool
from methods.common.segmenters.centernet2.structures import with_image_index


def pyramid_levels(boxes_R4: Tensor, config: CenterNet2Config) -> Tensor:
    """Return int64 (R,): index of the pyramid level each box is pooled from.

    Source: MRCA section 6.3 [D]: floor(4 + log2(sqrt(area) / 224)), clamped to the pooled levels (P3..P5).
    """
    finest = config.strides[0].bit_length() - 1
    size_R2 = boxes_R4[:, 2:] - boxes_R4[:, :2]
    side_R = (size_R2[:, 0] * size_R2[:, 1]).sqrt()
    level_R = torch.floor(config.cascade.canonical_level + torch.log2(side_R / config.cascade.canonical_size_px + 1e-8))
    return level_R.clamp(finest, finest + config.cascade.pool_levels - 1).long() - finest


def pool_boxes(features: Sequence[Tensor], boxes: Sequence[Tensor], size: int, config: CenterNet2Config) -> Tensor:
    """Pool a size x size grid from each box by aligned RoIAlign with adaptive sampling.

    Args:
        features: pyramid levels [B, C, H, W], finest first, float32.
        boxes: xyxy in pixels, [N, 4] for each image.
        size: side of the grid.
        config: strides and level rule.
    Returns:
        float32 [R, C, size, size], images in order.
    Source: MRCA section 6.3 [D].
    """
    rows_R5 = with_image_index(boxes)
    level_R = pyramid_levels(rows_R5[:, 1:], config)
    grids, places = [], []
    for level in range(config.cascade.pool_levels):
        index = torch.nonzero(level_R == level)[:, 0]
        if len(index):
            grids.append(aligned_roi_pool(features[level], rows_R5[index], size, 1.0 / config.strides[level]))
            places.append(index)
    if len(grids) == 1:
        return grids[0]
    if not grids:
        return features[0].new_zeros(0, features[0].shape[1], size, size)
    return torch.cat(grids).index_select(0, torch.argsort(torch.cat(places)))
