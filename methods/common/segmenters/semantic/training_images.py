"""The endless sequence of training crops of a labelled data set, as a pure function of the place in it.

Images are numbered ``iteration * batch_size + place``. Nothing depends on what was made before, so any worker makes any crop
and a training goes on anywhere.

Shape legend: N images, S side of a crop; 3 RGB.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from methods.common.datasets.labelled_images import LabelledImages
from methods.common.errors import InputError
from methods.common.seeds import Seeds, derive_seed
from methods.common.segmenters.image_cache import ImageCache, num_readers
from methods.common.segmenters.image_order import ImageOrder
from methods.common.segmenters.semantic.augmentation import augment
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.training.batch_shard import BatchShare
from methods.common.training.batches import batches_of_share

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class EpochOrder:
    """Every image once an epoch, each epoch in an order of its own. Source: our choice; [MM] does the same."""

    def __init__(self, num_images: int, seed: int) -> None:
        assert num_images >= 1, num_images
        self._num_images = num_images
        self._seed = seed
        self._epoch = -1
        self._order = np.zeros(0, np.int64)

    def image_index(self, position: int) -> int:
        """Return the image at a position >= 0 of the endless order."""
        epoch, place = divmod(position, self._num_images)
        if epoch != self._epoch:
            rng = np.random.default_rng(derive_seed("epoch", self._seed, epoch))
            self._epoch, self._order = epoch, rng.permutation(self._num_images)
        return int(self._order[place])


def epochs(num_images: int, seeds: Seeds) -> EpochOrder:
    """Return the order of a training that shows every image once an epoch."""
    return EpochOrder(num_images, seeds.derive("training", "order"))


ItemT = TypeVar("ItemT", bound=tuple[NDArray[Any], ...])


class NumberedCrops(Dataset[ItemT], Generic[ItemT]):
    """Augmented crops by number, of images that stay in memory as far as there is room."""

    def __init__(self, num_images: int, seeds: Seeds, order: ImageOrder | None = None, before: int = 0) -> None:
        """Begin the endless order of images.

        Args:
            num_images: that there are.
            seeds: of the training.
            order: which image each sample shows; None for epochs.
            before: samples of an earlier training, after which these are numbered.

        Raises:
            InputError: there is no image.
        """
        if num_images == 0:
            raise InputError("the training data holds no image; check the split, or keep more images")
        self.seeds = seeds
        self.order: ImageOrder = order or epochs(num_images, seeds)
        self.before = before
        self.cache: ImageCache[ItemT] = ImageCache(lambda item: sum(part.nbytes for part in item))
        """Images in memory."""

    @abstractmethod
    def read(self, index: int) -> ItemT:
        """Read an image, [H, W, 3], with what belongs to each of its pixels, [H, W] each."""

    @abstractmethod
    def augmented(self, item: ItemT, rng: np.random.Generator) -> ItemT:
        """Return a crop of an image with what belongs to its pixels."""

    def original(self, index: int) -> ItemT:
        """Return an image and its labels as the data set holds them."""
        return self.cache.get(index, lambda: self.read(index))

    def __getitem__(self, number: int) -> ItemT:
        """Return crop ``number``: uint8 RGB [S, S, 3], and what belongs to its pixels, [S, S] each."""
        return self.augmented(
            self.original(self.order.image_index(number)), self.seeds.numpy("training", "image", number)
        )

    def batches(self, first: int, last: int, share: BatchShare, num_workers: int) -> Iterator[Any]:
        """Yield a share of the batch of each iteration in [first, last): uint8 [N, 3, S, S], and [N, S, S] each of the rest.

        Worker processes keep images of their own, so the room in memory is divided among them.
        """
        self.cache.divide_among(num_readers(share.team.size, num_workers))
        return batches_of_share(self, _collate, share, range(first, last), num_workers, self.before)


def _collate(items: list[tuple[NDArray[Any], ...]]) -> tuple[Tensor, ...]:
    image_NSS3, *others = (torch.from_numpy(np.stack(parts)) for parts in zip(*items, strict=True))
    return image_NSS3.permute(0, 3, 1, 2), *others


class TrainingCrops(NumberedCrops[Pair]):
    """Crops of labelled images."""

    def __init__(
        self,
        images: LabelledImages,
        config: SemanticAugmentConfig,
        seeds: Seeds,
        order: ImageOrder | None = None,
        before: int = 0,
    ) -> None:
        super().__init__(len(images), seeds, order, before)
        self.images = images
        self.config = config

    def read(self, index: int) -> Pair:
        """Read an image and its labels.

        Raises:
            InputError: they are of different sizes.
        """
        image_HW3, label_HW = self.images[index]
        if image_HW3.shape[:2] != label_HW.shape:
            raise InputError(
                f"image {self.images.name(index)} is {image_HW3.shape[1]}x{image_HW3.shape[0]} pixels, its labels "
                f"{label_HW.shape[1]}x{label_HW.shape[0]}; mend one of them"
            )
        return image_HW3, label_HW

    def augmented(self, item: Pair, rng: np.random.Generator) -> Pair:
        """Return a crop, uint8 RGB [S, S, 3], and its labels, uint8 [S, S]."""
        return augment(*item, self.config, rng)
