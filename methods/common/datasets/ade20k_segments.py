"""ADE20K's scene parsing data with the instances of its challenge of 2017: every thing one by one, every stuff class once.

    images/training/<name>.jpg                    and validation
    annotations/training/<name>.png               0 for void, else the class, counted from 1
    annotations_instance/training/<name>.png      R is the class of an instance, counted from 1 among the 100 things, G its number; 0 for none

Shape legend: H, W pixels; 3 RGB channels. Source: SegGen section 10; layout of both archives.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.label_conventions import ADE20K
from methods.common.datasets.labelled_images import check_size, list_pictures
from methods.common.datasets.pictures import read_header
from methods.common.datasets.png_labels import read_labels, read_rgb_ids
from methods.common.errors import InputError

IMAGES, LABELS, INSTANCES = "images", "annotations", "annotations_instance"
_STUFF = "1-7 10 12 14 17 18 22 26 27 29 30 35 41 47 49 52 53 55 60-62 64 69 78 80 85 92 95 97 100-102 106 107 110 114 115 118 123 129 132 141 142 146"
STUFF = frozenset(
    number
    for first, _, last in (part.partition("-") for part in _STUFF.split())
    for number in range(int(first), int(last or first) + 1)
)
"""Classes without instances, counted from 1 among the 150."""
THINGS = tuple(number for number in range(1, ADE20K.num_classes + 1) if number not in STUFF)
"""Which of the 150 classes each class of instances is; both are counted in the same order."""


class SceneSegment(NamedTuple):
    """One segment of an image."""

    id: int
    """In the image's map, from 1 on."""
    category_id: int
    """Class, counted from 1 among the 150."""
    area_px: int
    box: tuple[int, int, int, int]
    """Left, top, width, height."""


class SceneFiles(NamedTuple):
    """One image and both of its maps."""

    name: str
    image: Path
    labels: Path
    instances: Path


def list_scenes(folder: Path, split: str) -> list[SceneFiles]:
    """List a split, by name.

    Raises:
        InputError: a folder is missing or empty, or an image lacks one of its maps.
    """
    images = list_pictures(folder / IMAGES / split)
    if not images:
        raise InputError(f"{folder / IMAGES / split} holds no picture; unpack ADEChallengeData2016.zip there")
    maps = [list_pictures(folder / kind / split, (".png",)) for kind in (LABELS, INSTANCES)]
    for kind, found in zip((LABELS, INSTANCES), maps, strict=True):
        lacking = next((name for name in images if name not in found), None)
        if lacking is not None:
            raise InputError(
                f"{images[lacking]} has no map: there is no {folder / kind / split / lacking}.png; unpack the archive of {kind} again"
            )
    return [SceneFiles(name, path, maps[0][name], maps[1][name]) for name, path in images.items()]


def read_scene(files: SceneFiles) -> tuple[NDArray[np.uint16], list[SceneSegment]]:
    """Return an image's map of segments, [H, W] with 0 for void, and its segments.

    Stuff is what the map of labels says; instances lie over it. Pixels of a thing class that belong to no instance are void.

    Raises:
        InputError: a map is missing or damaged, sizes differ, a class is none of the 150 or of the 100, or an instance has two classes.
    Source: SegGen section 10.
    """
    label_HW = read_labels(files.labels)
    instance_HW = read_rgb_ids(files.instances) & np.uint32(0xFFFF)
    header = read_header(files.image)
    check_size(header, files.labels, label_HW.shape)
    check_size(header, files.instances, instance_HW.shape)
    if label_HW.max() > ADE20K.num_classes:
        raise InputError(
            f"{files.labels} holds label {int(label_HW.max())}, but scene parsing has the labels 0 to {ADE20K.num_classes}; take the archive "
            "ADEChallengeData2016"
        )
    parts: list[tuple[int, NDArray[np.bool_]]] = [
        (number, label_HW == number) for number in np.unique(label_HW).tolist() if number in STUFF
    ]
    parts += _instances(instance_HW, files.instances)
    segment_HW = np.zeros(label_HW.shape, np.uint16)
    for place, (_, mask_HW) in enumerate(parts, start=1):
        segment_HW[mask_HW] = place
    return segment_HW, list(_segments(segment_HW, [number for number, _ in parts]))


def _instances(instance_HW: NDArray[np.uint32], path: Path) -> list[tuple[int, NDArray[np.bool_]]]:
    """Return class and mask of each instance, by number; a pixel's value is its class and 256 times its number."""
    found: dict[int, tuple[int, NDArray[np.bool_]]] = {}
    for value in np.unique(instance_HW).tolist():
        number, place = divmod(value, 256)
        if number == 0:
            continue
        if not 1 <= place <= len(THINGS):
            raise InputError(
                f"{path}: instance {number} is of class {place}, but instances have the classes 1 to {len(THINGS)}; take the archive "
                "annotations_instance of the challenge of 2017"
            )
        if number in found:
            raise InputError(f"{path}: instance {number} has two classes; unpack the archive again")
        found[number] = (THINGS[place - 1], instance_HW == value)
    return [found[number] for number in sorted(found)]


def _segments(segment_HW: NDArray[np.uint16], numbers: Sequence[int]) -> list[SceneSegment]:
    """Describe what is left of each part; those that lie wholly below others are none."""
    made = []
    for id, number in enumerate(numbers, start=1):
        mask_HW = segment_HW == id
        rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
        if len(rows):
            box = (int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)
            made.append(SceneSegment(id, number, int(mask_HW.sum()), box))
    return made
