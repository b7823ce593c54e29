"""COCO 2017 with panoptic annotations, or data in its layout: pictures, maps of segments, and what each segment is.

    train2017/<name>.jpg                         or .png
    annotations/panoptic_train2017.json          which segments each image has
    annotations/panoptic_train2017/<name>.png    where they are: a pixel's segment is R + 256 G + 65536 B, 0 is void

and the same for ``val2017``, or for any other split. Shape legend: H, W pixels; 3 RGB channels; S segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.file_names import NamedFiles
from methods.common.datasets.labelled_images import IGNORED, check_size
from methods.common.datasets.lvis_records import LvisCategory, LvisDataset, LvisImage
from methods.common.datasets.panoptic_files import (
    PanopticCategory,
    PanopticImage,
    PanopticTruth,
    Segment,
    read_panoptic_document,
)
from methods.common.datasets.pictures import Header, check_whole, read_header, read_rgb
from methods.common.datasets.png_labels import read_rgb_ids
from methods.common.errors import InputError

ANNOTATIONS = "annotations"
_SUFFIXES = (".jpg", ".png")


class PanopticSample(NamedTuple):
    """One image and its segments."""

    image_HW3: NDArray[np.uint8]
    segment_HW: NDArray[np.uint32]
    """Id of each pixel's segment; 0 is void."""
    segments: tuple[Segment, ...]
    """In the file's order; ``category`` is a class from 0."""

    @property
    def class_HW(self) -> NDArray[np.uint8]:  # noqa: N802 - a shape suffix
        """Class by pixel, crowds included; 255 for void."""
        ids = np.array([0, *(one.id for one in self.segments)], np.uint32)
        classes = [IGNORED, *(one.category for one in self.segments)]
        order = np.argsort(ids)
        found: NDArray[np.uint8] = np.array(classes, np.uint8)[order][np.searchsorted(ids[order], self.segment_HW)]
        return found


class CocoPanoptic:
    """A split; each image is read when it is asked for, the first at once, so that a mistake which all share shows before a training."""

    def __init__(self, truth: PanopticTruth, pictures: Path) -> None:
        by_id = sorted(range(len(truth.categories)), key=lambda index: truth.categories[index].id)
        self.categories: tuple[PanopticCategory, ...] = tuple(truth.categories[index] for index in by_id)
        self._class_of = {index: number for number, index in enumerate(by_id)}
        self._images, self._names, self._pictures = truth.images, truth.picture_names, NamedFiles(pictures)
        self._folder = pictures
        self[0]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class; classes are in the order of their ids."""
        return tuple(category.name for category in self.categories)

    @property
    def is_thing(self) -> tuple[bool, ...]:
        """Whether a class is a thing, by class."""
        return tuple(category.is_thing for category in self.categories)

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def name(self, index: int) -> str:
        """Return the image's name: its file name without ending."""
        return self._images[index].png.stem

    def image_id(self, index: int) -> int | str:
        """Return the image's id in the file."""
        return self._images[index].image_id

    def picture(self, index: int) -> Path:
        """Return where an image lies: the file that ``images`` names, else that of its map's name.

        Raises:
            InputError: it is not there.
        """
        image = self._images[index]
        told = self._names.get(image.image_id)
        candidates = [told] if told is not None else [f"{image.png.stem}{suffix}" for suffix in _SUFFIXES]
        paths = [self._pictures.find(name) for name in candidates]
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            raise InputError(
                f"image {image.image_id!r} of {self._folder} has no picture: there is no "
                f"{' or '.join(map(str, paths))}; add it"
            )
        return found

    def segments(self, index: int) -> tuple[Segment, ...]:
        """Return an image's segments without reading a picture."""
        return tuple(
            segment._replace(category=self._class_of[segment.category]) for segment in self._images[index].segments
        )

    def __getitem__(self, index: int) -> PanopticSample:
        """Read an image and its map of segments.

        Raises:
            InputError: a file is missing or damaged, sizes differ, or the map and the list of segments do not agree.
        """
        picture = self.picture(index)
        segment_HW = self._checked_map(index, read_header(picture))
        return PanopticSample(read_rgb(picture, *segment_HW.shape), segment_HW, self.segments(index))

    def check(self, index: int) -> None:
        """Check an image without decoding it.

        Raises:
            InputError: as for reading it; a picture that is damaged and has its end is not noticed.
        """
        self._checked_map(index, check_whole(self.picture(index)))

    def _checked_map(self, index: int, header: Header) -> NDArray[np.uint32]:
        image = self._images[index]
        segment_HW = read_rgb_ids(image.png)
        check_size(header, image.png, segment_HW.shape)
        _check_segments(image, segment_HW)
        return segment_HW


def open_coco_panoptic(folder: Path, split: str) -> CocoPanoptic:
    """Open a split.

    Args:
        folder: with ``annotations`` and the pictures' folders.
        split: such as ``train2017`` or ``val2017``.

    Raises:
        InputError: something is missing, the records are faulty, or the first image is.
    """
    file = folder / ANNOTATIONS / f"panoptic_{split}.json"
    if not file.is_file():
        there = sorted(path.stem.removeprefix("panoptic_") for path in (folder / ANNOTATIONS).glob("panoptic_*.json"))
        raise InputError(
            f"{folder} has no split {split!r} (there is no {file}); the splits there are {', '.join(there) or 'none'}"
        )
    return CocoPanoptic(read_panoptic_document(file, file.with_suffix("")), folder / split)


def as_records(data: CocoPanoptic, categories: Sequence[PanopticCategory]) -> LvisDataset:
    """Return the pictures, with classes and no annotation, as detectors read them.

    Args:
        data: the split.
        categories: which of its classes.

    Raises:
        InputError: an image has a text for an id, or no picture.
    """
    images = []
    for index in range(len(data)):
        image_id, picture = data.image_id(index), data.picture(index)
        if not isinstance(image_id, int):
            raise InputError(f"image {image_id!r} has a text for an id; COCO's results need numbers, so write numbers")
        height, width = read_header(picture).size_seen
        images.append(LvisImage(image_id, width, height, file_name=picture.name))
    known = [LvisCategory(category.id, category.name, "f") for category in categories]
    return LvisDataset(known, images, {image.id: [] for image in images}, data.picture(0).parent)


def _check_segments(image: PanopticImage, segment_HW: NDArray[np.uint32]) -> None:
    """Make sure that the ids of a map are those of the list; of the ids 0 is void."""
    drawn, listed = set(np.unique(segment_HW).tolist()) - {0}, {segment.id for segment in image.segments}
    if drawn - listed:
        raise InputError(
            f"{image.png} holds segment {min(drawn - listed)}, which the list of image {image.image_id!r} lacks; "
            "write the map and its record again"
        )
    if listed - drawn:
        raise InputError(
            f"{image.png} holds no pixel of segment {min(listed - drawn)} of image {image.image_id!r}; "
            "write the map and its record again"
        )
