"""Images of any of our data sets with labels of a class set.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_semantic import CityscapesClasses
from methods.common.datasets.labelled_images import IGNORED, LabelledImages
from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.errors import InputError
from methods.diffumask_robust.class_set import BACKGROUND, ClassSet


def open_class_set(
    folder: Path, split: str, classes: ClassSet, cityscapes_classes: CityscapesClasses = "19"
) -> ClassSetImages:
    """Open one split of a data set in any known layout.

    Args:
        folder: of the data set.
        split: its name.
        classes: what labels mean.
        cityscapes_classes: which classes of Cityscapes' layout are mapped.

    Raises:
        InputError: the split cannot be opened, or the data set lacks a class of the set.
    """
    images = open_labelled_images(folder, split, cityscapes_classes)
    return ClassSetImages(images, label_table(images.class_names, classes, str(folder)), classes)


def label_table(class_names: tuple[str, ...], classes: ClassSet, place: str) -> NDArray[np.uint8]:
    """Return the label of the set for each label of a data set, uint8 (256,).

    Classes that the set does not name become background (0); what is not rated (255) stays so.

    Args:
        class_names: of the data set, by label.
        classes: the set.
        place: of the data set, for the error.

    Raises:
        InputError: a class of the set has no counterpart, so that it would be learned, or found, as background.
    Source: our choice [C D68].
    """
    table_L = np.zeros(256, np.uint8)
    table_L[IGNORED] = IGNORED
    for label, one in enumerate(classes.classes, start=1):
        found = [number for number, name in enumerate(class_names) if name in one.called]
        if not found:
            raise InputError(
                f"{place} has no class called {' or '.join(repr(name) for name in one.called)}, which {one.name!r} stands for; take data "
                "that have one, or add its name there to the class set"
            )
        table_L[found] = label
    return table_L


class ClassSetImages:
    """Labelled images whose labels are those of a class set."""

    def __init__(self, images: LabelledImages, table_L: NDArray[np.uint8], classes: ClassSet) -> None:
        self._images, self._table_L = images, table_L
        self._names = (BACKGROUND, *classes.names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""
        return self._names

    def __len__(self) -> int:
        """Number of images: all of the split, whether they show the classes or not."""
        return len(self._images)

    def name(self, index: int) -> str:
        """Return an image's name."""
        return self._images.name(index)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return an image, uint8 RGB [H, W, 3], and its labels, uint8 [H, W]."""
        image_HW3, label_HW = self._images[index]
        return image_HW3, self._table_L[label_HW]
