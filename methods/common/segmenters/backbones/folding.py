"""Batch norms with fixed statistics as part of the convolutions before them, for passes without gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FrozenBatchNorm2d, deform_conv2d


class DeformableConv2d(nn.Conv2d):
    """A convolution each of whose taps looks at a place of its own at each output cell."""

    def forward(self, input: Tensor, offset_B18HW: Tensor) -> Tensor:  # type: ignore[override]
        """Convolve [B, C, H, W]; the offsets are (y, x) pairs in cells, tap by tap, of the output's size."""
        return deformable(input, offset_B18HW, self.weight, self.bias, self.stride, self.padding)


def deformable(
    x_BCHW: Tensor,
    offset_B18HW: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: str | tuple[int, ...],
) -> Tensor:
    """Convolve with moved taps, in float32 whatever autocast says. Places outside the map hold zeros. Source: [FI]."""
    assert not isinstance(padding, str)
    with torch.autocast(x_BCHW.device.type, enabled=False):
        y: Tensor = deform_conv2d(
            x_BCHW.float(), offset_B18HW.float(), weight, bias, (stride[0], stride[1]), (padding[0], padding[1])
        )
    return y


def normalised(
    conv: nn.Conv2d, norm: nn.Module, x_BCHW: Tensor, offset_B18HW: Tensor | None = None, *, folds: bool = False
) -> Tensor:
    """Convolve and normalise.

    Args:
        conv: without bias.
        norm: of its output.
        x_BCHW: what is convolved.
        offset_B18HW: of the taps, for a :class:`DeformableConv2d`.
        folds: whether a norm with fixed statistics may be multiplied into the weights, which spares a pass over the map; the
            result differs by rounding. Never in passes with gradients.
    """
    affine = _affine(norm) if folds and not torch.is_grad_enabled() else None
    if affine is None:
        y: Tensor = norm(conv(x_BCHW) if offset_B18HW is None else conv(x_BCHW, offset_B18HW))
        return y
    scale_C, shift_C = affine
    weight = conv.weight * scale_C[:, None, None, None]
    if offset_B18HW is not None:
        return deformable(x_BCHW, offset_B18HW, weight, shift_C, conv.stride, conv.padding)
    return functional.conv2d(x_BCHW, weight, shift_C, conv.stride, conv.padding, conv.dilation)


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Return factor and offset of each channel, (C,), of a norm that does not look at the batch; None for others."""
    if not isinstance(norm, FrozenBatchNorm2d | nn.BatchNorm2d) or (isinstance(norm, nn.BatchNorm2d) and norm.training):
        return None
    mean_C, variance_C = norm.running_mean, norm.running_var
    assert isinstance(mean_C, Tensor)
    assert isinstance(variance_C, Tensor)
    scale_C = norm.weight * torch.rsqrt(variance_C + norm.eps)
    return scale_C, norm.bias - mean_C * scale_C


def rectified(x: Tensor, added: Tensor | None = None, *, folds: bool = False) -> Tensor:
    """Return ReLU of a map, after adding another; the map that is given may be overwritten where ``folds`` and without gradients."""
    if folds and not torch.is_grad_enabled():
        return torch.relu_(x if added is None else x.add_(added))
    return torch.relu(x if added is None else x + added)
