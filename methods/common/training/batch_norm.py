"""Batch normalisation whose statistics are those of the whole batch, whichever process has which images.

Shape legend: B images, C channels, H and W cells.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.training.distributed import ALONE, Team


class TeamBatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d``, with statistics over all processes of a team in training.

    Unlike the original, running statistics follow only passes that are trained on: one without gradients changes nothing.
    """

    team: Team = ALONE

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C, H, W]; collective in training."""
        if not self.training:
            return super().forward(input)
        if self.team.size > 1:
            return self._over_team(input)
        if torch.is_grad_enabled():
            return super().forward(input)
        return functional.batch_norm(input, None, None, self.weight, self.bias, training=True, eps=self.eps)

    def _over_team(self, x_BCHW: Tensor) -> Tensor:
        x = x_BCHW.float()
        count = int(self.team.sum_number(x.numel() // x.shape[1]))
        mean_C: Tensor = _TeamSum.apply(x.sum(dim=(0, 2, 3)), self.team) / count
        centred = x - mean_C[:, None, None]
        variance_C: Tensor = _TeamSum.apply(centred.square().sum(dim=(0, 2, 3)), self.team) / count
        if torch.is_grad_enabled():
            self._follow(mean_C.detach(), variance_C.detach() * (count / max(count - 1, 1)))
        scale_C = self.weight * torch.rsqrt(variance_C + self.eps)
        return (centred * scale_C[:, None, None] + self.bias[:, None, None]).to(x_BCHW.dtype)

    @torch.no_grad()
    def _follow(self, mean_C: Tensor, variance_C: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean_C, self.momentum)
        self.running_var.lerp_(variance_C, self.momentum)
        self.num_batches_tracked.add_(1)


class _TeamSum(torch.autograd.Function):
    """Sum over the processes. Each holds a part of the loss, so the gradient is summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, team: Team) -> Tensor:
        ctx.team = team
        return team.sum_(x.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.team.sum_(gradients[0].clone()), None


class RunningStatistics:
    """A copy of a network's running statistics, which a forward pass changes."""

    def __init__(self, model: nn.Module) -> None:
        norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._NormBase)]
        self._pairs = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]

    def keep(self) -> None:
        """Copy the statistics as they are now."""
        for buffer, copied in self._pairs:
            copied.copy_(buffer)

    def restore(self) -> None:
        """Write the copy back."""
        for buffer, copied in self._pairs:
            buffer.copy_(copied)


def batch_norms(model: nn.Module) -> list[TeamBatchNorm2d]:
    """Return every batch normalisation of a network."""
    return [module for module in model.modules() if isinstance(module, TeamBatchNorm2d)]
