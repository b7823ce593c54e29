"""Gradients of a whole batch from those of its shares."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from methods.common.training.distributed import Team


def sum_gradients(parameters: Iterable[nn.Parameter], team: Team) -> None:
    """Add up every gradient over the processes of a team, in place and with the same bits in each.

    One exchange after the backward pass, because a batch may take several backward passes. A parameter has a gradient in all
    processes or in none.
    """
    if team.size == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = team.sum_(torch.cat([gradient.flatten() for gradient in gradients]))
    pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
