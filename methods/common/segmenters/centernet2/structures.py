"""What goes from one part of CenterNet2 to the next.

Shape suffixes in this folder: N boxes of an image, R boxes of a batch, G ground-truth boxes, B images, C channels or classes
(K = classes + background), H and W pixels or cells, S side of a mask, P pooled side, 4 = x0, y0, x1, y1 or left, top, right, bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Proposals:
    """First-stage boxes of one image, best first.

    Attributes:
        boxes_N4: float32 xyxy in pixels, not clipped to the image.
        scores_N: float32 in [0, 1], square root of the heat map.
    """

    boxes_N4: Tensor
    scores_N: Tensor


@dataclass(frozen=True)
class CenterNet2Outputs:
    """Everything the first stage computes, coarsest level last.

    Attributes:
        features: pyramid levels [B, C, H, W].
        heat_map_logits: [B, 1, H, W] a level, before the sigmoid.
        distances: [B, 4, H, W] a level: left, top, right, bottom from the cell's centre, >= 0, in strides.
        proposals: for each image.
        image_sizes: (height, width) of each image in pixels, without padding.
    """

    features: list[Tensor]
    heat_map_logits: list[Tensor]
    distances: list[Tensor]
    proposals: list[Proposals]
    image_sizes: list[tuple[int, int]]


@dataclass(frozen=True)
class CascadeOutputs:
    """What each cascade stage made of the boxes; rows run over the images in order.

    Attributes:
        counts: number of boxes of each image.
        input_boxes: [R, 4] a stage: boxes that enter it; from the second stage on clipped to the image.
        class_logits: [R, K] a stage, before the sigmoid; the last column is background and never trained.
        box_deltas: [R, 4] a stage: dx, dy, dw, dh times the stage's weights.
        final_boxes_R4: boxes after the last stage, not clipped.
    """

    counts: list[int]
    input_boxes: list[Tensor]
    class_logits: list[Tensor]
    box_deltas: list[Tensor]
    final_boxes_R4: Tensor


def with_image_index(boxes: Sequence[Tensor]) -> Tensor:
    """Join boxes of several images into the [R, 5] rows (image index, x0, y0, x1, y1) of torchvision's operators."""
    index = [box_N4.new_full((len(box_N4), 1), image) for image, box_N4 in enumerate(boxes)]
    return torch.cat([torch.cat(index), torch.cat(list(boxes))], dim=1)
