"""Mask head: its network, targets and loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import roi_align

from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.pooling import pool_boxes
from methods.common.segmenters.centernet2.sampling import LabelledBoxes
from methods.common.segmenters.instance.interface import InstanceTarget


class MaskHead(nn.Module):
    """3x3 convolutions on pooled features, a transposed convolution of stride 2, one class-agnostic channel.

    Source: MRCA section 6.4.
    """

    def __init__(self, config: CenterNet2Config) -> None:
        super().__init__()
        self.model_config = config
        self.config = config.mask
        width = config.mask.channels
        inputs = [config.pyramid.channels] + [width] * (config.mask.convs - 1)
        self.convs = nn.ModuleList(nn.Conv2d(channels, width, 3, padding=1) for channels in inputs)
        self.upsample = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.predictor = nn.Conv2d(width, 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.predictor.weight, std=0.001)

    def forward(self, features: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """Return mask logits [R, 1, S, S] for boxes [N, 4] an image; S is twice the pooled side."""
        x = pool_boxes(features, boxes, self.config.pool_size, self.model_config)
        for conv in self.convs:
            x = torch.relu(conv(x))
        logits: Tensor = self.predictor(torch.relu(self.upsample(x)))
        return logits

    def losses(
        self,
        features: Sequence[Tensor],
        sampled: Sequence[LabelledBoxes],
        targets: Sequence[InstanceTarget],
        num_foreground: int,
    ) -> dict[str, Tensor]:
        """Return ``mask``: binary cross-entropy of the foreground boxes of the first cascade stage, averaged over so many."""
        background = self.model_config.trained_classes
        boxes, wanted = [], []
        for labelled, target in zip(sampled, targets, strict=True):
            index = torch.nonzero(labelled.labels_N != background)[:, 0]
            boxes.append(labelled.boxes_N4[index])
            wanted.append(mask_targets(target.masks_NHW, labelled.truth_N[index], boxes[-1], 2 * self.config.pool_size))
        num_mine = sum(len(boxes_N4) for boxes_N4 in boxes)
        if num_mine == 0:
            # Keeps the head in the graph, so that every parameter gets a gradient in distributed training.
            return {"mask": torch.stack([parameter.sum() * 0.0 for parameter in self.parameters()]).sum()}
        logits_RSS: Tensor = self(features, boxes)[:, 0]
        loss: Tensor = functional.binary_cross_entropy_with_logits(logits_RSS, torch.cat(wanted))
        return {"mask": self.config.weight * loss * (num_mine / num_foreground)}


def mask_targets(masks_GHW: Tensor, truth_N: Tensor, boxes_N4: Tensor, size: int) -> Tensor:
    """Crop ground-truth masks to boxes and resize them by aligned RoIAlign; float32 0 or 1 [N, size, size].

    Args:
        masks_GHW: bool masks of the image.
        truth_N: index of the mask that each box stands for.
        boxes_N4: xyxy in pixels.
        size: side of the result.
    Source: MRCA section 6.4 [D], thresholded at 0.5.
    """
    if len(boxes_N4) == 0:
        return boxes_N4.new_zeros(0, size, size)
    used_U, mask_of_N = torch.unique(truth_N, return_inverse=True)
    rows_N5 = torch.cat([mask_of_N[:, None].to(boxes_N4.dtype), boxes_N4], dim=1)
    cropped: Tensor = roi_align(
        masks_GHW[used_U, None].to(boxes_N4.dtype), rows_N5, size, 1.0, sampling_ratio=0, aligned=True
    )
    return (cropped[:, 0] >= 0.5).to(boxes_N4.dtype)
