"""What it costs that a query learns a target.

Shape legend: N images, Q queries, T targets, K classes, P points, h, w cells of mask logits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods.common.segmenters.mask2former.config import Mask2FormerLossConfig
from methods.common.segmenters.mask_queries.matching import class_costs, mask_costs
from methods.common.segmenters.mask_queries.points import sample
from methods.common.segmenters.mask_queries.targets import Targets


@torch.no_grad()
def matching_cost(
    class_logit_NQK: Tensor, mask_logit_NQhw: Tensor, targets: Targets, point_NP2: Tensor, config: Mask2FormerLossConfig
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
