"""What the queries should find: the instances of a batch at the size of its padded images.

Shape legend: N images, T targets of the image with most, M targets of all images, H, W pixels, h, w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.instance.interface import InstanceTarget, Size
from methods.common.segmenters.mask_queries.targets import Targets


def join_targets(targets: Sequence[InstanceTarget], padded: Size) -> Targets:
    """Put the instances of all images into one list, masks padded right and bottom with zeros. Source: [FI]."""
    device = targets[0].classes_N.device
    counts = [len(target.classes_N) for target in targets]
    mask_MHW = torch.zeros(sum(counts), *padded, device=device)
    first = 0
    for target, count in zip(targets, counts, strict=True):
        height, width = target.masks_NHW.shape[1:]
        mask_MHW[first : first + count, :height, :width] = target.masks_NHW
        first += count
    count_N = torch.tensor(counts, device=device)
    image_M = torch.arange(len(counts), device=device).repeat_interleave(count_N)
    place_M = torch.arange(sum(counts), device=device) - (count_N.cumsum(0) - count_N)[image_M]
    class_M = torch.cat([target.classes_N for target in targets])
    return Targets(class_M, image_M, place_M, mask_MHW, counts, None)


def cells_inside(targets: Targets, size: Size) -> Tensor:
    """Return whether any pixel of a cell of the middle map belongs to each target, bool [M, h * w]. Source: [FI]."""
    if not targets.counts or not len(targets.class_M):
        return targets.mask_MHW.new_zeros(0, size[0] * size[1], dtype=torch.bool)
    return functional.adaptive_avg_pool2d(targets.mask_MHW[:, None], size).flatten(1) > 0


def masks_of_queries(targets: Targets, query_M: Tensor, num_queries: int, size: Size) -> Tensor:
    """Return the true mask of each matched query at the finest map's size, bool [N, Q, h * w]; false for all others.

    Source: InstSynth section 7.3 [FI]: resized to the nearest pixel.
    """
    inside_NQL = torch.zeros(
        len(targets.counts), num_queries, size[0] * size[1], dtype=torch.bool, device=query_M.device
    )
    matched_M = query_M >= 0
    if bool(matched_M.any()):
        mask_Mhw = functional.interpolate(targets.mask_MHW[matched_M, None], size, mode="nearest")[:, 0]
        inside_NQL[targets.image_M[matched_M], query_M[matched_M]] = mask_Mhw.flatten(1) > 0
    return inside_NQL
