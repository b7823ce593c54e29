"""The map that all masks are read from, and the three small convolutions of each proposal that read it.

Shape legend: N images, R proposals of one image, C channels of the map, F numbers of a proposal's filters, H, W pixels of the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.backbones.folding import normalised, rectified
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.training.batch_norm import TeamBatchNorm2d

Size = tuple[int, int]

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
    return nn.Sequential(conv, TeamBatchNorm2d(outputs))


def _run(block: nn.Module, x_NCHW: Tensor) -> Tensor:
    conv, norm = block.children()
    assert isinstance(conv, nn.Conv2d)
    return rectified(normalised(conv, norm, x_NCHW, folds=True), folds=True)


class MaskBranch(nn.Module):
    """Adds the finest pyramid levels up at stride 4 and makes one map of few channels. Source: InstSynth section 5.1 [DI]."""

    def __init__(self, config: DiffusionInstConfig) -> None:
        super().__init__()
        width = config.mask_width
        self.level = nn.ModuleList(_block(config.width, width) for _ in range(config.mask_levels))
        self.tower = nn.ModuleList(_block(width, width) for _ in range(config.mask_convs))
        self.output = nn.Conv2d(width, config.mask_channels, 1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Map pyramid levels, finest first, to [N, C, H, W] at the finest one's size."""
        total: Tensor | None = None
        for level, block in zip(levels, self.level, strict=False):
            one = _run(block, level)
            total = one if total is None else total + aligned_upsample(one, total.shape[-1] // one.shape[-1])
        assert total is not None, "no level"
        for block in self.tower:
            total = _run(block, total)
        mapped: Tensor = self.output(total)
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
    return x.reshape(len(filters_RF), height, width)


@dataclass(frozen=True)
class Window:
    """Some rows and columns of an enlarged map.

    Attributes:
        down: weight of each needed row of cells in each row of the window.
        rows: of cells that are needed.
        across: weight of each needed column of cells in each column.
        columns: of cells that are needed.
    """

    down: Tensor
    rows: slice
    across: Tensor
    columns: slice

    def enlarge(self, value_hw: Tensor) -> Tensor:
        """Return the window from the needed cells."""
        return self.down @ value_hw @ self.across.T


class MaskEnlarger:
    """From the map's cells to pixels of the output: enlarged by the stride, padding cut off, resized to the output.

    Both steps are linear in each direction, so that a window of the result is two products of small matrices.
    """

    def __init__(self, cells: Size, image: Size, output: Size, device: torch.device) -> None:
        """Prepare for an image.

        Args:
            cells: (height, width) of the map.
            image: ... of the image in its top left corner, in pixels.
            output: ... of the result.
            device: of the masks.
        """
        self.output = output
        self._down, self._across = (
            _enlarging(count, inside, wanted, device)
            for count, inside, wanted in zip(cells, image, output, strict=True)
        )

    def window(self, rows: slice, columns: slice) -> Window:
        """Return how some rows and columns of the result come from the map."""
        return Window(*_needed(self._down[rows]), *_needed(self._across[columns]))


def _enlarging(cells: int, image: int, output: int, device: torch.device) -> Tensor:
    """Return the weight of each cell in each pixel of the output, along one direction, [output, cells]."""
    one_hot = torch.eye(cells, device=device)[:, None, :, None]
    enlarged = aligned_upsample(one_hot, MASK_STRIDE)[:, :, :image, :1]
    resized = functional.interpolate(enlarged, (output, 1), mode="bilinear", align_corners=False)
    return resized[:, 0, :, 0].T.contiguous()


def _needed(weight_oc: Tensor) -> tuple[Tensor, slice]:
    """Cut weights to the cells from the first to the last that any row needs; return them and which these are."""
    used = torch.nonzero(weight_oc.any(dim=0))[:, 0].tolist()
    cells = slice(used[0], used[-1] + 1) if used else slice(0, 0)
    return weight_oc[:, cells], cells
