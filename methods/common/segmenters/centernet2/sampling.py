"""Which ground truth each box stands for, and which boxes the losses see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

from methods.common.segmenters.instance.interface import InstanceTarget


@dataclass(frozen=True)
class LabelledBoxes:
    """Boxes of one image with their labels.

    Attributes:
        boxes_N4: float32 xyxy in pixels.
        labels_N: int64 in [0, C]; C is background.
        truth_N: index of the ground truth with the largest IoU; only foreground rows may use it.
    """

    boxes_N4: Tensor
    labels_N: Tensor
    truth_N: Tensor


def label_boxes(boxes_N4: Tensor, target: InstanceTarget, foreground_iou: float, background: int) -> LabelledBoxes:
    """Give each box the class of the ground truth it overlaps most, or background below ``foreground_iou``."""
    if len(target.classes_N) == 0:
        zeros_N = torch.zeros(len(boxes_N4), dtype=torch.long, device=boxes_N4.device)
        return LabelledBoxes(boxes_N4, zeros_N + background, zeros_N)
    best_N, truth_N = box_iou(target.boxes_N4, boxes_N4).max(dim=0)
    labels_N = target.classes_N[truth_N].masked_fill(best_N < foreground_iou, background)
    return LabelledBoxes(boxes_N4, labels_N, truth_N)


def sample_boxes(
    labelled: LabelledBoxes, samples: int, foreground_fraction: float, background: int, generator: torch.Generator
) -> LabelledBoxes:
    """Draw at most ``samples`` boxes, at most ``foreground_fraction`` of them foreground, the rest background.

    Rows come foreground first. Source: MRCA section 6.3 [D].
    """
    is_foreground_N = labelled.labels_N != background
    foreground = torch.nonzero(is_foreground_N)[:, 0]
    others = torch.nonzero(~is_foreground_N)[:, 0]
    num_foreground = min(len(foreground), int(samples * foreground_fraction))
    num_others = min(len(others), samples - num_foreground)
    kept = torch.cat([_draw(foreground, num_foreground, generator), _draw(others, num_others, generator)])
    return LabelledBoxes(labelled.boxes_N4[kept], labelled.labels_N[kept], labelled.truth_N[kept])


def pass_over(num_foreground: int, num_others: int, generator: torch.Generator) -> None:
    """Take from the generator what :func:`sample_boxes` takes for an image with so many boxes, which another process has."""
    for count in (num_foreground, num_others):
        torch.randperm(count, generator=generator, device=generator.device)


def _draw(index: Tensor, count: int, generator: torch.Generator) -> Tensor:
    order = torch.randperm(len(index), generator=generator, device=generator.device)[:count]
    return index[order.to(index.device)]
