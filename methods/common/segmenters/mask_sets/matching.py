"""Which query learns which target: the cheapest one-to-one assignment of each image and decoder layer.

Shape legend: N images, Q queries, T targets, K classes, P points, h, w cells of mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.mask_sets.config import MaskSetLossConfig
from methods.common.segmenters.mask_sets.points import sample
from methods.common.segmenters.mask_sets.targets import Targets

FORBIDDEN = 1e6
"""Cost of a pair that is not a number. The loss will be none either, and the training says so."""


@torch.no_grad()
def matching_cost(
    class_logit_NQK: Tensor, mask_logit_NQhw: Tensor, targets: Targets, point_NP2: Tensor, config: MaskSetLossConfig
) -> Tensor:
    """Return the cost of each pair of query and target, [N, Q, T]; unused places of the table hold anything.

    Source: [M2F], SAM filter section 8: minus the class probability, cross-entropy and dice at random points, weighted
    as in the loss.
    """
    class_NT = targets.table(targets.class_M[:, None])[:, :, 0]
    probability_NQK = class_logit_NQK.softmax(dim=-1)
    class_cost = -probability_NQK.gather(2, class_NT[:, None].expand(-1, probability_NQK.shape[1], -1))
    target_NTP = targets.table(targets.at_points(point_NP2[targets.image_M]))
    logit_NQP = sample(mask_logit_NQhw, point_NP2)
    chance_NQP = logit_NQP.sigmoid()
    positive = torch.einsum("nqp,ntp->nqt", functional.softplus(-logit_NQP), target_NTP)
    negative = torch.einsum("nqp,ntp->nqt", functional.softplus(logit_NQP), 1 - target_NTP)
    mask_cost = (positive + negative) / point_NP2.shape[1]
    overlap = 2 * torch.einsum("nqp,ntp->nqt", chance_NQP, target_NTP)
    dice_cost = 1 - (overlap + 1) / (chance_NQP.sum(-1)[:, :, None] + target_NTP.sum(-1)[:, None, :] + 1)
    return config.class_weight * class_cost + config.mask_weight * mask_cost + config.dice_weight * dice_cost


def assign(cost_LNQT: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the query of each target of all images, int64 [L, M]; -1 where an image has more targets than queries."""
    cost = np.nan_to_num(cost_LNQT.cpu().double().numpy(), nan=FORBIDDEN, posinf=FORBIDDEN, neginf=-FORBIDDEN)
    query_LM = np.full((len(cost), sum(counts)), -1, dtype=np.int64)
    starts = np.cumsum([0, *counts])
    for layer, cost_NQT in enumerate(cost):
        for image, count in enumerate(counts):
            queries, places = linear_sum_assignment(cost_NQT[image, :, :count])
            query_LM[layer, starts[image] + places] = queries
    return torch.from_numpy(query_LM).to(cost_LNQT.device)
