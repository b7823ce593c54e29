"""Which query learns which target: costs at points, and the cheapest one-to-one assignment of each image and layer.

Shape legend: N images, Q queries, T targets, M targets of all images, L predictions, P points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

FORBIDDEN = 1e6
"""Cost of a pair that is not a number. The loss will be none either, and the training says so."""


def class_costs(class_logit_NQK: Tensor, class_NT: Tensor) -> Tensor:
    """Return minus the probability that each query gives to each target's class, [N, Q, T]. Source: [M2F]."""
    probability_NQK = class_logit_NQK.softmax(dim=-1)
    return -probability_NQK.gather(2, class_NT[:, None].expand(-1, probability_NQK.shape[1], -1))


def mask_costs(logit_NQP: Tensor, target_NTP: Tensor) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and dice of each pair of masks at common points, each [N, Q, T]. Source: [M2F]."""
    chance_NQP = logit_NQP.sigmoid()
    positive = torch.einsum("nqp,ntp->nqt", functional.softplus(-logit_NQP), target_NTP)
    negative = torch.einsum("nqp,ntp->nqt", functional.softplus(logit_NQP), 1 - target_NTP)
    overlap = 2 * torch.einsum("nqp,ntp->nqt", chance_NQP, target_NTP)
    dice_cost = 1 - (overlap + 1) / (chance_NQP.sum(-1)[:, :, None] + target_NTP.sum(-1)[:, None, :] + 1)
    return (positive + negative) / logit_NQP.shape[2], dice_cost


def mask_losses(logit_MP: Tensor, target_MP: Tensor) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and dice of masks with their targets at points, each (M,). Source: [M2F]."""
    cross_entropy_M = functional.binary_cross_entropy_with_logits(logit_MP, target_MP, reduction="none").mean(dim=1)
    chance_MP = logit_MP.sigmoid()
    overlap_M = 2 * (chance_MP * target_MP).sum(dim=1)
    return cross_entropy_M, 1 - (overlap_M + 1) / (chance_MP.sum(dim=1) + target_MP.sum(dim=1) + 1)


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
