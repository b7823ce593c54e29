"""Which proposals are trained towards which object: SimOTA, with as many proposals for an object as overlap it well.

Shape legend: D heads; Q proposals of a head and G objects of one image, R = D * Q; K classes; 4 = x0, y0, x1, y1 in pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou, generalized_box_iou

from methods.common.segmenters.diffusioninst.boxes import centred, image_scale
from methods.common.segmenters.diffusioninst.config import DiffusionInstLossConfig

OUTSIDE_COST = 100.0
"""What it costs that a proposal's centre is not in the object's box and window both. [DI]"""
NOWHERE_COST = 10_000.0
"""What it costs that it is in no box and no window of any object. [DI]"""


def focal_costs(logit_QK: Tensor, class_G: Tensor, config: DiffusionInstLossConfig) -> Tensor:
    """Return what a pair would change in the focal loss of classes, [Q, G]. Source: [DI]."""
    probability_QK = logit_QK.sigmoid()
    alpha, gamma = config.focal_alpha, config.focal_gamma
    as_positive = alpha * (1 - probability_QK) ** gamma * -(probability_QK + 1e-8).log()
    as_negative = (1 - alpha) * probability_QK**gamma * -(1 - probability_QK + 1e-8).log()
    return (as_positive - as_negative)[:, class_G]


def centres_within(boxes_Q4: Tensor, object_G4: Tensor, config: DiffusionInstLossConfig) -> tuple[Tensor, Tensor]:
    """Return whether the centre of each proposal lies in an object's box, and in its window, bool [Q, G] each."""
    centre_Q2, middle_G2 = centred(boxes_Q4)[:, :2], centred(object_G4)[:, :2]
    size_G2 = object_G4[:, 2:] - object_G4[:, :2]
    in_box = (centre_Q2[:, None] > object_G4[:, :2]) & (centre_Q2[:, None] < object_G4[:, 2:])
    in_window = (centre_Q2[:, None] - middle_G2).abs() < config.centre_radius * size_G2
    return in_box.all(dim=2), in_window.all(dim=2)


def matching_costs(
    logit_QK: Tensor,
    boxes_Q4: Tensor,
    class_G: Tensor,
    object_G4: Tensor,
    size: tuple[int, int],
    config: DiffusionInstLossConfig,
) -> Tensor:
    """Return the cost of every pair, [Q, G], for an image of (height, width) pixels. Source: InstSynth section 5.3 [DI]."""
    scale_4 = image_scale(size, boxes_Q4)
    distance_QG = torch.cdist(boxes_Q4 / scale_4, object_G4 / scale_4, p=1)
    in_box_QG, in_window_QG = centres_within(boxes_Q4, object_G4, config)
    costs: Tensor = (
        config.box_weight * distance_QG
        + config.class_weight * focal_costs(logit_QK, class_G, config)
        - config.giou_weight * generalized_box_iou(boxes_Q4, object_G4)
        + OUTSIDE_COST * ~(in_box_QG & in_window_QG)
    )
    nowhere_Q = ~(in_box_QG | in_window_QG).any(dim=1)
    return costs + NOWHERE_COST * nowhere_Q[:, None].to(costs)


def proposals_of_objects(costs_DQG: Tensor, overlap_DQG: Tensor, num_candidates: int) -> Tensor:
    """Return the object of each proposal of each head, int64 [D, Q], -1 for those that have none.

    An object takes its cheapest proposals, as many as its best overlaps add up to, at least one. A proposal that several want goes to
    the object to which it is cheapest. Objects that end with none take a free proposal, the cheapest pair first.

    Args:
        costs_DQG: of every pair.
        overlap_DQG: IoU of every pair.
        num_candidates: how many of an object's best overlaps are added up.
    Source: InstSynth section 5.3 [DI]. Where objects outnumber proposals, the last ones stay without; our choice, the release does not
    return then.
    """
    num_proposals = costs_DQG.shape[1]
    best_DkG = overlap_DQG.topk(min(num_candidates, num_proposals), dim=1).values
    count_DG = best_DkG.sum(dim=1).int().clamp(min=1, max=num_proposals)
    rank_DQG = costs_DQG.argsort(dim=1, stable=True).argsort(dim=1)
    wanted_DQG = rank_DQG < count_DG[:, None]
    times_DQ = wanted_DQG.sum(dim=2)
    object_DQ = torch.where(times_DQ == 1, wanted_DQG.int().argmax(dim=2), costs_DQG.argmin(dim=2))
    object_DQ = torch.where(times_DQ == 0, -1, object_DQ)
    taken_DQG = object_DQ[:, :, None] == torch.arange(costs_DQG.shape[2], device=costs_DQG.device)
    left_DQG = costs_DQG.masked_fill(taken_DQG.any(dim=2)[:, :, None] | taken_DQG.any(dim=1)[:, None], torch.inf)
    for head in torch.nonzero((left_DQG < torch.inf).flatten(1).any(dim=1))[:, 0].tolist():
        _take_free_ones(left_DQG[head], object_DQ[head])
    return object_DQ


def _take_free_ones(left_QG: Tensor, object_Q: Tensor) -> None:
    """Give objects without proposal one of those without object, the cheapest pair first, in place; pairs that are out cost infinity."""
    while bool((left_QG < torch.inf).any()):
        place, index = divmod(int(left_QG.argmin()), left_QG.shape[1])
        object_Q[place] = index
        left_QG[place], left_QG[:, index] = torch.inf, torch.inf


@torch.no_grad()
def match(
    logit_DQK: Tensor,
    boxes_DQ4: Tensor,
    class_G: Tensor,
    object_G4: Tensor,
    size: tuple[int, int],
    config: DiffusionInstLossConfig,
) -> Tensor:
    """Return the object of each proposal of every head for one image, int64 [D, Q], -1 for none; each head is matched for itself."""
    if not len(class_G):
        return class_G.new_full(boxes_DQ4.shape[:2], -1)
    boxes_R4 = boxes_DQ4.flatten(0, 1)
    shape = (*boxes_DQ4.shape[:2], len(class_G))
    costs_RG = matching_costs(logit_DQK.flatten(0, 1), boxes_R4, class_G, object_G4, size, config)
    return proposals_of_objects(costs_RG.view(shape), box_iou(boxes_R4, object_G4).view(shape), config.candidates)
