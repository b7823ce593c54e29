"""Feature pyramid network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def _xavier(conv: nn.Conv2d) -> nn.Conv2d:
    assert conv.bias is not None
    nn.init.kaiming_uniform_(conv.weight, a=1)
    nn.init.zeros_(conv.bias)
    return conv


class FeaturePyramid(nn.Module):
    """1x1 lateral convolutions, nearest upsampling, sum, 3x3 outputs, no norm; coarser levels from the last output.

    Source: MRCA section 6.1; the second extra level reads the ReLU of the first [R]. InstSynth section 5.1: no extra level.
    """

    def __init__(self, inputs: Sequence[int], channels: int, extra_levels: int = 0) -> None:
        """Build for a backbone.

        Args:
            inputs: channels of each of its outputs, finest first.
            channels: of every level.
            extra_levels: levels coarser than the backbone's.
        """
        super().__init__()
        self.lateral = nn.ModuleList(_xavier(nn.Conv2d(width, channels, 1)) for width in inputs)
        self.output = nn.ModuleList(_xavier(nn.Conv2d(channels, channels, 3, padding=1)) for _ in inputs)
        self.extra = nn.ModuleList(
            _xavier(nn.Conv2d(channels, channels, 3, stride=2, padding=1)) for _ in range(extra_levels)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Map backbone outputs, finest first, to pyramid levels, finest first."""
        merged = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            coarse = functional.interpolate(merged[level + 1], scale_factor=2.0, mode="nearest")
            merged[level] = merged[level] + coarse
        levels: list[Tensor] = [output(feature) for output, feature in zip(self.output, merged, strict=True)]
        for index, extra in enumerate(self.extra):
            levels.append(extra(levels[-1] if index == 0 else torch.relu(levels[-1])))
        return levels
