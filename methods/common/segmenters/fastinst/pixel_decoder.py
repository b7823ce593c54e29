"""The light pixel decoder: pyramid pooling on the coarsest map, then a feature pyramid down to the finest.

Shape legend: N images, C channels, H, W cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.fastinst.config import FastInstConfig


def resize(x_NCHW: Tensor, size: Sequence[int]) -> Tensor:
    """Resize bilinearly, corners not aligned."""
    return functional.interpolate(x_NCHW, (size[0], size[1]), mode="bilinear", align_corners=False)


class PyramidPooling(nn.Module):
    """Adds means over coarse grids of the whole map to each cell."""

    def __init__(self, channels: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.stages = nn.ModuleList(nn.Conv2d(channels, channels // 4, 1) for _ in sizes)
        self.bottleneck = nn.Conv2d(channels + len(sizes) * (channels // 4), channels, 1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Map [N, C, H, W] to the same shape."""
        pooled = [
            resize(torch.relu(stage(functional.adaptive_avg_pool2d(x_NCHW, size))), x_NCHW.shape[2:])
            for size, stage in zip(self.sizes, self.stages, strict=True)
        ]
        return torch.relu(self.bottleneck(torch.cat([*pooled, x_NCHW], dim=1)))


class PixelDecoder(nn.Module):
    """Turns the backbone's maps into maps of one width.

    Source: InstSynth section 7.1 [FI].
    """

    def __init__(self, config: FastInstConfig) -> None:
        super().__init__()
        width, groups = config.width, config.norm_groups
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.GroupNorm(groups, width))
            for channels in config.backbone.output_channels
        )
        self.output = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(groups, width), nn.ReLU())
            for _ in config.backbone.output_channels
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
        self.pooling = PyramidPooling(width, config.pool_sizes)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return one map for each of the backbone's, finest first, [N, C, H, W] of its size."""
        outputs: list[Tensor] = []
        for level in reversed(range(len(features))):
            lateral = self.lateral[level](features[level])
            merged = lateral + resize(outputs[0], lateral.shape[2:]) if outputs else self.pooling(lateral)
            outputs.insert(0, self.output[level](merged))
        return outputs
