"""Decoded training images that stay in memory, as far as the room goes that all processes of a training have together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")

BUDGET_BYTES = 512 << 20
"""Room of all processes together, whatever their number. Our choice: small sets fit whole, and a machine with many workers keeps its
memory."""


class ImageCache(Generic[ItemT]):
    """Keeps what is read until its room is full, and from then on what it has.

    Training goes round through all images, so throwing out the oldest would throw out just what is wanted next.
    """

    def __init__(self, bytes_of: Callable[[ItemT], int], budget_bytes: int = BUDGET_BYTES) -> None:
        self.room_bytes = budget_bytes
        """Of this process."""
        self._budget_bytes = budget_bytes
        self._bytes_of = bytes_of
        self._kept: dict[int, ItemT] = {}
        self._used_bytes = 0

    def get(self, index: int, read: Callable[[], ItemT]) -> ItemT:
        """Return what is kept under a number, or else read it and keep it where there is room."""
        if index in self._kept:
            return self._kept[index]
        item = read()
        size = self._bytes_of(item)
        if self._used_bytes + size <= self.room_bytes:
            self._kept[index] = item
            self._used_bytes += size
        return item

    def divide_among(self, num_processes: int) -> None:
        """Leave this process, and each that will be copied from it, its part of the room; what passes that is given up.

        Args:
            num_processes: that read training images, each into memory of its own: all workers of all processes of a team.
        """
        self.room_bytes = self._budget_bytes // num_processes
        while self._used_bytes > self.room_bytes:
            _, item = self._kept.popitem()
            self._used_bytes -= self._bytes_of(item)


def num_readers(team_size: int, num_workers: int) -> int:
    """Return how many processes read images: the workers of each process of a team, or those processes themselves."""
    return team_size * max(1, num_workers)
