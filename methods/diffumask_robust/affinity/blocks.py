"""Residual blocks of a pre-activation ResNet-38, whose entries have the names of the release.

Norms never follow a batch: they keep their statistics, weights and biases, in training too (section 10.4 [code]).

Shape legend: N images, C channels, H, W cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.training.batch_shard import BatchShare
from methods.common.training.dropout import ImageDropout
from methods.diffumask_robust.affinity.config import PlainBlocks, WideBlock


class FixedNorm(nn.BatchNorm2d):
    """A batch norm of fixed statistics, weight and bias."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)


def activated(norm: FixedNorm, x_NCHW: Tensor) -> Tensor:
    """Return a norm's output without its negative values."""
    return functional.relu(norm(x_NCHW))


def _conv(width_in: int, width: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width_in, width, kernel, stride, dilation * (kernel // 2), dilation, bias=False)


class PlainBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is convolved where its size or width changes."""

    def __init__(self, width_in: int, stage: PlainBlocks, *, first: bool) -> None:
        super().__init__()
        stride = stage.stride if first else 1
        self.bn_branch2a = FixedNorm(width_in)
        self.conv_branch2a = _conv(width_in, stage.middle, 3, stride, 1 if first else stage.dilation)
        self.bn_branch2b1 = FixedNorm(stage.middle)
        self.conv_branch2b1 = _conv(stage.middle, stage.width, 3, 1, stage.dilation)
        changes = width_in != stage.width or stride != 1
        self.conv_branch1 = _conv(width_in, stage.width, 1, stride) if changes else None

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the block's output, before the next block's norm."""
        active = activated(self.bn_branch2a, x_NCHW)
        shortcut = x_NCHW if self.conv_branch1 is None else self.conv_branch1(active)
        output: Tensor = shortcut + self.conv_branch2b1(activated(self.bn_branch2b1, self.conv_branch2a(active)))
        return output


class WideResidual(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a convolved shortcut, with dropout of channels."""

    def __init__(self, width_in: int, block: WideBlock) -> None:
        super().__init__()
        quarter, half = block.width // 4, block.width // 2
        self.bn_branch2a = FixedNorm(width_in)
        self.conv_branch2a = _conv(width_in, quarter, 1)
        self.bn_branch2b1 = FixedNorm(quarter)
        self.conv_branch2b1 = _conv(quarter, half, 3, 1, block.dilation)
        self.bn_branch2b2 = FixedNorm(half)
        self.conv_branch2b2 = _conv(half, block.width, 1)
        self.conv_branch1 = _conv(width_in, block.width, 1)
        self._dropouts = (ImageDropout(block.dropout), ImageDropout(block.dropout))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the block's output, before the next norm."""
        active = activated(self.bn_branch2a, x_NCHW)
        branch = activated(self.bn_branch2b1, self.conv_branch2a(active))
        branch = self.conv_branch2b1(_without_channels(self._dropouts[0], branch))
        branch = activated(self.bn_branch2b2, branch)
        output: Tensor = self.conv_branch1(active) + self.conv_branch2b2(_without_channels(self._dropouts[1], branch))
        return output

    @contextmanager
    def dropping(self, generator: torch.Generator, share: BatchShare, device: torch.device) -> Iterator[None]:
        """Drop channels for a while; the draws belong to the images of the batch."""
        with ExitStack() as stack:
            for dropout in self._dropouts:
                stack.enter_context(dropout.drawing(generator, share, device))
            yield


def _without_channels(dropout: ImageDropout, x_NCHW: Tensor) -> Tensor:
    if not dropout.active:
        return x_NCHW
    return x_NCHW * dropout(x_NCHW.new_ones(*x_NCHW.shape[:2], 1, 1))
