"""The training loss of DiffusionInst: every head is matched and trained for itself.

Averages divide by counts over the whole batch, whichever process has which images.

Shape legend: D heads, N images, Q proposals, K classes, M proposals of an image with an object, F filter numbers, H, W pixels of the
mask map; 3 losses of pairs: box, giou, mask; 4 losses, these and class before them, or x0, y0, x1, y1 in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from methods.common.segmenters.diffusioninst.boxes import image_scale
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.segmenters.diffusioninst.head import HeadOutputs
from methods.common.segmenters.diffusioninst.masks import MASK_STRIDE, masks_by_filters
from methods.common.segmenters.diffusioninst.matching import match
from methods.common.segmenters.instance.interface import InstanceTarget, Size
from methods.common.training.batch_shard import BatchShare

NAMES = ("class", "box", "giou", "mask")
"""Losses of a head."""
_DICE_EPSILON = 1e-5
IGNORED_SHARE = 0.5
"""A proposal without object is no background where more than this share of it lies in an ignored box. Our choice, as COCO's evaluation
does with crowds."""


def dice_loss(logit_MHW: Tensor, true_MHW: Tensor) -> Tensor:
    """Return the dice loss of each mask, (M,), with squares in the denominator. Source: InstSynth section 5.3 [DI]."""
    probability, true = logit_MHW.sigmoid().flatten(1), true_MHW.flatten(1).to(logit_MHW)
    shared = (probability * true).sum(dim=1)
    total = probability.square().sum(dim=1) + true.square().sum(dim=1) + _DICE_EPSILON
    return 1 - 2 * shared / total


def masks_at_stride(target: InstanceTarget, padded: Size) -> Tensor:
    """Return the true masks at every fourth pixel from the third on, bool [G, H, W]. Source: InstSynth section 5.3 [DI]."""
    height, width = target.masks_NHW.shape[-2:]
    whole = functional.pad(target.masks_NHW, (0, padded[1] - width, 0, padded[0] - height))
    return whole[:, MASK_STRIDE // 2 :: MASK_STRIDE, MASK_STRIDE // 2 :: MASK_STRIDE]


def diffusioninst_losses(
    outputs: Sequence[HeadOutputs],
    map_NCHW: Tensor,
    targets: Sequence[InstanceTarget],
    sizes: Sequence[Size],
    padded: Size,
    config: DiffusionInstConfig,
    share: BatchShare,
) -> dict[str, Tensor]:
    """Return all weighted losses of a share of a batch; collective.

    Args:
        outputs: of every head.
        map_NCHW: from the mask branch.
        targets: of each image.
        sizes: (height, width) of each image.
        padded: (height, width) of the batch.
        config: of the network.
        share: which images of the batch these are.
    Returns:
        Scalars ``class``, ``box``, ``giou``, ``mask`` of the last head, ``earlier_class`` and so on of all before it together.
    Source: InstSynth section 5.3 [DI].
    """
    targets = [_without_slivers(target) for target in targets]
    logit_DNQK = torch.stack([head.class_logit_NQK for head in outputs])
    boxes_DNQ4 = torch.stack([head.boxes_NQ4 for head in outputs])
    filters_DNQF = torch.stack([head.filters_NQF for head in outputs])
    object_DNQ = torch.stack(
        [
            match(logit_DNQK[:, row].float(), boxes_DNQ4[:, row], target.classes_N, target.boxes_N4, size, config.loss)
            for row, (target, size) in enumerate(zip(targets, sizes, strict=True))
        ],
        dim=1,
    )
    matched_D = (object_DNQ >= 0).sum(dim=(1, 2)).to("cpu", torch.float64)
    count_D = share.team.sum_(matched_D[:, None])[:, 0].clamp(min=1)
    wanted_DNQK, counts_DNQ = torch.zeros_like(logit_DNQK), torch.ones_like(logit_DNQK[..., 0])
    sums_3D = logit_DNQK.new_zeros(3, len(outputs))
    for row, (target, size) in enumerate(zip(targets, sizes, strict=True)):
        object_DQ, boxes_DQ4 = object_DNQ[:, row], boxes_DNQ4[:, row]
        ignored_DQ = in_ignored(boxes_DQ4.detach().flatten(0, 1), target.ignored_M4).view(object_DQ.shape)
        counts_DNQ[:, row][(object_DQ < 0) & ignored_DQ] = 0
        head_M, place_M = torch.nonzero(object_DQ >= 0, as_tuple=True)
        object_M = object_DQ[head_M, place_M]
        wanted_DNQK[head_M, row, place_M, target.classes_N[object_M]] = 1
        boxes_M4, true_M4, scale_4 = boxes_DQ4[head_M, place_M], target.boxes_N4[object_M], image_scale(size, boxes_DQ4)
        logit_MHW = masks_by_filters(map_NCHW[row], filters_DNQF[head_M, row, place_M], config)
        parts_3M = torch.stack(
            [
                (boxes_M4 / scale_4 - true_M4 / scale_4).abs().sum(dim=1),
                generalized_box_iou_loss(boxes_M4, true_M4),
                dice_loss(logit_MHW, masks_at_stride(target, padded)[object_M]),
            ]
        )
        sums_3D = sums_3D.index_add(1, head_M, parts_3M)
    focal_DNQK = sigmoid_focal_loss(logit_DNQK, wanted_DNQK, config.loss.focal_alpha, config.loss.focal_gamma)
    focal_D = (focal_DNQK * counts_DNQ[..., None]).sum(dim=(1, 2, 3))
    weights = config.loss
    factors = weights.class_weight, weights.box_weight, weights.giou_weight, weights.dice_weight
    weighted_4D = torch.cat([focal_D[None], sums_3D]) * logit_DNQK.new_tensor(factors)[:, None] / count_D.to(focal_D)
    losses = dict(zip(NAMES, weighted_4D[:, -1], strict=True))
    if len(outputs) > 1:
        earlier_4 = weighted_4D[:, :-1].sum(dim=1)
        losses |= {f"earlier_{name}": loss for name, loss in zip(NAMES, earlier_4, strict=True)}
    return losses


def _without_slivers(target: InstanceTarget) -> InstanceTarget:
    """Leave out objects whose box has no area: no overlap with one is defined."""
    wide_N = (target.boxes_N4[:, 2:] > target.boxes_N4[:, :2]).all(dim=1)
    return target.select(wide_N)


def in_ignored(boxes_Q4: Tensor, ignored_M4: Tensor) -> Tensor:
    """Return whether a proposal lies in an ignored box by more than :data:`IGNORED_SHARE`, bool (Q,)."""
    if not len(ignored_M4):
        return torch.zeros(len(boxes_Q4), dtype=torch.bool, device=boxes_Q4.device)
    side_Q2 = boxes_Q4[:, 2:] - boxes_Q4[:, :2]
    low_QM2 = torch.maximum(boxes_Q4[:, None, :2], ignored_M4[:, :2])
    shared_QM2 = (torch.minimum(boxes_Q4[:, None, 2:], ignored_M4[:, 2:]) - low_QM2).clamp(min=0)
    return (shared_QM2.prod(dim=2) > IGNORED_SHARE * side_Q2.prod(dim=1)[:, None]).any(dim=1)
