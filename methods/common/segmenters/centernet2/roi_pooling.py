"""Aligned RoIAlign with a fast gradient for small feature maps on the CPU.

The value is torchvision's. Its gradient scatters cell by cell and takes ten times as long as the forward pass; but the samples
of a box form a product of rows and columns, so on small maps two matrix products per image give the same gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.ops import roi_align

DENSE_CELLS = 2048
"""Largest map (rows times columns) on which the matrix form pays. Source: our choice, by timing."""


def aligned_roi_pool(feature_BCHW: Tensor, rows_R5: Tensor, size: int, scale: float) -> Tensor:
    """Pool a size x size grid from each box; half-pixel aligned, as many samples a bin as it has cells, rounded up.

    Args:
        feature_BCHW: float32 feature map.
        rows_R5: (image index, x0, y0, x1, y1) in pixels, images in ascending order.
        size: side of the grid.
        scale: cells a pixel, 1 / stride.
    Returns:
        float32 [R, C, size, size], differentiable in the feature map only.
    Source: MRCA section 6.3 [D].
    """
    dense = feature_BCHW.device.type == "cpu" and feature_BCHW.shape[2] * feature_BCHW.shape[3] <= DENSE_CELLS
    if dense and feature_BCHW.requires_grad and torch.is_grad_enabled():
        pooled: Tensor = _DenseGradient.apply(feature_BCHW, rows_R5, size, scale)
        return pooled
    return _pool(feature_BCHW, rows_R5, size, scale)


def _pool(feature_BCHW: Tensor, rows_R5: Tensor, size: int, scale: float) -> Tensor:
    # sampling_ratio 0 asks for adaptive sampling
    pooled: Tensor = roi_align(feature_BCHW, rows_R5, size, scale, sampling_ratio=0, aligned=True)
    return pooled


class _DenseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feature_BCHW: Tensor, rows_R5: Tensor, size: int, scale: float) -> Tensor:
        ctx.save_for_backward(rows_R5)
        ctx.shape, ctx.scale = feature_BCHW.shape, scale
        return _pool(feature_BCHW, rows_R5, size, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (rows_R5,) = ctx.saved_tensors
        return pooling_gradient(gradients[0], rows_R5, ctx.shape, ctx.scale), None, None, None


def pooling_gradient(gradient_RCPP: Tensor, rows_R5: Tensor, shape: tuple[int, int, int, int], scale: float) -> Tensor:
    """Return the gradient [B, C, H, W] of the feature map from that of the pooled grids, by matrix products."""
    batch, channels, height, width = shape
    size = gradient_RCPP.shape[-1]
    box_R4 = rows_R5[:, 1:] * scale - 0.5
    across_RPW = sample_weights(box_R4[:, 0], box_R4[:, 2], width, size)
    down_RPH = sample_weights(box_R4[:, 1], box_R4[:, 3], height, size)
    spread = torch.bmm(down_RPH.transpose(1, 2), gradient_RCPP.transpose(1, 2).flatten(2))
    spread_RHCP = spread.view(len(rows_R5), height, channels, size)
    gradient = gradient_RCPP.new_zeros(batch, height * channels, width)
    start = 0
    for image, count in enumerate(torch.bincount(rows_R5[:, 0].long(), minlength=batch).tolist()):
        if count:
            mine = spread_RHCP[start : start + count].permute(1, 2, 0, 3).reshape(height * channels, count * size)
            torch.mm(mine, across_RPW[start : start + count].reshape(count * size, width), out=gradient[image])
        start += count
    return gradient.view(batch, height, channels, width).transpose(1, 2)


def sample_weights(low_R: Tensor, high_R: Tensor, cells: int, bins: int) -> Tensor:
    """Return float [R, bins, cells]: weight of each cell in the mean of each bin's bilinear samples along one axis.

    Args:
        low_R: start of each box in cells, where 0 is the middle of the first cell.
        high_R: its end.
        cells: length of the axis.
        bins: number of bins the box is cut into.
    """
    bin_R = (high_R - low_R) / bins
    samples_R = bin_R.ceil().clamp(min=1)
    sample_S = torch.arange(int(samples_R.max()), device=low_R.device) if len(low_R) else low_R.long()
    within_RS = (sample_S + 0.5) / samples_R[:, None]
    bin_P = torch.arange(bins, device=low_R.device)[:, None]
    position_RPS = low_R[:, None, None] + (bin_P + within_RS[:, None]) * bin_R[:, None, None]
    used_RPS = (sample_S < samples_R[:, None])[:, None] & (position_RPS >= -1) & (position_RPS <= cells)
    position_RPS = position_RPS.clamp(0, cells - 1)
    near_RPSC = 1 - (position_RPS[..., None] - torch.arange(cells, device=low_R.device)).abs()
    weight_RPSC = near_RPSC.clamp_(min=0).mul_(used_RPS[..., None])
    return weight_RPSC.sum(dim=2) / samples_R[:, None, None]
