"""Box arithmetic of the decoder: forms of a box, refinement, overlaps.

Shape legend: Q and G boxes; 4 = x0, y0, x1, y1 in pixels, or cx, cy, w, h where a name says ``centred``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.ops import box_convert

DELTA_WEIGHTS = (2.0, 2.0, 1.0, 1.0)
"""The heads predict moves of the centre by halves of a side, and plain log factors of sides. [DI]"""
MAX_LOG_SCALE = math.log(100_000 / 16)
"""Largest log factor by which one head may enlarge a side. [DI]"""


def corners(centred_4: Tensor) -> Tensor:
    """Return (x0, y0, x1, y1) of boxes (cx, cy, w, h)."""
    converted: Tensor = box_convert(centred_4, "cxcywh", "xyxy")
    return converted


def centred(corners_4: Tensor) -> Tensor:
    """Return (cx, cy, w, h) of boxes (x0, y0, x1, y1)."""
    converted: Tensor = box_convert(corners_4, "xyxy", "cxcywh")
    return converted


def refine(boxes_Q4: Tensor, deltas_Q4: Tensor) -> Tensor:
    """Move and scale boxes by what a head predicts. Source: InstSynth section 5.1 [DI]."""
    deltas_Q4 = deltas_Q4 / deltas_Q4.new_tensor(DELTA_WEIGHTS)
    size_Q2 = boxes_Q4[:, 2:] - boxes_Q4[:, :2]
    centre_Q2 = boxes_Q4[:, :2] + 0.5 * size_Q2 + deltas_Q4[:, :2] * size_Q2
    half_Q2 = 0.5 * deltas_Q4[:, 2:].clamp(max=MAX_LOG_SCALE).exp() * size_Q2
    return torch.cat([centre_Q2 - half_Q2, centre_Q2 + half_Q2], dim=1)


def image_scale(size: tuple[int, int], like: Tensor) -> Tensor:
    """Return (w, h, w, h) of an image of (height, width) pixels, (4,)."""
    height, width = size
    return like.new_tensor([width, height, width, height])
