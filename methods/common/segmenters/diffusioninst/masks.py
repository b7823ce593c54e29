"""The map that all masks are read from, and the three small convolutions of each proposal that read it.

Shape legend: N images, R proposals of one image, C channels of the map, F numbers of a proposal's filters, H, W pixels of the map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.training.batch_norm import TeamBatchNorm2d

MASK_STRIDE = 4
"""Pixels of the image to a pixel of the map."""


def aligned_upsample(map_NCHW: Tensor, factor: int) -> Tensor:
    """Enlarge a map so that value (i, j) comes to lie half a factor right of and below pixel (factor i, factor j).

    Bilinear between values, constant beyond the outer ones. Source: InstSynth section 5.1 [DI].
    """
    if factor == 1:
        return map_NCHW
    height, width = map_NCHW.shape[-2:]
    longer = functional.pad(map_NCHW, (0, 1, 0, 1), mode="replicate")
    dense = functional.interpolate(
        longer, (factor * height + 1, factor * width + 1), mode="bilinear", align_corners=True
    )
    shift = factor // 2
    shifted = functional.pad(dense, (shift, 0, shift, 0), mode="replicate")
    return shifted[..., : factor * height, : factor * width]


def _block(inputs: int, outputs: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, TeamBatchNorm2d(outputs), nn.ReLU())


class MaskBranch(nn.Module):
    """Adds the finest pyramid levels up at stride 4 and makes one map of few channels. Source: InstSynth section 5.1 [DI]."""

    def __init__(self, config: DiffusionInstConfig) -> None:
        super().__init__()
        width = config.mask_width
        self.level = nn.ModuleList(_block(config.width, width) for _ in range(config.mask_levels))
        self.tower = nn.Sequential(*(_block(width, width) for _ in range(config.mask_convs)))
        self.output = nn.Conv2d(width, config.mask_channels, 1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Map pyramid levels, finest first, to [N, C, H, W] at the finest one's size."""
        total: Tensor | None = None
        for level, block in zip(levels, self.level, strict=False):
            one = block(level)
            total = one if total is None else total + aligned_upsample(one, total.shape[-1] // one.shape[-1])
        mapped: Tensor = self.output(self.tower(total))
        return mapped


def masks_by_filters(map_CHW: Tensor, filters_RF: Tensor, config: DiffusionInstConfig) -> Tensor:
    """Run each proposal's 1x1 convolutions, ReLU between them, on the map of its image; logits [R, H, W].

    A proposal's numbers are the weights of the three layers, row by row, then their biases. No coordinates are added to the map.
    Source: InstSynth section 5.1 [DI].
    """
    sizes = config.filter_sizes
    weights = torch.split(
        filters_RF, [outputs * inputs for outputs, inputs in sizes] + [outputs for outputs, _ in sizes], 1
    )
    channels, height, width = map_CHW.shape
    x = map_CHW.reshape(1, channels, -1).expand(len(filters_RF), -1, -1)
    for layer, (outputs, inputs) in enumerate(sizes):
        weight_Roi = weights[layer].reshape(-1, outputs, inputs)
        bias_Ro1 = weights[len(sizes) + layer][:, :, None]
        x = torch.baddbmm(bias_Ro1, weight_Roi, x)
        x = x if layer == len(sizes) - 1 else x.relu()
    return x.reshape(-1, height, width)
