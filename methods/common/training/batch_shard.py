"""Which images of a batch a process has, and what all processes know of the whole batch.

A batch means the same whatever the number of processes and parts: its loss is the one that a single process would compute of
all images at once, and the gradients of all parts add up to that loss's. Hence every average divides by a count over the whole
batch, and every random draw is made for the whole batch in the order of its images, in each process alike [C MRCA D56]
[C SAM filter D59]: detector frameworks average over the images of each process, and then over processes.

Shape legend: B images of the whole batch, N images of the share.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from methods.common.errors import InputError
from methods.common.training.distributed import ALONE, Team

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class BatchShare:
    """Some consecutive images of a batch."""

    first: int
    """Place of the first image in the batch, from 0."""
    count: int
    """Number of images, N."""
    batch_size: int
    """Images of the whole batch, B."""
    team: Team = ALONE
    """The processes that share the batch."""

    @classmethod
    def of(cls, team: Team, batch_size: int) -> BatchShare:
        """Divide a batch over a team, as evenly as possible.

        Raises:
            InputError: there are more processes than images.
        """
        if team.size > batch_size:
            raise InputError(
                f"{team.size} processes cannot share a batch of {batch_size} images; ask for at most {batch_size} processes"
            )
        start, end = (place * batch_size // team.size for place in (team.rank, team.rank + 1))
        return cls(start, end - start, batch_size, team)

    def parts(self, number: int) -> list[slice]:
        """Cut the share into a number of parts, at most one for each image; places count from the share's first image."""
        number = min(number, self.count)
        bounds = [part * self.count // number for part in range(number + 1)]
        return [slice(start, end) for start, end in pairwise(bounds)]

    def part(self, rows: slice) -> BatchShare:
        """Return some images of the share."""
        return BatchShare(self.first + rows.start, rows.stop - rows.start, self.batch_size, self.team)

    def holds(self, place: int) -> bool:
        """Whether an image of the batch is in the share."""
        return self.first <= place < self.first + self.count

    def uniform(self, generator: torch.Generator) -> Tensor:
        """Return a random number in [0, 1) for each image of the share, (N,); draws for the whole batch."""
        import torch

        drawn_B = torch.rand(self.batch_size, device=generator.device, generator=generator)
        return drawn_B[self.first : self.first + self.count]

    def gather(self, rows_N: Tensor) -> Tensor:
        """Return the rows of all images [B, ...] from those of the share [N, ...]; collective."""
        if self.team.size == 1:
            return rows_N
        rows_B = rows_N.new_zeros(self.batch_size, *rows_N.shape[1:])
        rows_B[self.first : self.first + self.count] = rows_N
        return self.team.sum_(rows_B)


def describe_shares(team: Team, batch_size: int, parts: int) -> str:
    """Say how a batch is divided, e.g. ``global batch 16 = 4 processes x 2 parts x 2 images``."""
    shares = [BatchShare.of(Team(rank, team.size), batch_size) for rank in range(team.size)]
    counts = {rows.stop - rows.start for share in shares for rows in share.parts(parts)}
    images = " or ".join(str(count) for count in sorted(counts, reverse=True))
    parts = max(len(share.parts(parts)) for share in shares)
    processes = "process" if team.size == 1 else "processes"
    of_parts = "part" if parts == 1 else "parts"
    of_images = "image" if images == "1" else "images"
    return f"global batch {batch_size} = {team.size} {processes} x {parts} {of_parts} x {images} {of_images}"
