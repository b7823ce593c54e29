"""The training loss of Mask2Former: classes of all queries, masks of the matched ones, after every decoder layer.

Averages divide by counts over the whole batch, whichever process has which images.

Shape legend: L predictions (decoder layers + 1), N images, Q queries, K classes, M targets of all images, P points, H, W pixels,
h, w cells of mask logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.mask2former.config import Mask2FormerConfig, Mask2FormerLossConfig
from methods.common.segmenters.mask2former.head import HeadOutputs
from methods.common.segmenters.mask2former.matching import matching_cost
from methods.common.segmenters.mask2former.targets import VOID, find_targets
from methods.common.segmenters.mask_queries.matching import assign, mask_losses
from methods.common.segmenters.mask_queries.points import PointSource, point_sources, sample, uncertain_points
from methods.common.segmenters.mask_queries.targets import Targets
from methods.common.training.batch_shard import BatchShare

NAMES = ("class", "mask", "dice")
"""Losses of a prediction."""


@dataclass(frozen=True)
class BatchTotals:
    """What the losses divide by, over the whole batch."""

    num_masks: Tensor
    """Number of targets, at least 1."""
    class_weight: Tensor
    """Sum of the weights of all queries in the classification of one layer."""
    num_known_pixels: Tensor
    """Number of pixels with a class, at least 1."""


def mask2former_losses(
    outputs: HeadOutputs, label_NHW: Tensor, config: Mask2FormerConfig, generator: torch.Generator, share: BatchShare
) -> dict[str, Tensor]:
    """Return all weighted losses of a share of a batch; collective.

    Args:
        outputs: of the network in training mode.
        label_NHW: int64 at the size of the padded images, 255 where nothing is known.
        config: of the network.
        generator: in the same state in every process.
        share: which images of the batch these are.
    Returns:
        Scalars ``class``, ``mask``, ``dice`` of the last layer, ``earlier_class``, ``earlier_mask``, ``earlier_dice`` of all
        others together, and ``dense`` where the network has that layer.
    Source: SAM filter section 8, [M2F].
    """
    targets = find_targets(label_NHW, config.num_classes, config.loss.void)
    totals = _batch_totals(targets, label_NHW, config, share)
    sources = point_sources(targets.known_NHW, label_NHW.device, generator, share)
    with torch.autocast(label_NHW.device.type, enabled=False):
        return _losses(outputs, label_NHW, config, targets, sources, totals)


def _losses(
    outputs: HeadOutputs,
    label_NHW: Tensor,
    config: Mask2FormerConfig,
    targets: Targets,
    sources: list[PointSource],
    totals: BatchTotals,
) -> dict[str, Tensor]:
    query_LM = _match(outputs, targets, sources, config.loss)
    weights = (config.loss.class_weight, config.loss.mask_weight, config.loss.dice_weight)
    layers = []
    for class_logit, mask_logit, query_M in zip(outputs.class_logits, outputs.mask_logits, query_LM, strict=True):
        class_loss = _class_loss(class_logit.float(), targets, query_M, config, totals)
        of_masks = _mask_losses(mask_logit.float(), targets, query_M, sources, config.loss, totals)
        layers.append([weight * loss for weight, loss in zip(weights, (class_loss, *of_masks), strict=True)])
    losses = dict(zip(NAMES, layers[-1], strict=True))
    for name, earlier in zip(NAMES, zip(*layers[:-1], strict=True), strict=True):
        losses[f"earlier_{name}"] = torch.stack(earlier).sum()
    if outputs.dense_logits is not None:
        losses["dense"] = config.loss.dense_weight * _dense_loss(outputs.dense_logits, label_NHW, totals)
    return losses


def _dense_loss(logit_NKhw: Tensor, label_NHW: Tensor, totals: BatchTotals) -> Tensor:
    """Return the cross-entropy of pixels with a class, logits resized to the labels; our choice [C SAM filter D67]."""
    logit_NKHW = functional.interpolate(logit_NKhw.float(), label_NHW.shape[1:], mode="bilinear", align_corners=False)
    total = functional.cross_entropy(logit_NKHW, label_NHW, ignore_index=VOID, reduction="sum")
    return total / totals.num_known_pixels


def _batch_totals(targets: Targets, label_NHW: Tensor, config: Mask2FormerConfig, share: BatchShare) -> BatchTotals:
    """Count over the whole batch; collective."""
    matched = sum(min(count, config.num_queries) for count in targets.counts)
    others = len(targets.counts) * config.num_queries - matched
    known = int((label_NHW != VOID).sum())
    sums = torch.tensor([sum(targets.counts), matched, others, known], dtype=torch.float64)
    num_masks, matched_sum, others_sum, known_sum = share.team.sum_(sums).to(label_NHW.device).float()
    weight = matched_sum + config.loss.no_object_weight * others_sum
    return BatchTotals(num_masks.clamp(min=1), weight.clamp(min=1e-6), known_sum.clamp(min=1))


def _match(outputs: HeadOutputs, targets: Targets, sources: list[PointSource], config: Mask2FormerLossConfig) -> Tensor:
    """Return the query of each target in each layer, [L, M]."""
    layers = len(outputs.class_logits)
    point_NLP2 = torch.stack([source.draw(layers, config.num_points) for source in sources])
    if not len(targets.class_M):
        return targets.class_M.new_zeros(layers, 0)
    predictions = enumerate(zip(outputs.class_logits, outputs.mask_logits, strict=True))
    costs = [
        matching_cost(class_logit.float(), mask_logit.float(), targets, point_NLP2[:, layer], config)
        for layer, (class_logit, mask_logit) in predictions
    ]
    return assign(torch.stack(costs), targets.counts)


def _draw_loss_points(
    logit_Mhw: Tensor, sources: list[PointSource], counts: list[int], config: Mask2FormerLossConfig
) -> Tensor:
    """Return the points of each matched mask, [M, P, 2]: mostly where it is uncertain."""
    num_candidates = int(config.num_points * config.oversampling)
    num_uncertain = int(config.num_points * config.importance_share)
    num_uniform = config.num_points - num_uncertain
    drawn = list(zip(sources, counts, strict=True))
    candidate_MS2 = torch.cat([source.draw(count, num_candidates) for source, count in drawn])
    uniform_MR2 = torch.cat([source.draw(count, num_uniform) for source, count in drawn])
    return uncertain_points(logit_Mhw, candidate_MS2, uniform_MR2, num_uncertain)


def _class_loss(
    logit_NQK: Tensor, targets: Targets, query_M: Tensor, config: Mask2FormerConfig, totals: BatchTotals
) -> Tensor:
    images, queries, columns = logit_NQK.shape
    no_object = columns - 1
    class_NQ = torch.full((images, queries), no_object, dtype=torch.int64, device=logit_NQK.device)
    matched_M = query_M >= 0
    class_NQ[targets.image_M[matched_M], query_M[matched_M]] = targets.class_M[matched_M]
    weight_K = torch.ones(columns, device=logit_NQK.device)
    weight_K[no_object] = config.loss.no_object_weight
    total = functional.cross_entropy(logit_NQK.flatten(0, 1), class_NQ.flatten(), weight_K, reduction="sum")
    return total / totals.class_weight


def _mask_losses(
    logit_NQhw: Tensor,
    targets: Targets,
    query_M: Tensor,
    sources: list[PointSource],
    config: Mask2FormerLossConfig,
    totals: BatchTotals,
) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and dice of the matched masks, each a mean over points and targets."""
    if not len(query_M):
        nothing = logit_NQhw.sum() * 0  # keeps every parameter's gradient, which a team adds up
        return nothing, nothing
    matched_M = query_M >= 0
    logit_Mhw = logit_NQhw[targets.image_M, query_M.clamp(min=0)]
    point_MP2 = _draw_loss_points(logit_Mhw, sources, targets.counts, config)
    target_MP = targets.at_points(point_MP2)
    logit_MP = sample(logit_Mhw[:, None], point_MP2)[:, 0]
    cross_entropy_M, dice_M = mask_losses(logit_MP, target_MP)
    return (cross_entropy_M * matched_M).sum() / totals.num_masks, (dice_M * matched_M).sum() / totals.num_masks
