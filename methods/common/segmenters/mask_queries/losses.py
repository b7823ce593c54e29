"""The loss of a set of masks: classes of all queries, masks of the matched ones, after every decoder layer.

Averages divide by counts over the whole batch, whichever process has which images.

Shape legend: L predictions (decoder layers + 1), N images, Q queries, K classes, M targets of all images, P points, H, W pixels,
h, w cells of mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.mask_queries.config import MaskSetLossConfig
from methods.common.segmenters.mask_queries.matching import assign, class_costs, mask_costs, mask_losses
from methods.common.segmenters.mask_queries.points import PointSource, sample, uncertain_points
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


def batch_totals(
    targets: Targets, num_queries: int, config: MaskSetLossConfig, share: BatchShare, known_pixels: int = 0
) -> BatchTotals:
    """Count over the whole batch; collective.

    Args:
        targets: of the share's images.
        num_queries: of each image.
        config: weight of queries without a target.
        share: which images these are.
        known_pixels: of the share's images, for a loss of every pixel.
    """
    matched = sum(min(count, num_queries) for count in targets.counts)
    others = len(targets.counts) * num_queries - matched
    sums = torch.tensor([sum(targets.counts), matched, others, known_pixels], dtype=torch.float64)
    num_masks, matched_sum, others_sum, known_sum = share.team.sum_(sums).to(targets.mask_MHW.device).float()
    weight = matched_sum + config.no_object_weight * others_sum
    return BatchTotals(num_masks.clamp(min=1), weight.clamp(min=1e-6), known_sum.clamp(min=1))


def mask_set_losses(
    class_logits: Sequence[Tensor],
    mask_logits: Sequence[Tensor],
    targets: Targets,
    sources: list[PointSource],
    config: MaskSetLossConfig,
    totals: BatchTotals,
) -> dict[str, Tensor]:
    """Return the weighted losses of a share of a batch.

    Args:
        class_logits: [N, Q, K + 1] of each prediction, the last column is "no object".
        mask_logits: [N, Q, h, w] of each.
        targets: of the images.
        sources: where the points of each image come from.
        config: weights and numbers of points.
        totals: what :func:`batch_totals` counted.
    Returns:
        Scalars ``class``, ``mask``, ``dice`` of the last layer, ``earlier_class``, ``earlier_mask``, ``earlier_dice`` of all
        others together.
    """
    query_LM = _match(class_logits, mask_logits, targets, sources, config)
    weights = (config.class_weight, config.mask_weight, config.dice_weight)
    layers = []
    for class_logit, mask_logit, query_M in zip(class_logits, mask_logits, query_LM, strict=True):
        of_classes = class_loss(class_logit.float(), targets, query_M, config, totals.class_weight)
        of_masks = matched_mask_losses(mask_logit.float(), targets, query_M, sources, config, totals.num_masks)
        layers.append([weight * loss for weight, loss in zip(weights, (of_classes, *of_masks), strict=True)])
    losses = dict(zip(NAMES, layers[-1], strict=True))
    for name, earlier in zip(NAMES, zip(*layers[:-1], strict=True), strict=True):
        losses[f"earlier_{name}"] = torch.stack(earlier).sum()
    return losses


@torch.no_grad()
def mask_set_costs(
    class_logit_NQK: Tensor, mask_logit_NQhw: Tensor, targets: Targets, point_NP2: Tensor, config: MaskSetLossConfig
) -> Tensor:
    """Return the cost of each pair of query and target, [N, Q, T]; unused places of the table hold anything.

    Source: [M2F], SAM filter section 8: minus the class probability, cross-entropy and dice at random points, weighted
    as in the loss.
    """
    class_NT = targets.table(targets.class_M[:, None])[:, :, 0]
    class_cost = class_costs(class_logit_NQK, class_NT)
    target_NTP = targets.table(targets.at_points(point_NP2[targets.image_M]))
    mask_cost, dice_cost = mask_costs(sample(mask_logit_NQhw, point_NP2), target_NTP)
    return config.class_weight * class_cost + config.mask_weight * mask_cost + config.dice_weight * dice_cost


def _match(
    class_logits: Sequence[Tensor],
    mask_logits: Sequence[Tensor],
    targets: Targets,
    sources: list[PointSource],
    config: MaskSetLossConfig,
) -> Tensor:
    """Return the query of each target in each layer, [L, M]."""
    layers = len(class_logits)
    point_NLP2 = torch.stack([source.draw(layers, config.num_points) for source in sources])
    if not len(targets.class_M):
        return targets.class_M.new_zeros(layers, 0)
    predictions = enumerate(zip(class_logits, mask_logits, strict=True))
    costs = [
        mask_set_costs(class_logit.float(), mask_logit.float(), targets, point_NLP2[:, layer], config)
        for layer, (class_logit, mask_logit) in predictions
    ]
    return assign(torch.stack(costs), targets.counts)


def _draw_loss_points(
    logit_Mhw: Tensor, sources: list[PointSource], counts: list[int], config: MaskSetLossConfig
) -> Tensor:
    """Return the points of each matched mask, [M, P, 2]: mostly where it is uncertain."""
    num_candidates = int(config.num_points * config.oversampling)
    num_uncertain = int(config.num_points * config.importance_share)
    num_uniform = config.num_points - num_uncertain
    drawn = list(zip(sources, counts, strict=True))
    candidate_MS2 = torch.cat([source.draw(count, num_candidates) for source, count in drawn])
    uniform_MR2 = torch.cat([source.draw(count, num_uniform) for source, count in drawn])
    return uncertain_points(logit_Mhw, candidate_MS2, uniform_MR2, num_uncertain)


def matched_classes(query_M: Tensor, targets: Targets, shape: Sequence[int], no_object: int) -> Tensor:
    """Return the class that each query should give, int64 of ``shape``, (N, Q); ``no_object`` where none is matched."""
    class_NQ = torch.full(tuple(shape), no_object, dtype=torch.int64, device=query_M.device)
    matched_M = query_M >= 0
    class_NQ[targets.image_M[matched_M], query_M[matched_M]] = targets.class_M[matched_M]
    return class_NQ


def class_loss(
    logit_NQK: Tensor, targets: Targets, query_M: Tensor, config: MaskSetLossConfig, class_weight: Tensor
) -> Tensor:
    """Return the cross-entropy of all queries of a share, over ``class_weight``: the sum of their weights in the whole batch."""
    no_object = logit_NQK.shape[2] - 1
    weight_K = torch.ones(no_object + 1, device=logit_NQK.device)
    weight_K[no_object] = config.no_object_weight
    class_NQ = matched_classes(query_M, targets, logit_NQK.shape[:2], no_object)
    total = functional.cross_entropy(logit_NQK.flatten(0, 1), class_NQ.flatten(), weight_K, reduction="sum")
    return total / class_weight


def matched_mask_losses(
    logit_NQhw: Tensor,
    targets: Targets,
    query_M: Tensor,
    sources: list[PointSource],
    config: MaskSetLossConfig,
    num_masks: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and dice of the matched masks of a share, means over points, over ``num_masks``: targets of the whole batch."""
    if not len(query_M):
        nothing = logit_NQhw.sum() * 0  # keeps every parameter's gradient, which a team adds up
        return nothing, nothing
    matched_M = query_M >= 0
    logit_Mhw = logit_NQhw[targets.image_M, query_M.clamp(min=0)]
    point_MP2 = _draw_loss_points(logit_Mhw, sources, targets.counts, config)
    target_MP = targets.at_points(point_MP2)
    logit_MP = sample(logit_Mhw[:, None], point_MP2)[:, 0]
    cross_entropy_M, dice_M = mask_losses(logit_MP, target_MP)
    return (cross_entropy_M * matched_M).sum() / num_masks, (dice_M * matched_M).sum() / num_masks
