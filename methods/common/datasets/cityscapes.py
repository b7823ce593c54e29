"""Read one split of Cityscapes: frames, ids of instances and groups, records to train on.

Rules of this reader:

* The pictures decide which frames there are; a picture without its id maps, and id maps without their picture, are errors.
* An instance has the value 1000 * label id + number, number from 0. The label id alone, of a class with instances, is a *group* of individuals
  that nobody told apart (COCO calls it a crowd): it is no instance to learn, and the evaluation leaves it out.
* Records to train on hold the eight evaluated classes (:data:`INSTANCE_LABELS`), so neither caravans and trailers nor groups; on demand also
  the eleven evaluated classes without instances, one record for all pixels of such a class in ``*_labelIds.png``.
* A frame without instances stays in the records: an evaluation counts what is found there, a training passes over it.

Shape legend: H, W image in pixels; N corners; 2 x and y; 3 colours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_ids import TRAINING_ID_FAULT, holds_training_ids
from methods.common.datasets.cityscapes_labels import (
    EVALUATED_LABELS,
    FIRST_INSTANCE_ID,
    INSTANCE_LABELS,
    LABEL_BY_ID,
    CityscapesLabel,
    Segments,
    classes_of,
)
from methods.common.datasets.cityscapes_layout import (
    IMAGE_SUFFIX,
    IMAGES,
    INSTANCE_SUFFIX,
    TRUTH,
    CityscapesPaths,
    frame_paths,
)
from methods.common.datasets.id_maps import pixels_by_id
from methods.common.datasets.lvis_records import (
    LvisAnnotation,
    LvisCategory,
    LvisDataset,
    LvisImage,
    annotation_from_mask,
    frequency_group,
)
from methods.common.datasets.png_labels import LabelMap, check_same_size, read_labels, where_label_is
from methods.common.errors import InputError, reason

_NUM_THREADS = 2


@dataclass(frozen=True)
class CityscapesFrame:
    """One picture with its annotation, not yet read."""

    name: str
    """``city_sequence_frame``."""
    paths: CityscapesPaths

    def read_instance_ids(self) -> NDArray[np.uint16]:
        """Read the map of ids, uint16 (H, W).

        Raises:
            InputError: the file is missing, damaged, not of 16 bits, or holds a value that no class has.
        """
        path = self.paths.instances
        id_HW = read_labels(path)
        if id_HW.dtype != np.uint16:
            raise InputError(
                f"{path} has 8 bits a pixel, but an instance is 1000 * label id + number; write it with 16 bits"
            )
        for value in np.flatnonzero(pixels_by_id(id_HW)).tolist():
            label = LABEL_BY_ID.get(value if value < FIRST_INSTANCE_ID else value // FIRST_INSTANCE_ID)
            if label is None or (value >= FIRST_INSTANCE_ID and not label.has_instances):
                raise InputError(
                    f"{path} has {where_label_is(id_HW, value)}; values are label ids from 0 to 33, or 1000 * label id + "
                    "number for a class that has instances"
                )
        return id_HW.astype(np.uint16, copy=False)


@dataclass(frozen=True)
class CityscapesObject:
    """An instance, or a group of individuals, in a map of ids."""

    id: int
    """Its value in the map."""
    label_id: int
    area_px: int

    @property
    def is_group(self) -> bool:
        """Whether it is a group, which COCO calls a crowd."""
        return self.id < FIRST_INSTANCE_ID


def objects_in(id_HW: NDArray[np.uint16]) -> list[CityscapesObject]:
    """List instances and groups of all ten classes that have instances, by id; pixels of ``id_HW == object.id`` are its mask."""
    counts = pixels_by_id(id_HW)
    found = []
    for value in np.flatnonzero(counts).tolist():
        label_id = value if value < FIRST_INSTANCE_ID else value // FIRST_INSTANCE_ID
        if LABEL_BY_ID[label_id].has_instances:
            found.append(CityscapesObject(value, label_id, int(counts[value])))
    return found


def evaluated_instances(id_HW: NDArray[np.uint16]) -> list[CityscapesObject]:
    """List the instances of the eight evaluated classes, in the order of a frame's records (:func:`read_cityscapes`)."""
    evaluated = {label.id for label in INSTANCE_LABELS}
    return [one for one in objects_in(id_HW) if not one.is_group and one.label_id in evaluated]


def find_frames(root: Path, split: str) -> list[CityscapesFrame]:
    """List the frames of a split by name.

    Args:
        root: the folder that holds ``leftImg8bit`` and ``gtFine``.
        split: ``train`` or ``val``; other folder names are possible.

    Raises:
        InputError: no picture there, a picture without map of instance ids, or the other way round, or two of one name.
    """
    pictures, truth = root / IMAGES / split, root / TRUTH / split
    places: dict[str, Path] = {}
    for path in sorted(pictures.glob(f"*/*{IMAGE_SUFFIX}")):
        other = places.setdefault(path.name.removesuffix(IMAGE_SUFFIX), path)
        if other != path:
            raise InputError(f"{other} and {path} are pictures of the same name; keep one of them")
    if not places:
        raise InputError(
            f"there is no <city>/*{IMAGE_SUFFIX} in {pictures}; name the folder that holds Cityscapes' {IMAGES} and {TRUTH}"
        )
    frames = [
        CityscapesFrame(name, frame_paths(root, split, places[name].parent.name, name)) for name in sorted(places)
    ]
    for frame in frames:
        if not frame.paths.instances.is_file():
            raise InputError(f"there is no {frame.paths.instances}, which belongs to {frame.paths.image}; add it")
    known = {frame.paths.instances for frame in frames}
    for path in sorted(truth.glob(f"*/*{INSTANCE_SUFFIX}")):
        if path not in known:
            raise InputError(f"{path} has no picture in {pictures}; add the picture or remove its annotation")
    return frames


def read_cityscapes(frames: Sequence[CityscapesFrame], root: Path, segments: Segments = "things") -> LvisDataset:
    """Make the records that instance training and detection take, with exact masks from the maps of ids.

    Category ids are label ids, so that classes 0 to 7, or 0 to 18 with stuff, are in the order of Cityscapes' training ids. Counts and frequency
    groups are those of these frames.

    Args:
        frames: of :func:`find_frames`, perhaps a part of them.
        root: as there; paths of pictures in the records are below it.
        segments: whether regions of classes without instances are records, too, after the instances of their frame.

    Returns:
        Images 1, 2, ... in the order of ``frames``, whose file names tell the frames.

    Raises:
        InputError: a map is faulty, or a picture is of another size than its map.
    """
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        read = list(pool.map(partial(_read_frame, segments=segments), frames, range(1, len(frames) + 1)))
    images, by_image, num_before = [], {}, 0
    for number, (frame, (height, width, found)) in enumerate(zip(frames, read, strict=True), start=1):
        images.append(LvisImage(number, width, height, file_name=frame.paths.image.relative_to(root).as_posix()))
        by_image[number] = [replace(one, id=one.id + num_before) for one in found]
        num_before += len(found)
    return LvisDataset(_categories(by_image, classes_of(segments)), images, by_image, root)


def _read_frame(frame: CityscapesFrame, image_id: int, segments: Segments) -> tuple[int, int, list[LvisAnnotation]]:
    """Return height, width and the segments of the evaluated classes, numbered from 1."""
    id_HW = frame.read_instance_ids()
    _check_picture(frame, id_HW)
    # Masks are compressed column by column, which this order makes quick.
    id_WH = np.ascontiguousarray(id_HW.T)
    found = [
        annotation_from_mask(number, image_id, one.label_id, (id_WH == one.id).T)
        for number, one in enumerate(evaluated_instances(id_HW), start=1)
    ]
    if segments == "things_and_stuff":
        found += _stuff(frame, id_HW, image_id, len(found))
    return id_HW.shape[0], id_HW.shape[1], found


def _stuff(frame: CityscapesFrame, id_HW: LabelMap, image_id: int, num_before: int) -> list[LvisAnnotation]:
    """Return the regions of the classes without instances, in the order of the classes."""
    label_HW = read_labels(frame.paths.labels)
    check_same_size(id_HW, label_HW, frame.paths.labels)
    if holds_training_ids(label_HW, id_HW):
        raise InputError(f"{frame.paths.labels} {TRAINING_ID_FAULT}")
    label_WH = np.ascontiguousarray(label_HW.T)
    there = set(np.unique(label_HW).tolist())
    ids = [label.id for label in EVALUATED_LABELS if not label.has_instances and label.id in there]
    return [
        annotation_from_mask(number, image_id, id, (label_WH == id).T)
        for number, id in enumerate(ids, start=num_before + 1)
    ]


def _check_picture(frame: CityscapesFrame, id_HW: LabelMap) -> None:
    """Compare the sizes of picture and map, without decoding the picture."""
    from PIL import Image

    path = frame.paths.image
    try:
        with Image.open(path) as picture:
            width, height = picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); replace it") from error
    if (height, width) != id_HW.shape:
        raise InputError(
            f"{path} is {width}x{height} pixels and {frame.paths.instances} {id_HW.shape[1]}x{id_HW.shape[0]}; give both the same size"
        )


def _categories(by_image: dict[int, list[LvisAnnotation]], classes: Sequence[CityscapesLabel]) -> list[LvisCategory]:
    instances = Counter(one.category_id for listed in by_image.values() for one in listed)
    images = Counter(label for listed in by_image.values() for label in {one.category_id for one in listed})
    return [
        LvisCategory(label.id, label.name, frequency_group(images[label.id]), images[label.id], instances[label.id])
        for label in classes
    ]


def frame_of_image(image: LvisImage) -> str:
    """Return ``city_sequence_frame`` of a record of :func:`read_cityscapes`."""
    assert image.file_name is not None, "the reader names every file"
    return Path(image.file_name).name.removesuffix(IMAGE_SUFFIX)
