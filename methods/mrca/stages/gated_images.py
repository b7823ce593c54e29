"""The images that BSGAL's gate judges, as pure functions of their number: with pasting, without, and a trusted real one (section 5.3).

Shape legend: N instances.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from methods.common.segmenters.instance.augmentation import augment_image
from methods.common.segmenters.instance.training_images import Labelled, collate
from methods.common.training.batch_shard import BatchShare
from methods.mrca.stages.gate import GatedBatch
from methods.mrca.stages.training_data import TrainingImages, load_batches

Row = tuple[Labelled, Labelled, Labelled]
"""One image without pasting, the same with it, and a trusted one."""


class GatedImages(Dataset[Row]):
    """What the gate is shown for each training image.

    Args:
        images: the training images with their pasting.
    """

    def __init__(self, images: TrainingImages) -> None:
        self.images = images
        self._places_of = _places_by_class(images)

    def __getitem__(self, number: int) -> Row:
        """Return image ``number`` without pasting and with it, and the trusted image of the same number."""
        return self.images.without_pasting(number), self.images[number], self._trusted(number)

    def _trusted(self, number: int) -> Labelled:
        """Draw a class among those pasted into the batch, then a real image with it, augmented as any real image is [C D71].

        Classes without a real image are passed over; where none is left, any image may come.
        """
        images, size = self.images, self.images.config.recipe.batch_size
        first = number - number % size
        pasted = {index for place in range(first, first + size) for index in images.classes_of_objects(place)}
        rng = images.seeds.numpy("training", images.config.phase, "trusted", number)
        known = sorted(pasted & self._places_of.keys())
        places = self._places_of[int(rng.choice(known))] if known else np.arange(len(images.real.images))
        image_HW3, instances = images.real[int(rng.choice(places))]
        return augment_image(image_HW3, instances, rng, images.config.augmentation)

    def batches(self, first_iteration: int, share: BatchShare) -> Iterator[GatedBatch]:
        """Yield a share of the batch of each iteration from ``first_iteration`` to the end of the stretch."""
        return load_batches(self, self.images, _collate, first_iteration, share)


def _places_by_class(images: TrainingImages) -> dict[int, NDArray[np.int64]]:
    """Return for each class index the real images with it."""
    dataset = images.real.dataset
    found: dict[int, list[int]] = {}
    for place, image in enumerate(images.real.images):
        for category_id in {item.category_id for item in dataset.annotations[image.id]}:
            found.setdefault(dataset.class_index[category_id], []).append(place)
    return {index: np.array(places, np.int64) for index, places in found.items()}


def _collate(rows: Sequence[Row]) -> GatedBatch:
    real, pasted, trusted = zip(*rows, strict=True)
    is_pasted = [torch.from_numpy(instances.source_N == 1) for _, instances in pasted]
    return GatedBatch(collate(real), collate(pasted), is_pasted, collate(trusted))
