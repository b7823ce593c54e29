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
        shapes: (rows, columns) of each level.
        starts: index of each level's first cell.
        strides: stride of each level.
    """

    centre_M2: Tensor
    stride_M: Tensor
    shapes: tuple[tuple[int, int], ...]
    starts: tuple[int, ...]
    strides: tuple[int, ...]


def make_grid(shapes: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device) -> Grid:
    """List the cells of levels with the given (rows, columns) and strides."""
    centres, per_cell, starts, total = [], [], [], 0
    for (rows, columns), stride in zip(shapes, strides, strict=True):
        y = (torch.arange(rows, device=device) * stride + stride / 2).float()
        x = (torch.arange(columns, device=device) * stride + stride / 2).float()
        centres.append(torch.stack([x.repeat(rows), y.repeat_interleave(columns)], dim=1))
        per_cell.append(torch.full((rows * columns,), float(stride), device=device))
        starts.append(total)
        total += rows * columns
    return Grid(torch.cat(centres), torch.cat(per_cell), tuple(shapes), tuple(starts), tuple(strides))


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


def _positive_cells(boxes_G4: Tensor, matches_LG: Tensor, grid: Grid) -> Tensor:
    """Return the index of the cell that holds each object's centre on each level responsible for it."""
    centre_G2 = (boxes_G4[:, :2] + boxes_G4[:, 2:]) / 2
    stride_L11 = centre_G2.new_tensor(grid.strides)[:, None, None]
    shape_L12 = torch.tensor(grid.shapes, device=centre_G2.device)[:, None]
    cell_LG2 = (centre_G2 / stride_L11).long()
    # A box that ends at the border of a one-cell-wide level may have its centre on the border itself.
    column_LG = torch.minimum(cell_LG2[..., 0], shape_L12[..., 1] - 1)
    row_LG = torch.minimum(cell_LG2[..., 1], shape_L12[..., 0] - 1)
    start_L1 = torch.tensor(grid.starts, device=centre_G2.device)[:, None]
    return (start_L1 + row_LG * shape_L12[..., 1] + column_LG)[matches_LG]


def cell_targets(boxes_G4: Tensor, grid: Grid, config: ProposalConfig) -> CellTargets:
    """Compute heat map, positive cells and regression targets of one image.

    Args:
        boxes_G4: float32 xyxy in pixels with positive sides; G may be 0.
        grid: the cells of all levels.
        config: ranges, radius.
    Source: MRCA section 6.2 [R]. Heat at every cell of every level is max over objects of exp(-d^2/rho^2) with
        rho^2 = max(2 ((1-o)/(1+o))^2 area, min_radius^2); d = 0 at the cell that holds the centre. Distances are trained in
        the 3x3 cells around it, inside the box, on responsible levels, for the object with the smallest d^2/rho^2.
    """
    num_cells = len(grid.stride_M)
    if len(boxes_G4) == 0:
        empty = torch.zeros(0, dtype=torch.long, device=boxes_G4.device)
        return CellTargets(boxes_G4.new_zeros(num_cells), empty, empty, boxes_G4.new_zeros(0, 4))
    ranges_L2 = boxes_G4.new_tensor(config.ranges_px)
    matches_LG = _level_matches(boxes_G4, ranges_L2)
    centre_G2 = (boxes_G4[:, :2] + boxes_G4[:, 2:]) / 2
    stride_M11 = grid.stride_M[:, None, None]
    cell_centre_MG2 = (centre_G2 / stride_M11).long() * stride_M11 + stride_M11 / 2
    offset_MG2 = (grid.centre_M2[:, None] - cell_centre_MG2).abs()
    distance2_MG = (grid.centre_M2[:, None] - centre_G2).square().sum(dim=2)
    distance2_MG = distance2_MG.masked_fill((offset_MG2 == 0).all(dim=2), 0.0)
    weighted_MG = distance2_MG / _radius2(boxes_G4, config)
    heat_M = torch.exp(-weighted_MG.min(dim=1).values)
    heat_M = heat_M.masked_fill(heat_M < SMALLEST_HEAT, 0.0)

    level_M = torch.repeat_interleave(
        torch.arange(len(grid.shapes), device=boxes_G4.device),
        torch.tensor([rows * columns for rows, columns in grid.shapes], device=boxes_G4.device),
    )
    distances_MG4 = torch.cat([grid.centre_M2[:, None] - boxes_G4[:, :2], boxes_G4[:, 2:] - grid.centre_M2[:, None]], 2)
    near_MG = (offset_MG2 <= stride_M11).all(dim=2)
    trained_MG = near_MG & (distances_MG4.min(dim=2).values > 0) & matches_LG[level_M]
    nearest_M, object_M = weighted_MG.masked_fill(~trained_MG, torch.inf).min(dim=1)
    cells_Q = torch.nonzero(torch.isfinite(nearest_M))[:, 0]
    distances_Q4 = distances_MG4[cells_Q, object_M[cells_Q]] / grid.stride_M[cells_Q, None]
    return CellTargets(heat_M, _positive_cells(boxes_G4, matches_LG, grid), cells_Q, distances_Q4)


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
