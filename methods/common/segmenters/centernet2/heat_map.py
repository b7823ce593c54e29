"""Targets and losses of the first stage (MRCA section 6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.common.segmenters.centernet2.boxes import giou_of_distances_loss
from methods.common.segmenters.centernet2.config import ProposalConfig

SMALLEST_HEAT = 1e-4
"""Heat-map targets below it are set to 0. Source: [R]."""


@dataclass(frozen=True)
class Grid:
    """The cells of all pyramid levels in one list of M cells, finest level first, row by row.

    Attributes:
        centre_M2: (x, y) of each cell's centre in pixels: index * stride + stride / 2.
        stride_M: stride of each cell's level.
        level_M: index of each cell's level.
        shapes: (rows, columns) of each level.
        starts: index of each level's first cell.
        strides: stride of each level.
    """

    centre_M2: Tensor
    stride_M: Tensor
    level_M: Tensor
    shapes: tuple[tuple[int, int], ...]
    starts: tuple[int, ...]
    strides: tuple[int, ...]


def make_grid(shapes: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device) -> Grid:
    """List the cells of levels with the given (rows, columns) and strides."""
    centres, starts, total = [], [], 0
    for (rows, columns), stride in zip(shapes, strides, strict=True):
        y = (torch.arange(rows, device=device) * stride + stride / 2).float()
        x = (torch.arange(columns, device=device) * stride + stride / 2).float()
        centres.append(torch.stack([x.repeat(rows), y.repeat_interleave(columns)], dim=1))
        starts.append(total)
        total += rows * columns
    counts = torch.tensor([rows * columns for rows, columns in shapes], device=device)
    level_M = torch.repeat_interleave(torch.arange(len(shapes), device=device), counts)
    stride_M = torch.tensor(strides, dtype=torch.float32, device=device)[level_M]
    return Grid(torch.cat(centres), stride_M, level_M, tuple(shapes), tuple(starts), tuple(strides))


@dataclass(frozen=True)
class CellTargets:
    """What the first stage should say for one image.

    Attributes:
        heat_M: float32 in [0, 1].
        positive_P: cell index of each (object, responsible level); an index may repeat.
        regression_Q: cells whose distances are trained.
        distances_Q4: their left, top, right, bottom in strides.
    """

    heat_M: Tensor
    positive_P: Tensor
    regression_Q: Tensor
    distances_Q4: Tensor


def _level_matches(boxes_G4: Tensor, ranges: Tensor) -> Tensor:
    """Return bool [L, G]: the level's range contains half the box diagonal."""
    half_diagonal_G = (boxes_G4[:, 2:] - boxes_G4[:, :2]).square().sum(dim=1).sqrt() / 2
    return (half_diagonal_G >= ranges[:, :1]) & (half_diagonal_G <= ranges[:, 1:])


def _centre_cells(boxes_G4: Tensor, grid: Grid) -> Tensor:
    """Return int64 [L, G]: index of the cell that holds each object's centre on each level."""
    centre_G2 = (boxes_G4[:, :2] + boxes_G4[:, 2:]) / 2
    stride_L11 = centre_G2.new_tensor(grid.strides)[:, None, None]
    shape_L12 = torch.tensor(grid.shapes, device=centre_G2.device)[:, None]
    cell_LG2 = (centre_G2 / stride_L11).long()
    # A box that ends at the border of a one-cell-wide level may have its centre on the border itself.
    column_LG = torch.minimum(cell_LG2[..., 0], shape_L12[..., 1] - 1)
    row_LG = torch.minimum(cell_LG2[..., 1], shape_L12[..., 0] - 1)
    start_L1 = torch.tensor(grid.starts, device=centre_G2.device)[:, None]
    return start_L1 + row_LG * shape_L12[..., 1] + column_LG


def cell_targets(boxes: Sequence[Tensor], grid: Grid, config: ProposalConfig) -> list[CellTargets]:
    """Compute heat map, positive cells and regression targets of each image.

    Args:
        boxes: float32 xyxy [G, 4] of each image, in pixels with positive sides; G may be 0.
        grid: the cells of all levels.
        config: ranges, radius.
    Source: MRCA section 6.2 [R]. Heat at every cell of every level is max over objects of exp(-d^2/rho^2) with
        rho^2 = max(2 ((1-o)/(1+o))^2 area, min_radius^2); d = 0 at the cell that holds the centre. Distances are trained in
        the 3x3 cells around it, inside the box, on responsible levels, for the object with the smallest d^2/rho^2.
    """
    boxes_G4 = torch.cat(list(boxes))  # of all images, which share no cell
    matches_LG = _level_matches(boxes_G4, boxes_G4.new_tensor(config.ranges_px))
    cells_LG = _centre_cells(boxes_G4, grid)
    low_2G1, high_2G1 = torch.split(boxes_G4.t()[:, :, None], 2)
    point_21M, stride_M = grid.centre_M2.t()[:, None], grid.stride_M
    centre_2G1 = (low_2G1 + high_2G1) / 2
    cell_centre_2GM = (centre_2G1 / stride_M).long() * stride_M + stride_M / 2
    offset_2GM = (point_21M - cell_centre_2GM).abs()
    distance2_GM = (point_21M - centre_2G1).square().sum(dim=0)
    distance2_GM = distance2_GM.masked_fill((offset_2GM == 0).all(dim=0), 0.0)
    weighted_GM = distance2_GM / _radius2(boxes_G4, config)[:, None]
    distances_4GM = torch.cat([point_21M - low_2G1, high_2G1 - point_21M])
    near_GM = (offset_2GM <= stride_M).all(dim=0)
    trained_GM = near_GM & (distances_4GM.min(dim=0).values > 0) & matches_LG.t()[:, grid.level_M]
    rival_GM = weighted_GM.masked_fill(~trained_GM, torch.inf)

    targets, start = [], 0
    for boxes_N4 in boxes:
        mine = slice(start, start + len(boxes_N4))
        start = mine.stop
        if len(boxes_N4) == 0:
            none = torch.zeros(0, dtype=torch.long, device=boxes_N4.device)
            targets.append(CellTargets(boxes_N4.new_zeros(len(stride_M)), none, none, boxes_N4.new_zeros(0, 4)))
            continue
        heat_M = torch.exp(-weighted_GM[mine].min(dim=0).values)
        heat_M = heat_M.masked_fill(heat_M < SMALLEST_HEAT, 0.0)
        nearest_M, object_M = rival_GM[mine].min(dim=0)
        cells_Q = torch.nonzero(torch.isfinite(nearest_M))[:, 0]
        distances_4Q = distances_4GM[:, mine][:, object_M[cells_Q], cells_Q] / stride_M[cells_Q]
        positive_P = cells_LG[:, mine][matches_LG[:, mine]]
        targets.append(CellTargets(heat_M, positive_P, cells_Q, distances_4Q.t()))
    return targets


def _radius2(boxes_G4: Tensor, config: ProposalConfig) -> Tensor:
    area_G = (boxes_G4[:, 2] - boxes_G4[:, 0]) * (boxes_G4[:, 3] - boxes_G4[:, 1])
    delta = (1 - config.min_overlap) / (1 + config.min_overlap)
    return (2 * delta**2 * area_G).clamp(min=config.min_radius_px**2)


def heat_map_losses(
    logits_BM: Tensor, heat_BM: Tensor, positive_P: Tensor, num_positive: int, config: ProposalConfig
) -> tuple[Tensor, Tensor]:
    """Return the positive and the negative part of the focal loss.

    Args:
        logits_BM: heat map before the sigmoid, all cells of the images.
        heat_BM: targets in [0, 1].
        positive_P: indices of positive cells into the flattened [B * M]; may repeat.
        num_positive: number of positive cells in the whole batch, of which these images may be a part.
        config: alpha, gamma, beta, clamp, weights.
    Source: MRCA section 6.2 [R]: -alpha sum (1-p)^gamma ln p over positives, -(1-alpha) sum (1-t)^beta p^gamma ln(1-p),
        negatives with p > 0.85 skipped; divided by the number of positives (at least 1).
    """
    probability = torch.sigmoid(logits_BM.float()).clamp(config.clamp, 1 - config.clamp)
    count = logits_BM.new_tensor(float(max(num_positive, 1)))
    at_centre = probability.flatten()[positive_P]
    positive = -(torch.log(at_centre) * (1 - at_centre) ** config.gamma).sum() * config.alpha
    weight = (1 - heat_BM) ** config.beta * (probability < config.ignore_above)
    negative = -(torch.log(1 - probability) * probability**config.gamma * weight).sum() * (1 - config.alpha)
    return config.positive_weight * positive / count, config.negative_weight * negative / count


def distance_loss(predicted_Q4: Tensor, target_Q4: Tensor, num_regression: int, config: ProposalConfig) -> Tensor:
    """Return the GIoU loss summed over cells, divided by the number of regression cells in the whole batch (at least 1).

    Source: MRCA section 6.2 [R].
    """
    count = predicted_Q4.new_tensor(float(max(num_regression, 1)))
    return config.box_weight * giou_of_distances_loss(predicted_Q4.float(), target_Q4) / count
