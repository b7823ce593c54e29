"""Every mask that Segment Anything finds in a picture: a grid of points, kept if sure and stable, without doubles.

Shape suffixes: H, W pixels; N masks; P points; M masks a point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.stage import Config

if TYPE_CHECKING:  # configs are planned with, networks are not
    from torch import Tensor

    from methods.common.segment_anything.interface import EmbeddedImage, SegmentAnything


class AutomaticMasksConfig(Config):
    """How masks are proposed and kept. Defaults: [SAM]."""

    points_per_side: int = Field(default=32, ge=1)
    """Points of the grid along each side of the picture."""
    predicted_iou: float = Field(default=0.88, ge=0, le=1)
    """Masks are kept whose IoU the network predicts to be above this."""
    stability: float = Field(default=0.95, ge=0, le=1)
    """Masks are kept that change little: the area at logit +1 is above this share of the area at logit -1."""
    box_nms: float = Field(default=0.7, gt=0, le=1)
    """Of two masks whose boxes overlap by more than this IoU, the less sure one goes."""
    points_per_batch: int = Field(default=64, ge=1)
    """Points that go through the decoder together; changes memory, not masks."""


@dataclass(frozen=True)
class ProposedMasks:
    """What was found, the surest first."""

    mask_NHW: NDArray[np.bool_]
    box_N4: NDArray[np.int64]
    """Left, top, right, bottom, pixels; the last two exclusive."""
    predicted_iou_N: NDArray[np.float32]


def grid_points(points_per_side: int, height: int, width: int) -> NDArray[np.float32]:
    """Return the centres (x, y) of a regular grid of cells, float32 (P, 2), in pixels, row by row. Source: [SAM]."""
    share = (np.arange(points_per_side, dtype=np.float32) + 0.5) / points_per_side
    x, y = np.meshgrid(share * width, share * height)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def propose_masks(sam: SegmentAnything, image: EmbeddedImage, config: AutomaticMasksConfig) -> ProposedMasks:
    """Return all masks of a picture, for networks whose package does not.

    Source: [SAM]; its crops of the picture and its removal of small regions are off by default, and left out here.
    """
    import torch
    from torchvision.ops import masks_to_boxes, nms

    masks, ious = [], []
    points = grid_points(config.points_per_side, *image.size)
    for start in range(0, len(points), config.points_per_batch):
        kept = _keep(*sam.masks_at_points(image, points[start : start + config.points_per_batch]), config)
        masks.append(kept[0])
        ious.append(kept[1])
    mask_NHW, iou_N = torch.cat(masks), torch.cat(ious)
    box_N4 = masks_to_boxes(mask_NHW)
    chosen_N = nms(box_N4, iou_N, config.box_nms)
    box_N4[:, 2:] += 1
    return ProposedMasks(
        mask_NHW[chosen_N].cpu().numpy(), box_N4[chosen_N].long().cpu().numpy(), iou_N[chosen_N].cpu().numpy()
    )


def _keep(logits_PMHW: Tensor, iou_PM: Tensor, config: AutomaticMasksConfig) -> tuple[Tensor, Tensor]:
    """Drop masks that are unsure, unstable or empty; returns bool (N, H, W) and predicted IoUs (N,)."""
    logits_NHW, iou_N = logits_PMHW.flatten(0, 1), iou_PM.flatten()
    sure_N = iou_N > config.predicted_iou
    logits_NHW, iou_N = logits_NHW[sure_N], iou_N[sure_N]
    inner_N, outer_N = (logits_NHW > 1.0).sum((1, 2)), (logits_NHW > -1.0).sum((1, 2))
    mask_NHW = logits_NHW > 0.0
    stable_N = (inner_N > config.stability * outer_N) & mask_NHW.any(2).any(1)
    return mask_NHW[stable_N], iou_N[stable_N]
