"""Training images with labels and where these are trusted, and their crops.

Shape legend: H, W pixels; S side of a crop; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED, LabelledImages
from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.segmenters.semantic.training_images import NumberedCrops
from methods.diffumask_robust.crop_config import CropConfig
from methods.diffumask_robust.label_files import ListedLabels, read_trusted

Trusted = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]
"""An image, uint8 RGB [H, W, 3], its labels, uint8 [H, W], and where they are trusted, bool [H, W]."""


class TrustedImages(Protocol):
    """Labelled images that also say where labels are trusted; a map-style data set."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""

    def __len__(self) -> int:
        """Number of images."""

    def trusted(self, index: int) -> Trusted:
        """Return an image with its labels and where they are trusted."""


class LabelledPictures:
    """Generated pictures with their labels, without those that are of no use."""

    def __init__(
        self, listed: Sequence[ListedLabels], class_names: tuple[str, ...], has_background: bool = True
    ) -> None:
        self._listed, self._has_background = listed, has_background
        self.class_names = class_names if has_background else class_names[1:]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._listed)

    def name(self, index: int) -> str:
        """Return the id of a picture."""
        return self._listed[index].pair.id

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return a picture, uint8 RGB [H, W, 3], and its labels, uint8 [H, W].

        Raises:
            InputError: a file is missing or damaged, or the sizes differ.
        """
        from methods.common.datasets.png_labels import check_same_size, read_labels

        listed = self._listed[index]
        image_HW3, label_HW = listed.pair.read_image(), read_labels(listed.labels)
        check_same_size(image_HW3[..., 0], label_HW, listed.labels)
        if not self._has_background:
            # The file's label 0 is background, which is then nothing.
            label_HW = np.where((label_HW == 0) | (label_HW == IGNORED), IGNORED, label_HW - 1)
        return image_HW3, label_HW.astype(np.uint8, copy=False)

    def trusted(self, index: int) -> Trusted:
        """Return a picture with its labels and where they are trusted."""
        image_HW3, label_HW = self[index]
        trusted_HW = read_trusted(self._listed[index].trusted)
        if trusted_HW.shape != label_HW.shape:
            raise InputError(
                f"{self._listed[index].trusted} has another size than its labels; label the pictures again"
            )
        return image_HW3, label_HW, trusted_HW


class AllTrusted:
    """Labelled images whose labels are all trusted, but for pixels without one."""

    def __init__(self, images: LabelledImages) -> None:
        self._images = images
        self.class_names = images.class_names

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def trusted(self, index: int) -> Trusted:
        """Return an image with its labels and where there are any."""
        image_HW3, label_HW = self._images[index]
        return image_HW3, label_HW, label_HW != IGNORED


class TrustedImageCrops(NumberedCrops[Trusted]):
    """Crops of images with trusted labels."""

    def __init__(self, images: TrustedImages, config: CropConfig, seeds: Seeds) -> None:
        super().__init__(len(images), seeds)
        self._images, self._config = images, config

    def read(self, index: int) -> Trusted:
        """Read an image with its labels and where they are trusted."""
        return self._images.trusted(index)

    def augmented(self, item: Trusted, rng: np.random.Generator) -> Trusted:
        """Return a crop; see :func:`resized_crop`."""
        return resized_crop(item, self._config, rng)


def resized_crop(item: Trusted, config: CropConfig, rng: np.random.Generator) -> Trusted:
    """Return a random part resized to a square of side S: the image bilinearly, the others by nearest neighbour, perhaps mirrored.

    Source: section 6.4 [code].
    """
    height, width = item[1].shape
    top, left, rows, columns = choose_part(height, width, config, rng)
    part = tuple(pixels[top : top + rows, left : left + columns] for pixels in item)
    side = (config.crop_px, config.crop_px)
    image_SS3 = cv2.resize(np.asarray(part[0], np.uint8), side, interpolation=cv2.INTER_LINEAR)
    label_SS, trusted_SS = (
        cv2.resize(pixels.astype(np.uint8), side, interpolation=cv2.INTER_NEAREST_EXACT) for pixels in part[1:]
    )
    if rng.random() < config.flip_probability:
        image_SS3, label_SS, trusted_SS = (np.fliplr(pixels) for pixels in (image_SS3, label_SS, trusted_SS))
    return (
        np.ascontiguousarray(image_SS3, np.uint8),
        np.ascontiguousarray(label_SS, np.uint8),
        np.ascontiguousarray(trusted_SS).astype(bool),
    )


def choose_part(height: int, width: int, config: CropConfig, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw top, left, height and width of a part of an image.

    A share of the area and an aspect are drawn until the part fits; else the largest middle part of an allowed aspect is taken.

    Source: section 6.4 [code].
    """
    for _ in range(config.attempts):
        area = height * width * rng.uniform(config.min_area, config.max_area)
        aspect = np.exp(rng.uniform(-1, 1) * np.log(config.max_aspect))
        rows, columns = round(float(np.sqrt(area / aspect))), round(float(np.sqrt(area * aspect)))
        if 0 < rows <= height and 0 < columns <= width:
            top, left = (int(rng.integers(0, side + 1)) for side in (height - rows, width - columns))
            return top, left, rows, columns
    rows, columns = min(height, round(width * config.max_aspect)), min(width, round(height * config.max_aspect))
    return (height - rows) // 2, (width - columns) // 2, rows, columns
