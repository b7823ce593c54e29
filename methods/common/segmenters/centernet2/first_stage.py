"""First stage: the head shared by all levels, and the proposals made of its outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import nms

from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.heat_map import (
    CellTargets,
    cell_targets,
    distance_loss,
    heat_map_losses,
    make_grid,
)
from methods.common.segmenters.centernet2.structures import Proposals

MIN_SIDE_PX = 0.01
"""Proposals get at least this side, so that the cascade can refine them. Source: [R]."""


@dataclass(frozen=True)
class FirstStageOutputs:
    """Heat map [B, 1, H, W] before the sigmoid and distances [B, 4, H, W] in strides, for each level."""

    heat_map_logits: list[Tensor]
    distances: list[Tensor]


class FirstStage(nn.Module):
    """Class-agnostic CenterNet: says for each cell whether an object's centre lies there and how far its sides are.

    Source: MRCA section 6.2 [R].
    """

    def __init__(self, config: CenterNet2Config) -> None:
        super().__init__()
        self.config = config.proposals
        self.strides = config.strides
        channels = config.pyramid.channels
        layers: list[nn.Module] = []
        for _ in range(config.proposals.tower_convs):
            norm = nn.GroupNorm(config.proposals.norm_groups, channels)
            layers += [nn.Conv2d(channels, channels, 3, padding=1), norm, nn.ReLU()]
        self.tower = nn.Sequential(*layers)
        self.heat_map = nn.Conv2d(channels, 1, 3, padding=1)
        self.distance = nn.Conv2d(channels, 4, 3, padding=1)
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in self.strides)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        assert self.heat_map.bias is not None
        assert self.distance.bias is not None
        nn.init.constant_(self.heat_map.bias, -math.log((1 - self.config.prior) / self.config.prior))
        nn.init.constant_(self.distance.bias, self.config.distance_bias)

    def forward(self, features: list[Tensor]) -> FirstStageOutputs:
        """Return heat maps and distances of every level."""
        heat_maps, distances = [], []
        for level, feature in enumerate(features):
            tower = self.tower(feature)
            heat_maps.append(self.heat_map(tower))
            distances.append(torch.relu(self.distance(tower) * self.scales[level]))
        return FirstStageOutputs(heat_maps, distances)

    def targets(self, outputs: FirstStageOutputs, boxes: Sequence[Tensor]) -> list[CellTargets]:
        """Return what the cells of each image should say, for its ground-truth boxes [G, 4]."""
        shapes = [(level.shape[2], level.shape[3]) for level in outputs.heat_map_logits]
        grid = make_grid(shapes, self.strides, outputs.heat_map_logits[0].device)
        return cell_targets(boxes, grid, self.config)

    def losses(
        self, outputs: FirstStageOutputs, targets: Sequence[CellTargets], num_positive: int, num_regression: int
    ) -> dict[str, Tensor]:
        """Return ``heat_map_positive``, ``heat_map_negative`` and ``proposal_box``, averaged over that many cells."""
        logits_BM = torch.cat([level.flatten(1) for level in outputs.heat_map_logits], dim=1)
        distances = torch.cat([level.flatten(2) for level in outputs.distances], dim=2).transpose(1, 2).flatten(0, 1)
        heat_BM = torch.stack([target.heat_M for target in targets])
        positive = _batch_cells([target.positive_P for target in targets], heat_BM.shape[1])
        regression = _batch_cells([target.regression_Q for target in targets], heat_BM.shape[1])
        loss_positive, loss_negative = heat_map_losses(logits_BM, heat_BM, positive, num_positive, self.config)
        loss_box = distance_loss(distances[regression], _all_distances(targets), num_regression, self.config)
        return {"heat_map_positive": loss_positive, "heat_map_negative": loss_negative, "proposal_box": loss_box}

    @torch.no_grad()
    def proposals(self, outputs: FirstStageOutputs, training: bool) -> list[Proposals]:
        """Turn the outputs into proposals, best first.

        Source: MRCA section 6.2 [R]: p > 1e-4; per level the best 4000 (training) or 1000; NMS over all levels at 0.9;
        keep 2000 or 256. Score sqrt(p).
        """
        candidates = self.config.candidates_train if training else self.config.candidates_test
        levels = [
            _level_candidates(heat, distance, stride, candidates)
            for heat, distance, stride in zip(outputs.heat_map_logits, outputs.distances, self.strides, strict=True)
        ]
        boxes_BN4 = torch.cat([boxes for boxes, _ in levels], dim=1)
        heat_BN = torch.cat([heat for _, heat in levels], dim=1)
        kept_BN, scores_BN = heat_BN > self.config.score_threshold, heat_BN.sqrt()
        keep = self.config.keep_train if training else self.config.keep_test
        return [
            self._select(boxes_N4[kept_N], scores_N[kept_N], keep)
            for boxes_N4, scores_N, kept_N in zip(boxes_BN4, scores_BN, kept_BN, strict=True)
        ]

    def _select(self, boxes_N4: Tensor, scores_N: Tensor, keep: int) -> Proposals:
        order = nms(boxes_N4, scores_N, self.config.nms_iou)
        if len(order) > keep:
            # Equal scores at the cut all stay, as in the released code.
            order = order[scores_N[order] >= scores_N[order[keep - 1]]]
        return Proposals(boxes_N4[order], scores_N[order])


def _batch_cells(cells: Sequence[Tensor], num_cells: int) -> Tensor:
    return torch.cat([index + image * num_cells for image, index in enumerate(cells)])


def _all_distances(targets: Sequence[CellTargets]) -> Tensor:
    return torch.cat([target.distances_Q4 for target in targets])


def _level_candidates(heat_B1HW: Tensor, distance_B4HW: Tensor, stride: int, candidates: int) -> tuple[Tensor, Tensor]:
    """Return the best cells of one level as boxes [B, N, 4] with their heat [B, N]."""
    _, _, rows, columns = heat_B1HW.shape
    centre_M2 = make_grid([(rows, columns)], [stride], heat_B1HW.device).centre_M2
    heat_BM = torch.sigmoid(heat_B1HW.float()).flatten(1)
    top_BN, cell_BN = heat_BM.topk(min(candidates, rows * columns), dim=1)
    distance_BM4 = distance_B4HW.float().flatten(2).transpose(1, 2)
    distance_BN4 = distance_BM4.gather(1, cell_BN[..., None].expand(-1, -1, 4)) * stride
    low_BN2 = centre_M2[cell_BN] - distance_BN4[..., :2]
    high_BN2 = torch.maximum(centre_M2[cell_BN] + distance_BN4[..., 2:], low_BN2 + MIN_SIDE_PX)
    return torch.cat([low_BN2, high_BN2], dim=2), top_BN
