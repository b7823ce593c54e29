"""Reading COCO panoptic annotations and results: a JSON that lists each image's segments, and a PNG that draws them.

A pixel's segment id is R + 256 G + 65536 B; 0 is void. Source: the format descriptions of COCO's panoptic task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from methods.common.datasets.file_names import NamedFiles
from methods.common.datasets.record_rules import EXACT_BELOW, LARGEST_ID, absence, look_alikes, whole_fault
from methods.common.errors import InputError, reason

_ROAD_AND_SKYSCRAPER = {
    140
    * (
        1 + 256 + 65536
    ): "MaskFormer's first preparation of ADE20K gave road and skyscraper one id; prepare the data again"
}
"""Source: SegGen section 4.2."""


class PanopticCategory(NamedTuple):
    """One class."""

    id: int
    name: str
    is_thing: bool


class Segment(NamedTuple):
    """One segment as the JSON lists it."""

    id: int
    category: int
    """Index of the category, in the order of the ground truth's list."""
    is_crowd: bool
    area_px: float | None
    """What the file says; None in results, which need not say it."""


class PanopticImage(NamedTuple):
    """One image's segments and the PNG that draws them."""

    image_id: int | str
    png: Path
    segments: tuple[Segment, ...]


class PanopticTruth(NamedTuple):
    """What a ground truth holds."""

    categories: tuple[PanopticCategory, ...]
    images: list[PanopticImage]
    picture_names: dict[int | str, str]
    """File name of an image's picture by its id, as far as the file lists them."""


def read_panoptic_truth(path: Path, folder: Path) -> tuple[tuple[PanopticCategory, ...], list[PanopticImage]]:
    """Read ground truth: categories and images in the file's order.

    Args:
        path: panoptic JSON with `categories` and `annotations`.
        folder: where its PNG files are.

    Raises:
        InputError: the file or folder is missing or faulty; the message names file, record and field.
    """
    truth = read_panoptic_document(path, folder)
    return truth.categories, truth.images


def read_panoptic_document(path: Path, folder: Path) -> PanopticTruth:
    """Read all of a ground truth; arguments and errors as for :func:`read_panoptic_truth`."""
    document = _load(path, folder)
    categories = tuple(
        PanopticCategory(
            _whole(record, "id", f"{path}, category {number}"),
            str(record.get("name", record["id"])),
            bool(_flag(record, "isthing", f"{path}, category {number}")),
        )
        for number, record in enumerate(_list(document, "categories", path))
    )
    if not categories:
        raise InputError(f"{path} has no categories; give a panoptic ground truth with at least one")
    _refuse_twice([category.id for category in categories], f"{path}: category id")
    images = _images(document, path, folder, {category.id: index for index, category in enumerate(categories)}, True)
    if not images:
        raise InputError(f"{path} has no annotations; give a panoptic ground truth with at least one image")
    return PanopticTruth(categories, images, _picture_names(document, path))


def read_panoptic_results(path: Path, folder: Path, index_of_category: Mapping[int, int]) -> list[PanopticImage]:
    """Read results, whose categories are the ground truth's; arguments and errors as for :func:`read_panoptic_truth`."""
    return _images(_load(path, folder), path, folder, index_of_category, False)


def _images(
    document: dict[str, Any], path: Path, folder: Path, index_of_category: Mapping[int, int], is_truth: bool
) -> list[PanopticImage]:
    images, pngs = [], NamedFiles(folder)
    for number, record in enumerate(_list(document, "annotations", path)):
        where = f"{path}, annotation {number}"
        image_id = _image_id(record, where)
        where = f"{path}, image {image_id!r}"
        segments = tuple(
            _segment(segment, index_of_category, where, is_truth) for segment in _list(record, "segments_info", where)
        )
        _refuse_twice([segment.id for segment in segments], f"{where}: segment id", _ROAD_AND_SKYSCRAPER)
        images.append(PanopticImage(image_id, pngs.find(_field(record, "file_name", (str,), where)), segments))
    _refuse_twice([image.image_id for image in images], f"{path}: image_id")
    return images


def _picture_names(document: dict[str, Any], path: Path) -> dict[int | str, str]:
    names: dict[int | str, str] = {}
    records = [] if document.get("images") is None else _list(document, "images", path)
    for number, record in enumerate(records):
        where = f"{path}, entry {number} of `images`"
        name = _field(record, "file_name", (str,), where)
        key = _field(record, "id", (int, float, str), where)
        names[key if isinstance(key, str) else _whole(record, "id", where)] = name
    return names


def _image_id(record: Any, where: str) -> int | str:
    """Return a number or a text; annotations of Cityscapes name images by texts."""
    if isinstance(_field(record, "image_id", (int, float, str), where), str):
        return str(record["image_id"])
    return _whole(record, "image_id", where)


def _segment(record: Any, index_of_category: Mapping[int, int], where: str, is_truth: bool) -> Segment:
    segment_id = _whole(record, "id", f"{where}, a segment")
    where = f"{where}, segment {segment_id}"
    if not 0 < segment_id < 1 << 24:
        raise InputError(f"{where}: field `id` must be from 1 to 16777215; 0 is void")
    category_id = _whole(record, "category_id", where)
    if category_id not in index_of_category:
        raise InputError(
            f"{where}: field `category_id` is {category_id}, which is no category of the ground truth; correct it"
        )
    area_px = _area_px(record, where) if is_truth else None
    return Segment(segment_id, index_of_category[category_id], is_truth and _is_crowd(record, where), area_px)


def _is_crowd(record: dict[str, Any], where: str) -> bool:
    is_crowd = record.get("iscrowd") is not None and bool(_flag(record, "iscrowd", where))
    for name in look_alikes(record.keys() - _USUAL_FIELDS, ["iscrowd"]):
        if "iscrowd" not in record or record[name] != is_crowd:
            raise InputError(
                f"{where}: field `{name}` looks like `iscrowd`, which alone is read; call it `iscrowd`, or take it out"
            )
    return is_crowd


_USUAL_FIELDS = frozenset({"id", "category_id", "area", "bbox", "iscrowd"})


def _area_px(record: Any, where: str) -> float:
    area_px = _field(record, "area", (int, float), where)
    if not 0 <= area_px < EXACT_BELOW:  # as of `faulty_areas`; not a number neither
        raise InputError(f"{where}: field `area` is {area_px!r:.40}; write the segment's number of pixels")
    return float(area_px)


def _whole(record: Any, field: str, where: str) -> int:
    """Return a whole number from 0; `1.0` is 1."""
    if type(record) is dict and type(value := record.get(field)) is int and 0 <= value <= LARGEST_ID:
        return int(value)  # nearly always
    value = _field(record, field, (int, float), where)
    fault = whole_fault(value)
    if fault is not None:
        raise InputError(f"{where}: field `{field}` {fault[0]}; {fault[1]}")
    return int(value)


def _flag(record: Any, field: str, where: str) -> int:
    value = _field(record, field, (int, float, bool, str), where)
    if value not in (0, 1):
        raise InputError(f"{where}: field `{field}` is {value!r:.40}; write 0 or 1")
    return int(value)


def _load(path: Path, folder: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a panoptic JSON file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({reason(error)}); give a panoptic JSON file") from error
    if not isinstance(document, dict):
        raise InputError(
            f"{path} is not a panoptic file: it holds no object with `annotations`; give a panoptic JSON file"
        )
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} with the PNG files of {path}; say where they are")
    return document


def _list(record: Any, field: str, where: Path | str) -> list[Any]:
    value = record.get(field) if isinstance(record, dict) else None
    if not isinstance(value, list):
        raise InputError(f"{where}: field `{field}` must be a list; give a panoptic JSON file")
    return value


def _field(record: Any, field: str, kinds: tuple[type, ...], where: str) -> Any:
    value = record.get(field) if isinstance(record, dict) else None
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        if isinstance(record, dict) and field not in record:
            missing = absence(field, record, ("id", "image_id", "category_id"))
            raise InputError(f"{where}: field `{field}` {missing}; it must be there, of type {wanted}")
        raise InputError(f"{where}: field `{field}` is {value!r}; it must be of type {wanted}")
    return value


def _refuse_twice(values: list[Any], what: str, known: Mapping[int, str] = MappingProxyType({})) -> None:
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise InputError(f"{what} {twice!r} stands twice; {known.get(twice, 'keep one')}")
