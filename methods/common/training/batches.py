"""Batches of training images that are made from their numbers alone, whichever worker makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from methods.common.opencv import one_opencv_thread, use_one_opencv_thread
from methods.common.training.batch_shard import BatchShare

BatchT = TypeVar("BatchT")


def batches_of_share(
    dataset: Dataset[Any],
    collate: Callable[..., BatchT],
    share: BatchShare,
    iterations: range,
    num_workers: int,
    before: int = 0,
) -> Iterator[BatchT]:
    """Yield a share of the batch of each iteration; image ``iteration * batch_size + place`` of the whole sequence is one of its places.

    Args:
        dataset: makes what belongs to an image, by the image's number.
        collate: makes a batch of a list of that.
        share: which images of each batch.
        iterations: of the training.
        num_workers: processes that make images ahead; 0 makes them here.
        before: number of the first iteration's first image, where another training has had those before.
    """
    numbers = (
        before + iteration * share.batch_size + share.first + place
        for iteration in iterations
        for place in range(share.count)
    )
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_size=share.count,
        sampler=numbers,
        num_workers=num_workers,
        collate_fn=collate,
        prefetch_factor=4 if num_workers else None,
        worker_init_fn=use_one_opencv_thread,  # for workers that are no copies
    )
    with one_opencv_thread():
        return iter(loader)
