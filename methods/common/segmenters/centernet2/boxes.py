"""Box arithmetic: refinement deltas, clipping, and the GIoU loss of the first stage."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_LOG_SCALE = math.log(1000.0 / 16)
"""Largest log factor by which one refinement may enlarge a side. Source: [D]."""


def _centre_and_size(boxes_N4: Tensor) -> tuple[Tensor, Tensor]:
    size_N2 = boxes_N4[:, 2:] - boxes_N4[:, :2]
    return boxes_N4[:, :2] + 0.5 * size_N2, size_N2


def encode_deltas(from_N4: Tensor, to_N4: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Return the weighted (dx, dy, dw, dh) that turn one set of xyxy boxes into another; both have positive sides."""
    from_centre, from_size = _centre_and_size(from_N4)
    to_centre, to_size = _centre_and_size(to_N4)
    deltas = torch.cat([(to_centre - from_centre) / from_size, torch.log(to_size / from_size)], dim=1)
    return deltas * deltas.new_tensor(weights)


def apply_deltas(boxes_N4: Tensor, deltas_N4: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Refine xyxy boxes by weighted (dx, dy, dw, dh); growth is limited to a factor of 62.5 a side."""
    centre, size = _centre_and_size(boxes_N4)
    deltas = deltas_N4 / deltas_N4.new_tensor(weights)
    new_centre = deltas[:, :2] * size + centre
    half = 0.5 * (torch.exp(deltas[:, 2:].clamp(max=MAX_LOG_SCALE)) * size)
    return torch.cat([new_centre - half, new_centre + half], dim=1)


def clip_boxes(boxes_N4: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Clip xyxy boxes to an image of (height, width) pixels."""
    height, width = image_size
    limit = boxes_N4.new_tensor([width, height, width, height])
    return torch.minimum(boxes_N4.clamp(min=0), limit)


def has_area(boxes_N4: Tensor) -> Tensor:
    """Return bool (N,), True where both sides are positive."""
    return (boxes_N4[:, 2:] > boxes_N4[:, :2]).all(dim=1)


def giou_of_distances_loss(predicted_N4: Tensor, target_N4: Tensor) -> Tensor:
    """Sum 1 - GIoU over cells, boxes given as distances (left, top, right, bottom) from the same point.

    Args:
        predicted_N4: distances >= 0, in strides.
        target_N4: distances > 0, in strides.
    Returns:
        Scalar, 0 for no cells.
    Source: MRCA section 6.2: the IoU has +1 in numerator and denominator, the enclosing term has not [R].
    """
    area_predicted = (predicted_N4[:, 0] + predicted_N4[:, 2]) * (predicted_N4[:, 1] + predicted_N4[:, 3])
    area_target = (target_N4[:, 0] + target_N4[:, 2]) * (target_N4[:, 1] + target_N4[:, 3])
    inner = torch.minimum(predicted_N4, target_N4)
    outer = torch.maximum(predicted_N4, target_N4)
    intersection = (inner[:, 0] + inner[:, 2]) * (inner[:, 1] + inner[:, 3])
    enclosing = (outer[:, 0] + outer[:, 2]) * (outer[:, 1] + outer[:, 3])
    union = area_predicted + area_target - intersection
    iou = (intersection + 1.0) / (union + 1.0)
    return (1 - (iou - (enclosing - union) / enclosing)).sum()
