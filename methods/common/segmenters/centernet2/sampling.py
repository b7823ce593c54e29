"""Which ground truth each box stands for, and which boxes the losses see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
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


def label_boxes(
    boxes: Sequence[Tensor], targets: Sequence[InstanceTarget], foreground_iou: float, background: int
) -> list[LabelledBoxes]:
    """Give each box [N, 4] of each image the class of the ground truth it overlaps most, or background below ``foreground_iou``.

    All images at once, padded to the longest. Every image has a last object without area and of class background, for those
    that have no other.
    """
    truth_BG4 = pad_sequence([target.boxes_N4 for target in targets], batch_first=True)
    classes_BG = pad_sequence([target.classes_N for target in targets], batch_first=True, padding_value=background)
    truth_BG4 = functional.pad(truth_BG4, (0, 0, 0, 1))
    classes_BG = functional.pad(classes_BG, (0, 1), value=background)
    best_BN, truth_BN = box_iou(truth_BG4, pad_sequence(list(boxes), batch_first=True)).max(dim=1)
    labels_BN = classes_BG.gather(1, truth_BN).masked_fill(best_BN < foreground_iou, background)
    return [
        LabelledBoxes(boxes_N4, labels_N[: len(boxes_N4)], truth_N[: len(boxes_N4)])
        for boxes_N4, labels_N, truth_N in zip(boxes, labels_BN, truth_BN, strict=True)
    ]


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
