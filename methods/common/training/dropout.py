"""Dropout whose draws belong to images, so that neither the number of processes nor the other images of a batch change them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from methods.common.training.batch_shard import BatchShare


class ImageDropout:
    """Zeroes entries at random and scales the others up, in what images have in common as their first axis.

    Does nothing outside :meth:`drawing`, so that a network in evaluation mode needs no switch. ``transformers`` decides by a setting of
    the config instead, and would drop in evaluation too.
    """

    def __init__(self, chance: float) -> None:
        """Drop with a chance in [0, 1)."""
        self._chance = chance
        self._sources: list[torch.Generator] = []

    @property
    def active(self) -> bool:
        """Whether anything would be dropped."""
        return bool(self._sources) and self._chance > 0

    @contextmanager
    def drawing(self, generator: torch.Generator, share: BatchShare, device: torch.device) -> Iterator[None]:
        """Drop for a while; a seed for each image of the whole batch is drawn from ``generator``."""
        seeds_B = torch.randint(2**62, (share.batch_size,), device=generator.device, generator=generator).tolist()
        seeds = seeds_B[share.first : share.first + share.count]
        self._sources = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        try:
            yield
        finally:
            self._sources = []

    def __call__(self, x_N: Tensor) -> Tensor:
        """Drop from [N, ...], one row for each image."""
        if not self.active:
            return x_N
        keep_N = torch.stack(
            [torch.rand(x_N.shape[1:], device=x_N.device, generator=source) >= self._chance for source in self._sources]
        )
        return x_N * keep_N / (1 - self._chance)
