"""Frames from files: a Cityscapes folder, or a COCO annotation file with its images.

Everything is checked on the way in; a message names file and record.

Shape legend: H, W image in pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from methods.common.datasets.cityscapes import find_frames, objects_in
from methods.common.datasets.cityscapes_labels import LABEL_BY_ID
from methods.common.datasets.id_maps import MOST_IDS
from methods.common.datasets.lvis_checks import RecordTable
from methods.common.datasets.pictures import read_rgb
from methods.common.datasets.png_labels import check_same_size, read_labels
from methods.common.datasets.rle import decode_mask, polygons_to_rle, rle_fault, runs_to_rle
from methods.common.errors import InputError, reason
from methods.instance_synthesis.frames import (
    Frame,
    FrameInstance,
    Image,
    Mask,
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
        layout: ``cityscapes`` has ``leftImg8bit/<split>/<city>`` and ``gtFine/<split>/<city>``; ``coco`` has
            ``annotations/instances_<split>.json``, or ``<split>.json``, and the images in ``<split>``.
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


def coco_file(folder: Path, split: str) -> Path:
    """Return the annotation file of a split in COCO's layout.

    Raises:
        InputError: there is none.
    """
    places = [folder / "annotations" / f"instances_{split}.json", folder / f"{split}.json"]
    for place in places:
        if place.is_file():
            return place
    raise InputError(f"there is neither {places[0]} nor {places[1]}; name a folder in the layout of COCO")


class CocoFrames:
    """One split in the layout of COCO; the ids of a frame are numbers of its annotations, from 1 in the order of the file."""

    def __init__(self, folder: Path, split: str) -> None:
        file, self._root = coco_file(folder, split), folder
        raw = _read_json(file)
        images, annotations = (
            RecordTable(file, "image", raw["images"]),
            RecordTable(file, "annotation", raw["annotations"]),
        )
        categories = RecordTable(file, "category", raw["categories"])
        names = dict(zip(categories.unique_ids().tolist(), categories.values("name", (str,), "a name"), strict=True))
        self._folder, self._file = folder / split, file
        self.class_ids: Mapping[str, int] = {names[id]: id for id in sorted(names)}
        """Id of each class by its name, in the order of the ids."""
        sizes = [images.integers(side, 1).tolist() for side in ("height", "width")]
        files = images.values("file_name", (str,), "the image's file name")
        self._images = {
            str(id): (height, width, name)
            for id, height, width, name in zip(images.unique_ids().tolist(), *sizes, files, strict=True)
        }
        self._annotations: dict[str, list[tuple[str, bool, Any, str]]] = {name: [] for name in self._images}
        for index, (image, category) in enumerate(
            zip(annotations.integers("image_id"), annotations.integers("category_id"), strict=True)
        ):
            if str(image) not in self._images:
                annotations.blame(index, "image_id", f"is {image}, which is no image", "name an image of the file")
            if category not in names:
                annotations.blame(index, "category_id", f"is {category}, which is no class", "name a class of the file")
            record = annotations.records[index]
            crowd = bool(record.get("iscrowd", 0))
            where = f"{file}, annotation {record.get('id', f'number {index}')}"
            self._annotations[str(image)].append((names[int(category)], crowd, record.get("segmentation"), where))

    @property
    def names(self) -> Sequence[str]:
        """Ids of all images as text, in the order of the file."""
        return list(self._images)

    def image_path(self, name: str) -> Path:
        """Where the image of a frame lies: in the folder of its split, or, where its name holds that folder's, below the data set's."""
        file_name: str = self._images[name][2]
        inside = self._folder / file_name
        return inside if inside.is_file() else self._root / file_name

    def read(self, name: str, *, with_image: bool = True) -> Frame:
        """Read one frame.

        Raises:
            InputError: the image is missing or of another size, or an outline is faulty.
        """
        if name not in self._images:
            raise InputError(f"{self._file} has no image {name} any more; select the instances of the data again")
        height, width, _ = self._images[name]
        annotations = self._annotations[name]
        if len(annotations) >= MOST_IDS:
            raise InputError(
                f"{self._file}, image {name} has {len(annotations)} annotations; up to {MOST_IDS - 1} can be told apart"
            )
        masks = [_decode(segmentation, height, width, where) for _, _, segmentation, where in annotations]
        maps, layers = spread_over_maps(masks, height, width)
        instances = tuple(
            FrameInstance(number, layer, class_name, crowd)
            for number, (layer, (class_name, crowd, _, _)) in enumerate(zip(layers, annotations, strict=True), start=1)
        )
        return Frame(name, _load(self.image_path(name), height, width, with_image), maps, instances)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({reason(error)}); write it again") from error
    content: dict[str, Any] = raw if isinstance(raw, dict) else {}
    for key in ("images", "annotations", "categories"):
        if key not in content:
            raise InputError(f"{file} is no COCO file: it has no `{key}`; name a file of instances")
    return content


def _decode(segmentation: Any, height: int, width: int, where: str) -> Mask:
    """Rasterise an outline; parts outside of the image are cut off."""
    if isinstance(segmentation, list) and segmentation:
        sound = all(
            isinstance(polygon, list)
            and len(polygon) >= 6
            and len(polygon) % 2 == 0
            and all(type(number) in (int, float) and np.isfinite(number) for number in polygon)
            for polygon in segmentation
        )
        if not sound:
            raise InputError(f"{where}: `segmentation` is no list of polygons of at least three points; draw it again")
        return decode_mask(polygons_to_rle([np.array(polygon, np.float64) for polygon in segmentation], height, width))
    fault = rle_fault(segmentation, height, width)
    if fault is not None:
        raise InputError(f"{where}: `segmentation` {fault}; write it again")
    counts = segmentation["counts"]
    return decode_mask(runs_to_rle(counts, height, width) if isinstance(counts, list) else segmentation)
