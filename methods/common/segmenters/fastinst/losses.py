"""The training loss of FastInst: classes of all queries, masks of the matched ones, classes of the cells that could be queries.

Queries are trained at every depth, and once more after each layer under the true masks.
Averages divide by counts over the whole batch, whichever process has which images.

Shape legend: D predictions (decoder layers + 1), N images, Q queries, K classes, M targets of all images, T targets of the image
with most, P points, h, w cells, L = h * w.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.fastinst.config import FastInstConfig, FastInstLossConfig
from methods.common.segmenters.fastinst.decoder import Decoder, DecoderOutputs, Prediction
from methods.common.segmenters.fastinst.proposals import Proposals
from methods.common.segmenters.fastinst.targets import cells_inside, masks_of_queries
from methods.common.segmenters.mask_queries.losses import (
    class_loss,
    mask_set_costs,
    matched_classes,
    matched_mask_losses,
)
from methods.common.segmenters.mask_queries.matching import assign, class_costs
from methods.common.segmenters.mask_queries.points import PointSource, point_sources
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
    """Sum of the weights of all queries in the classification of one prediction."""
    num_cells: Tensor
    """Number of cells that queries are chosen from."""


def fastinst_losses(
    decoder: Decoder,
    outputs: DecoderOutputs,
    targets: Targets,
    config: FastInstConfig,
    generator: torch.Generator,
    share: BatchShare,
) -> dict[str, Tensor]:
    """Return all weighted losses of a share of a batch; collective.

    Args:
        decoder: in training mode; it runs once more under the true masks, with whatever autocast is on.
        outputs: what it made of the images.
        targets: of the images.
        config: of the network.
        generator: in the same state in every process.
        share: which images of the batch these are.
    Returns:
        Scalars ``class``, ``mask``, ``dice`` of the last layer, ``earlier_class`` and so on of all before it together,
        ``guided_class`` and so on of all layers under true masks together, and ``proposal``.
    Source: InstSynth section 7.3 [FI].
    """
    sources = point_sources(None, targets.class_M.device, generator, share)
    totals = _batch_totals(outputs.proposals, targets, config, share)
    with torch.autocast(targets.class_M.device.type, enabled=False):
        query_DM = _match(outputs, targets, sources, config.loss)
    num_queries = outputs.proposals.index_NQ.shape[1]
    true_NQL = masks_of_queries(targets, query_DM[-1], num_queries, outputs.size)
    guided = decoder.guided(outputs, true_NQL)
    *earlier, last = zip(outputs.predictions, query_DM, strict=True)
    groups = {"": [last], "earlier_": earlier, "guided_": [(prediction, query_DM[-1]) for prediction in guided]}
    losses: dict[str, Tensor] = {}
    with torch.autocast(targets.class_M.device.type, enabled=False):
        for prefix, pairs in groups.items():
            rows = [_prediction_losses(*pair, targets, sources, config.loss, totals) for pair in pairs]
            for name, parts in zip(NAMES, zip(*rows, strict=True), strict=True):
                losses[prefix + name] = torch.stack(parts).sum()
        losses["proposal"] = _proposal_loss(outputs.proposals, targets, config, totals)
    return losses


def _batch_totals(proposals: Proposals, targets: Targets, config: FastInstConfig, share: BatchShare) -> BatchTotals:
    """Count over the whole batch; collective."""
    images, queries = proposals.index_NQ.shape
    matched = sum(min(count, queries) for count in targets.counts)
    cells = images * proposals.size[0] * proposals.size[1]
    sums = torch.tensor([sum(targets.counts), matched, images * queries - matched, cells], dtype=torch.float64)
    device = proposals.index_NQ.device
    num_masks, matched_sum, others_sum, num_cells = share.team.sum_(sums).to(device).float()
    weight = matched_sum + config.loss.no_object_weight * others_sum
    return BatchTotals(num_masks.clamp(min=1), weight.clamp(min=1e-6), num_cells)


@torch.no_grad()
def _match(outputs: DecoderOutputs, targets: Targets, sources: list[PointSource], config: FastInstLossConfig) -> Tensor:
    """Return the query of each target at each depth, [D, M]."""
    depths = len(outputs.predictions)
    point_NDP2 = torch.stack([source.draw(depths, config.num_points) for source in sources])
    if not len(targets.class_M):
        return targets.class_M.new_zeros(depths, 0)
    location_NQ2 = outputs.proposals.locations()
    costs = [
        matching_cost(prediction, location_NQ2, targets, point_NDP2[:, depth], config)
        for depth, prediction in enumerate(outputs.predictions)
    ]
    return assign(torch.stack(costs), targets.counts)


def matching_cost(
    prediction: Prediction, location_NQ2: Tensor, targets: Targets, point_NP2: Tensor, config: FastInstLossConfig
) -> Tensor:
    """Return the cost of each pair of query and target, [N, Q, T]; unused places of the table hold anything.

    Source: InstSynth section 7.3 [FI]: that of a set of masks, and a large gain where the query's cell lies inside the target.
    """
    assert prediction.class_logit_NQK is not None
    class_logit_NQK, mask_logit_NQhw = prediction.class_logit_NQK.float(), prediction.mask_logit_NQhw.float()
    inside_MQ = targets.at_points(location_NQ2[targets.image_M]) > 0
    inside_NQT = targets.table(inside_MQ.float()).transpose(1, 2)
    costs = mask_set_costs(class_logit_NQK, mask_logit_NQhw, targets, point_NP2, config)
    return costs - config.location_weight * inside_NQT


def _prediction_losses(
    prediction: Prediction,
    query_M: Tensor,
    targets: Targets,
    sources: list[PointSource],
    config: FastInstLossConfig,
    totals: BatchTotals,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weighted losses of one prediction, in the order of ``NAMES``."""
    assert prediction.class_logit_NQK is not None
    of_classes = class_loss(prediction.class_logit_NQK.float(), targets, query_M, config, totals.class_weight)
    cross_entropy, dice = matched_mask_losses(
        prediction.mask_logit_NQhw.float(), targets, query_M, sources, config, totals.num_masks
    )
    return config.class_weight * of_classes, config.mask_weight * cross_entropy, config.dice_weight * dice


def _proposal_loss(proposals: Proposals, targets: Targets, config: FastInstConfig, totals: BatchTotals) -> Tensor:
    """Return the weighted cross-entropy of all cells; a target's cell has its class, all others "no object"."""
    logit_NLK = proposals.class_logit_NKhw.float().flatten(2).transpose(1, 2)
    cell_M = match_cells(logit_NLK.detach(), targets, proposals.size, config.loss)
    class_NL = matched_classes(cell_M, targets, logit_NLK.shape[:2], config.num_classes)
    total = functional.cross_entropy(logit_NLK.flatten(0, 1), class_NL.flatten(), reduction="sum")
    return config.loss.proposal_weight * total / totals.num_cells


def match_cells(logit_NLK: Tensor, targets: Targets, size: tuple[int, int], config: FastInstLossConfig) -> Tensor:
    """Return the cell of each target, int64 (M,): one that touches it where possible, then the one surest of its class.

    Source: InstSynth section 7.3 [FI].
    """
    if not len(targets.class_M):
        return targets.class_M.new_zeros(0)
    class_NT = targets.table(targets.class_M[:, None])[:, :, 0]
    inside_NLT = targets.table(cells_inside(targets, size).float()).transpose(1, 2)
    cost_NLT = config.class_weight * class_costs(logit_NLK, class_NT) - config.location_weight * inside_NLT
    return assign(cost_NLT[None], targets.counts)[0]
