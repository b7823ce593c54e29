"""Batches of neighbouring images of one size, so that none needs padding."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

ItemT = TypeVar("ItemT")


def batches_of_one_size(
    items: Iterable[ItemT], size_of: Callable[[ItemT], Hashable], batch_size: int
) -> Iterator[list[ItemT]]:
    """Yield neighbours of one size in their order, at most ``batch_size`` at a time.

    Args:
        items: images or what stands for them; one batch of them is held at a time.
        size_of: what all items of a batch have in common.
        batch_size: at least 1.
    """
    batch: list[ItemT] = []
    for item in items:
        if batch and (len(batch) == batch_size or size_of(batch[0]) != size_of(item)):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
