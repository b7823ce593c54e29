"""ConvNeXt backbone; parameter names follow the published weights, so that they map one to one.

Feature maps are kept with the channels last, in which every part but the depthwise convolution is a plain matrix product; a
step that needs another order takes a view.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.backbones.config import ConvNeXtConfig
from methods.common.segmenters.backbones.swin import DrawImages, drop_path

_EPSILON = 1e-6
"""Of all norms. [OF]"""


class ChannelNorm(nn.Module):
    """Normalises the channels of each pixel of [N, H, W, C].

    No ``nn.LayerNorm``, as in the release, whose optimiser therefore decays these weights like all others. [OF]
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_NHWC: Tensor) -> Tensor:
        """Keep the shape."""
        return functional.layer_norm(x_NHWC, self.weight.shape, self.weight, self.bias, _EPSILON)


class Block(nn.Module):
    """7x7 depthwise convolution, norm and MLP, scaled for each channel, with a shortcut."""

    def __init__(self, channels: int, layer_scale: float, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = ChannelNorm(channels)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), layer_scale))

    def forward(self, x_NHWC: Tensor, draw: DrawImages | None) -> Tensor:
        """Keep the shape."""
        y = self.norm(_convolve(self.dwconv, x_NHWC))
        y = self.gamma * self.pwconv2(functional.gelu(self.pwconv1(y)))
        chance = self.drop if self.training else 0.0
        return x_NHWC + (drop_path(y, chance, draw) if chance else y)


class ConvNeXt(nn.Module):
    """ConvNeXt that returns the normalised outputs of its last stages. Source: InstSynth section 8.3; arXiv 2201.03545."""

    def __init__(self, config: ConvNeXtConfig) -> None:
        super().__init__()
        self.output_stages = config.output_stages
        widths = config.widths
        self.downsample_layers = nn.ModuleList([nn.ModuleList([nn.Conv2d(3, widths[0], 4, 4), ChannelNorm(widths[0])])])
        for width, wider in pairwise(widths):
            self.downsample_layers.append(nn.ModuleList([ChannelNorm(width), nn.Conv2d(width, wider, 2, 2)]))
        last = max(sum(config.depths) - 1, 1)
        drops = iter([config.drop_path * block / last for block in range(sum(config.depths))])
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, config.layer_scale, next(drops)) for _ in range(depth))
            for width, depth in zip(widths, config.depths, strict=True)
        )
        for stage in config.output_stages:
            self.add_module(f"norm{stage}", ChannelNorm(widths[stage]))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, image_NCHW: Tensor, draw: DrawImages | None = None) -> list[Tensor]:
        """Return the output stages, finest first, [N, C, H, W], of a normalised float image batch.

        ``draw`` decides in training which residuals are dropped; torch's global generator when it is None.
        """
        x = image_NCHW.permute(0, 2, 3, 1)
        outputs = []
        for index, (reduction, stage) in enumerate(zip(self.downsample_layers, self.stages, strict=True)):
            assert isinstance(reduction, nn.ModuleList)
            assert isinstance(stage, nn.ModuleList)
            for layer in reduction:
                x = _convolve(layer, x) if isinstance(layer, nn.Conv2d) else layer(x)
            for block in stage:
                x = block(x, draw)
            if index in self.output_stages:
                outputs.append(getattr(self, f"norm{index}")(x).permute(0, 3, 1, 2))
        return outputs


def _convolve(layer: nn.Conv2d, x_NHWC: Tensor) -> Tensor:
    x_NCHW = x_NHWC.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    y_NCHW: Tensor = layer(x_NCHW)
    return y_NCHW.permute(0, 2, 3, 1).contiguous()
