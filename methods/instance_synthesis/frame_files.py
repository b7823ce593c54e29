"""Frames from files: a Cityscapes folder, or a COCO annotation file with its images.

Everything is checked on the way in; a message names file and record.

Shape legend: H, W image in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from methods.common.datasets.cityscapes import find_frames, objects_in
from methods.common.datasets.cityscapes_labels import LABEL_BY_ID
from methods.common.datasets.id_maps import MOST_IDS
from methods.common.datasets.own.reading import read_own_split
from methods.common.datasets.pictures import read_rgb
from methods.common.datasets.png_labels import check_same_size, read_labels
from methods.common.errors import InputError
from methods.instance_synthesis.frames import (
    Frame,
    FrameInstance,
    Image,
    spread_over_maps,
)

Layout = Literal["cityscapes", "coco"]


class FrameSource(Protocol):
    """A set of frames that is read one by one."""

    @property
    def names(self) -> Sequence[str]:
        """Names of all frames, in a fixed order."""

    def read(self, name: str, *, with_image: bool = True) -> Frame:
        """Read one frame; without its image, which then is black, where only the instances are asked for."""


def open_frames(folder: Path, layout: Layout, split: str) -> FrameSource:
    """Open one split of a data set.

    Args:
        folder: the data set's.
        layout: ``cityscapes`` has ``leftImg8bit/<split>/<city>`` and ``gtFine/<split>/<city>``; ``coco`` is any of those that
            :mod:`methods.common.datasets.own` reads.
        split: such as ``train``.

    Raises:
        InputError: something is missing or faulty.
    """
    return CityscapesFrames(folder, split) if layout == "cityscapes" else CocoFrames(folder, split)


def _load(path: Path, height: int, width: int, with_image: bool) -> Image:
    if not with_image:
        return np.broadcast_to(np.uint8(0), (height, width, 3))
    return read_rgb(path, height, width)


class CityscapesFrames:
    """One split in the layout of Cityscapes, with ids and labels from ``*_instanceIds.png`` and ``*_labelIds.png``."""

    def __init__(self, folder: Path, split: str) -> None:
        self._split = split
        self._frames = {frame.name: frame for frame in find_frames(folder, split)}

    @property
    def names(self) -> Sequence[str]:
        """Names of all frames, ``city_sequence_frame``, sorted."""
        return list(self._frames)

    def read(self, name: str, *, with_image: bool = True) -> Frame:
        """Read one frame.

        Raises:
            InputError: a file is missing, damaged or of another size, or an id is of no class with instances.
        """
        if name not in self._frames:
            raise InputError(
                f"there is no frame {name} in {self._split!r} any more; select the instances of the data again"
            )
        frame = self._frames[name]
        id_HW = frame.read_instance_ids()
        instances = tuple(
            FrameInstance(one.id, 0, LABEL_BY_ID[one.label_id].name, is_group=one.is_group) for one in objects_in(id_HW)
        )
        label_HW = read_labels(frame.paths.labels)
        check_same_size(id_HW, label_HW, frame.paths.labels)
        height, width = id_HW.shape
        image_HW3 = _load(frame.paths.image, height, width, with_image)
        return Frame(name, image_HW3, (id_HW,), instances, label_HW.astype(np.uint8, copy=False))


class CocoFrames:
    """One split in the layout of COCO, read as own data are; the ids of a frame are numbers of its annotations, from 1 in the order of the file."""

    def __init__(self, folder: Path, split: str) -> None:
        self.own = read_own_split(folder, split, check_images="none", keep_crowds=True)
        """The data and what was derived of them, crowds included."""
        dataset = self.own.dataset
        self.class_ids: Mapping[str, int] = {category.name: category.id for category in dataset.classes}
        """Id of each class by its name, in the order of the ids."""
        self._images = {str(image.id): image for image in dataset.images}

    @property
    def names(self) -> Sequence[str]:
        """Ids of all images as text, in the order of the file."""
        return list(self._images)

    def image_path(self, name: str) -> Path:
        """Where the image of a frame lies."""
        return self.own.dataset.image_path(self._images[name])

    def read(self, name: str, *, with_image: bool = True) -> Frame:
        """Read one frame.

        Raises:
            InputError: the image is missing or of another size.
        """
        dataset = self.own.dataset
        if name not in self._images:
            raise InputError(
                f"{dataset.annotation_file} has no image {name} any more; select the instances of the data again"
            )
        image = self._images[name]
        annotations = dataset.annotations[image.id]
        if len(annotations) >= MOST_IDS:
            raise InputError(
                f"{dataset.annotation_file}, image {name} has {len(annotations)} annotations; up to {MOST_IDS - 1} can be told apart"
            )
        masks = [annotation.mask(image.height, image.width) for annotation in annotations]
        maps, layers = spread_over_maps(masks, image.height, image.width)
        instances = tuple(
            FrameInstance(number, layer, dataset.category_by_id[annotation.category_id].name, annotation.crowd)
            for number, (layer, annotation) in enumerate(zip(layers, annotations, strict=True), start=1)
        )
        return Frame(name, _load(self.image_path(name), image.height, image.width, with_image), maps, instances)
