"""What stands on DeepLab's backbone: the pyramid of dilated convolutions, and the decoder that reads a finer map.

Shape legend: N images, C channels, H, W pixels, h, w cells of the backbone's last output, p, q cells of its finest one, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.training.batch_norm import TeamBatchNorm2d
from methods.common.training.dropout import ImageDropout


@dataclass(frozen=True)
class HeadOutputs:
    """What the head makes of the backbone's outputs.

    Attributes:
        branches: of the pyramid, each [N, C, h, w]: 1x1, one for each rate, image pooling.
        pyramid: all branches projected, [N, C, h, w].
        low_level: the backbone's finest output projected, [N, C, p, q]; None without a decoder.
        decoded: what the classifier reads, [N, C, p, q], or [N, C, h, w] without a decoder.
        logits: of its size, [N, K, ...].
    """

    branches: list[Tensor]
    pyramid: Tensor
    low_level: Tensor | None
    decoded: Tensor
    logits: Tensor


class AtrousPyramid(nn.Module):
    """Looks at a map at several dilations and as a whole. Source: Attn2mask section 6.4 [code]."""

    def __init__(self, config: DeepLabConfig, inputs: int) -> None:
        super().__init__()
        width = config.width
        dilated = [_conv3(config, inputs, width, rate) for rate in config.rates]
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv1(config, inputs, width))
        self.branches = nn.ModuleList([_conv1(config, inputs, width), *dilated, pooled])
        self.projection = _conv1(config, width * len(self.branches), width)
        self.dropout = ImageDropout(config.dropout)

    def forward(self, x_NChw: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the branches and their projection."""
        *local, pooled = (branch(x_NChw) for branch in self.branches)
        branches = [*local, _resized(pooled, x_NChw.shape[-2:])]
        return branches, self.dropout(self.projection(torch.cat(branches, 1)))


class DeepLabHead(nn.Module):
    """Pyramid, decoder where there is one, and 1x1 classifier."""

    def __init__(self, config: DeepLabConfig) -> None:
        super().__init__()
        finest, last = config.backbone.output_channels[0], config.backbone.output_channels[-1]
        low = config.low_level_width
        self.pyramid = AtrousPyramid(config, last)
        self.low_level = None if low is None else _conv1(config, finest, low)
        self.refine = _conv3(config, config.width + (low or 0), config.width, 1)
        self.classifier = nn.Conv2d(config.width, config.num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: list[Tensor]) -> HeadOutputs:
        """Return logits of the backbone's finest output's size, or of the last one's without a decoder.

        Args:
            features: the backbone's outputs, finest first.
        """
        branches, pyramid = self.pyramid(features[-1])
        low_level, x = None, pyramid
        if self.low_level is not None:
            low_level = self.low_level(features[0])
            x = torch.cat([low_level, _resized(pyramid, low_level.shape[-2:])], 1)
        decoded = self.refine(x)
        return HeadOutputs(branches, pyramid, low_level, decoded, self.classifier(decoded))


def _resized(x_NCHW: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(x_NCHW, size=size, mode="bilinear", align_corners=False)


def _normalised(config: DeepLabConfig, conv: nn.Conv2d) -> list[nn.Module]:
    norm = TeamBatchNorm2d(conv.out_channels) if config.norm == "batch" else nn.GroupNorm(8, conv.out_channels)
    return [conv, norm, nn.ReLU()]


def _conv1(config: DeepLabConfig, inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_normalised(config, nn.Conv2d(inputs, outputs, 1, bias=False)))


def _conv3(config: DeepLabConfig, inputs: int, outputs: int, rate: int) -> nn.Sequential:
    if not config.separable:
        return nn.Sequential(
            *_normalised(config, nn.Conv2d(inputs, outputs, 3, padding=rate, dilation=rate, bias=False))
        )
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=rate, dilation=rate, groups=inputs, bias=False)
    return nn.Sequential(*_normalised(config, depthwise), *_conv1(config, inputs, outputs))
