"""A share of a batch in several parts, for networks whose losses average over counts of the whole batch.

A part alone does not know those counts. So all parts go through the network twice: first without gradients, to note what each
would tell the team; then with gradients, each being told the sums over all parts and processes
[C MRCA D56] [C SAM filter D59].

Shape legend: N images of the share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

import torch
from torch import Tensor

from methods.common.training.batch_shard import BatchShare
from methods.common.training.distributed import Team
from methods.common.training.losses import Losses


@dataclass(frozen=True)
class _NotingTeam(Team):
    """Stands for a team: notes what a part tells it, and answers with the part's own numbers."""

    noted: list[Tensor] = field(default_factory=list)

    def sum_(self, tensor: Tensor) -> Tensor:
        self.noted.append(tensor.clone())
        return tensor

    def sum_number(self, number: float) -> float:
        return float(self.sum_(torch.tensor(number, dtype=torch.float64)))


@dataclass(frozen=True)
class _KnowingTeam(Team):
    """Stands for a team: answers with sums that are known."""

    sums: list[Tensor] = field(default_factory=list)

    def sum_(self, tensor: Tensor) -> Tensor:
        return tensor.copy_(self.sums.pop(0))

    def sum_number(self, number: float) -> float:
        return float(self.sum_(torch.tensor(number, dtype=torch.float64)))


def loss_in_parts(
    loss_of_part: Callable[[slice, BatchShare], Losses],
    share: BatchShare,
    num_parts: int,
    backward: Callable[[Tensor], None],
) -> Losses:
    """Add the gradients of a share's loss, part by part, and return the loss without gradients; collective.

    Args:
        loss_of_part: the loss of some images of the share, given their rows and their own share. It may sum numbers over its
            share's team, always the same ones in the same order, none of which depends on another's sum; it draws the same
            numbers whenever it is called.
        share: all images of this process.
        num_parts: at least 1; at most one for each image.
        backward: runs the backward pass of a loss.
    """
    parts = share.parts(num_parts)
    if len(parts) == 1 and _alike(share, num_parts):
        losses = loss_of_part(slice(0, share.count), share)
        backward(losses.total)
        return losses.detach()
    # `gather` and the like ask a team only when it has several members.
    rank, size = share.team.rank, max(share.team.size, 2)
    sums = _sums_over_parts(loss_of_part, share, parts)
    found = []
    for rows in parts:
        knowing = _KnowingTeam(rank, size, [part.clone() for part in sums])
        losses = loss_of_part(rows, replace(share.part(rows), team=knowing))
        assert not knowing.sums, f"{len(knowing.sums)} sums were noted that the second pass did not ask for"
        backward(losses.total)
        found.append(losses.detach())
    return reduce(add, found)


def _alike(share: BatchShare, num_parts: int) -> bool:
    """Whether every process of the team has one part, so that all do the same exchanges."""
    return num_parts == 1 or share.batch_size <= share.team.size


@torch.no_grad()
def _sums_over_parts(
    loss_of_part: Callable[[slice, BatchShare], Losses], share: BatchShare, parts: list[slice]
) -> list[Tensor]:
    """Return, for each number that a part tells the team, its sum over all parts and processes."""
    noted = []
    for rows in parts:
        noting = _NotingTeam(share.team.rank, max(share.team.size, 2))
        loss_of_part(rows, replace(share.part(rows), team=noting))
        noted.append(noting.noted)
    return [share.team.sum_(torch.stack(tensors).sum(0)) for tensors in zip(*noted, strict=True)]
