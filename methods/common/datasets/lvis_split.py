"""Class counts of an LVIS set, and a held-out part of the training images for feedback.

Feedback measured on the split that is reported would leak evaluation labels into training; so part of the training images
is set aside. Source: MRCA section 2.3 [C MRCA D32]: 5 % of the training images; each class with at least three images
keeps at least one of them in the held-out part, and none gives up more than a third.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.lvis_records import Frequency, LvisDataset, LvisImage, frequency_group
from methods.common.errors import InputError


@dataclass(frozen=True)
class ClassStatistics:
    """Counts by class, each in the order of class indices 0..C-1."""

    image_count: NDArray[np.int64]
    """(C,), images that hold the class."""
    instance_count: NDArray[np.int64]
    """(C,), instances of the class."""
    frequency: list[Frequency]
    """(C,), rare (up to 10 images), common (up to 100) or frequent, by ``image_count``."""


def class_statistics(dataset: LvisDataset) -> ClassStatistics:
    """Count images and instances of every class in this set itself, whatever its `categories` say."""
    class_of_N = np.array([dataset.class_index[a.category_id] for a in dataset.iter_annotations()], np.int64)
    num_classes = len(dataset.class_ids)
    image_count = np.zeros(num_classes, np.int64)
    for classes in _classes_by_image(dataset):
        image_count[classes] += 1
    instance_count = np.bincount(class_of_N, minlength=num_classes)
    return ClassStatistics(image_count, instance_count, [frequency_group(int(count)) for count in image_count])


@dataclass(frozen=True)
class HeldoutSplit:
    """Two sets that share no image and together are the whole training set."""

    fit: LvisDataset
    """To train on. Its categories keep the frequency group of the full training file; counts are its own."""
    heldout: LvisDataset
    """To measure feedback on. Its categories are those of the full training file, as in LVIS val files."""


def split_heldout(
    dataset: LvisDataset,
    generator: np.random.Generator,
    fraction: float = 0.05,
    min_images: int = 3,
    max_class_share: float = 1 / 3,
) -> HeldoutSplit:
    """Set images aside at random so that feedback covers every class that can spare an image.

    Rules, in this order of strength [C MRCA D32]: no class loses its last training image; none gives up more than
    ``max_class_share`` of its images, rounded down, unless no image at all could be held out then; each class with at
    least ``min_images`` images gets one into the held-out part; images that show only such classes are taken before
    images that show a scarcer one; ``round(fraction * images)`` images are held out, more only when covering the classes
    takes more. A class whose every image shows another class that has nothing left to give cannot be covered; callers
    treat it like any class without held-out images.

    Args:
        dataset: the full training set.
        generator: the source of all choices.
        fraction: share of the images to hold out, in (0, 1).
        min_images: classes with fewer images need not be covered.
        max_class_share: share of a class' images that may be held out, in (0, 1].

    Raises:
        InputError: the set is too small to give up an image.
    """
    assert 0 < fraction < 1, f"fraction {fraction} is outside (0, 1)"
    assert 0 < max_class_share <= 1, f"share {max_class_share} of a class is outside (0, 1]"
    chooser = _Chooser(dataset, min_images, max_class_share)
    chooser.cover_classes(generator)
    chooser.fill(max(1, round(fraction * len(dataset.images))), generator)
    if not chooser.held.any():
        chooser = _Chooser(dataset, min_images, 1.0)
        chooser.fill(1, generator)
    if not chooser.held.any():
        raise InputError(
            f"{dataset.annotation_file or 'LVIS data'}: every image holds the last example of some class, so none can be "
            "held out for feedback; add images, or take the feedback from val with --set split.feedback_split=val"
        )
    return HeldoutSplit(_recounted(_subset(dataset, ~chooser.held)), _subset(dataset, chooser.held))


class _Chooser:
    """Which images are held out so far, and how many more each class may give up."""

    def __init__(self, dataset: LvisDataset, min_images: int, max_class_share: float) -> None:
        self.classes_by_image = _classes_by_image(dataset)
        self.count = class_statistics(dataset).image_count
        shared = np.floor(max_class_share * self.count + 1e-9).astype(np.int64)  # a third of 3 is 1 in floats, too
        self.spare = np.minimum(shared, self.count - 1)
        self.held = np.zeros(len(dataset.images), bool)
        self.ample = self.count >= min_images
        self.spares_scarce = np.array([bool(self.ample[classes].all()) for classes in self.classes_by_image], bool)
        self.images_by_class: list[list[int]] = [[] for _ in dataset.class_ids]
        for image, classes in enumerate(self.classes_by_image):
            for index in classes:
                self.images_by_class[index].append(image)

    def cover_classes(self, generator: np.random.Generator) -> None:
        """Hold one image of each ample class, those with the fewest images first."""
        order = np.argsort(self.count, kind="stable")
        for index in order[self.ample[order]]:
            images = self.images_by_class[index]
            if not self.held[images].any():
                self._take_first(self._shuffled(images, generator))

    def fill(self, num_images: int, generator: np.random.Generator) -> None:
        """Hold more images until there are ``num_images``."""
        for image in self._shuffled(np.flatnonzero(~self.held), generator):
            if self.held.sum() >= num_images:
                return
            self._take_first([image])

    def _shuffled(self, images: list[int] | NDArray[np.int64], generator: np.random.Generator) -> list[int]:
        """Random order, images without a scarce class first."""
        shuffled = generator.permutation(np.asarray(images, np.int64))
        return [int(image) for image in shuffled[np.argsort(~self.spares_scarce[shuffled], kind="stable")]]

    def _take_first(self, images: Iterable[int]) -> None:
        for image in images:
            classes = self.classes_by_image[image]
            if (self.spare[classes] > 0).all():
                self.spare[classes] -= 1
                self.held[image] = True
                return


def _classes_by_image(dataset: LvisDataset) -> list[NDArray[np.int64]]:
    index = dataset.class_index
    return [
        np.array(sorted({index[a.category_id] for a in dataset.annotations[image.id]}), np.int64)
        for image in dataset.images
    ]


def _subset(dataset: LvisDataset, keep: NDArray[np.bool_]) -> LvisDataset:
    images: list[LvisImage] = [image for image, kept in zip(dataset.images, keep, strict=True) if kept]
    annotations = {image.id: dataset.annotations[image.id] for image in images}
    return LvisDataset(dataset.categories, images, annotations, dataset.image_root, dataset.annotation_file)


def _recounted(dataset: LvisDataset) -> LvisDataset:
    counts = class_statistics(dataset)
    categories = [
        replace(
            category,
            image_count=int(counts.image_count[dataset.class_index[category.id]]),
            instance_count=int(counts.instance_count[dataset.class_index[category.id]]),
        )
        for category in dataset.categories
    ]
    return LvisDataset(categories, dataset.images, dataset.annotations, dataset.image_root, dataset.annotation_file)
