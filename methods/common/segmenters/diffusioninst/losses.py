"""The training loss of DiffusionInst: every head is matched and trained for itself.

Averages divide by counts over the whole batch, whichever process has which images.

Shape legend: N images, Q proposals, K classes, M proposals with an object, F filter numbers, H, W pixels of the mask map;
4 = x0, y0, x1, y1 in pixels.
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
    objects = [
        [
            match(logit.float(), boxes, target.classes_N, target.boxes_N4, size, config.loss)
            for logit, boxes, target, size in zip(head.class_logit_NQK, head.boxes_NQ4, targets, sizes, strict=True)
        ]
        for head in outputs
    ]
    counts = torch.tensor([[sum(int((found >= 0).sum()) for found in head)] for head in objects], dtype=torch.float64)
    count_D = share.team.sum_(counts)[:, 0].clamp(min=1)
    true_masks = [masks_at_stride(target, padded) for target in targets]
    rows = [
        _head_losses(head, found, map_NCHW, targets, true_masks, sizes, config, float(count))
        for head, found, count in zip(outputs, objects, count_D, strict=True)
    ]
    *earlier, last = rows
    losses = dict(zip(NAMES, last, strict=True))
    if earlier:
        losses |= {
            f"earlier_{name}": torch.stack(parts).sum()
            for name, parts in zip(NAMES, zip(*earlier, strict=True), strict=True)
        }
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


def _head_losses(
    head: HeadOutputs,
    objects: Sequence[Tensor],
    map_NCHW: Tensor,
    targets: Sequence[InstanceTarget],
    true_masks: Sequence[Tensor],
    sizes: Sequence[Size],
    config: DiffusionInstConfig,
    count: float,
) -> tuple[Tensor, ...]:
    """Return the weighted losses of one head, in the order of ``NAMES``, each divided by the batch's number of matched proposals."""
    weights = config.loss
    wanted_NQK, counts_NQ = torch.zeros_like(head.class_logit_NQK), torch.ones_like(head.class_logit_NQK[:, :, 0])
    sums = [head.class_logit_NQK.new_zeros(()) for _ in range(3)]
    for row, (object_Q, target, true_GHW, size) in enumerate(zip(objects, targets, true_masks, sizes, strict=True)):
        counts_NQ[row, (object_Q < 0) & in_ignored(head.boxes_NQ4[row].detach(), target.ignored_M4)] = 0
        matched_M = torch.nonzero(object_Q >= 0)[:, 0]
        object_M = object_Q[matched_M]
        wanted_NQK[row, matched_M, target.classes_N[object_M]] = 1
        boxes_M4, true_M4 = head.boxes_NQ4[row, matched_M], target.boxes_N4[object_M]
        scale_4 = image_scale(size, boxes_M4)
        logit_MHW = masks_by_filters(map_NCHW[row], head.filters_NQF[row, matched_M], config)
        parts = (
            (boxes_M4 / scale_4 - true_M4 / scale_4).abs().sum(),
            generalized_box_iou_loss(boxes_M4, true_M4, reduction="sum"),
            dice_loss(logit_MHW, true_GHW[object_M]).sum(),
        )
        sums = [total + part for total, part in zip(sums, parts, strict=True)]
    focal_NQK = sigmoid_focal_loss(head.class_logit_NQK, wanted_NQK, weights.focal_alpha, weights.focal_gamma)
    focal = (focal_NQK * counts_NQ[:, :, None]).sum()
    factors = weights.class_weight, weights.box_weight, weights.giou_weight, weights.dice_weight
    return tuple(factor * total / count for factor, total in zip(factors, (focal, *sums), strict=True))
