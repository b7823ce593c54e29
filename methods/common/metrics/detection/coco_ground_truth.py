"""COCO ground truth for matching, checked where pycocotools would fail or quietly misread it.

Shape legend: N annotations in file order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.common.datasets.lvis_checks import RecordTable, references
from methods.common.datasets.rle import join_texts, rle_fault, runs_to_rle
from methods.common.errors import InputError, reason
from methods.common.metrics.detection.annotations import Annotations, PlainAnnotations, rasterise
from methods.common.metrics.detection.file_workers import Workers
from methods.common.metrics.detection.ground_truth import Bools, Canvas, Floats, GroundTruth, distinct
from methods.common.metrics.detection.json_columns import FilePart, parts_of_annotations, read_records
from methods.common.metrics.detection.overlaps import Overlap


@dataclass(frozen=True)
class CocoGroundTruth:
    """A checked annotation file."""

    ground_truth: GroundTruth
    class_names: list[str]
    """In the order of class indices; empty texts where the file has none."""
    num_annotations: int


def read_ground_truth(file: Path, overlap: Overlap, workers: Workers) -> CocoGroundTruth:
    """Read and check COCO ground truth.

    Crowds are ignored and may be matched many times. The field `ignore` counts for Boundary AP only: pycocotools overwrites
    it with `iscrowd`, the reference implementation of Boundary AP takes both.

    Raises:
        InputError: the file is unreadable or not COCO, or a record is faulty; the message names file and record.
    """
    with_masks = overlap != "bbox"
    found = _read_parts(file, with_masks, workers) or _read_whole(file, with_masks)
    rest, canvas, annotations = found
    if (annotations.id_N == 0).any():
        raise InputError(
            f"{file}, annotation 0: field `id` is 0, which the official evaluator takes for 'not matched'; "
            "number annotations from 1"
        )
    ignored_N = annotations.crowd_N | annotations.ignore_N if overlap == "boundary" else annotations.crowd_N
    everything = np.ones(len(ignored_N), bool)
    ground_truth = annotations.ground_truth(canvas, everything, ignored_N, annotations.crowd_N)
    names = {record["id"]: str(record.get("name", "")) for record in rest["categories"]}
    return CocoGroundTruth(ground_truth, [names[class_id] for class_id in canvas.class_id_K.tolist()], len(everything))


_Found = tuple[dict[str, Any], Canvas, Annotations]


def _read_parts(file: Path, with_masks: bool, workers: Workers) -> _Found | None:
    found = parts_of_annotations(file, workers.part_bytes(file))
    if found is None:
        return None
    rest, parts = found
    canvas = _canvas(file, rest)
    stretches = []
    for answer in workers.map(_read_part, parts, (canvas, with_masks)):
        if answer is None:  # a fault, to be named with all records at hand
            return None
        stretches.append(answer)
    annotations = Annotations.concatenate(stretches, with_masks)
    return None if len(distinct(annotations.id_N)) < len(annotations.id_N) else (rest, canvas, annotations)


def _read_whole(file: Path, with_masks: bool) -> _Found:
    try:
        content: Any = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); name an existing COCO annotation file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not readable JSON ({reason(error)}); download or write it again") from error
    canvas = _canvas(file, content)
    table = RecordTable(file, "annotation", _records(file, content, "annotations"))
    table.unique_ids()
    return content, canvas, _from_records(table, canvas, with_masks)


def _records(file: Path, content: Any, key: str) -> list[Any]:
    """Return one list of the file.

    Raises:
        InputError: the file has no such list of objects.
    """
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list):
        raise InputError(f"{file} is not a COCO file: it has no list `{key}`; name a COCO annotation file")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise InputError(f"{file}: entry {number} of `{key}` is {record!r:.40}, no object; write one record each")
    return records


def _canvas(file: Path, content: dict[str, Any]) -> Canvas:
    for key in ("images", "categories"):
        if not _records(file, content, key):
            raise InputError(f"{file}: `{key}` is empty; list at least one")
    images = RecordTable(file, "image", content["images"])
    categories = RecordTable(file, "category", content["categories"])
    return Canvas.from_lists(
        images.unique_ids().tolist(),
        images.integers("height", 1).tolist(),
        images.integers("width", 1).tolist(),
        categories.unique_ids().tolist(),
    )


def _read_part(part: FilePart, context: tuple[Canvas, bool]) -> Annotations | None:
    canvas, with_masks = context
    plain = PlainAnnotations.read(part, with_outlines=with_masks)
    if plain is not None:
        return _from_columns(plain, canvas, with_masks)
    records = read_records(part)  # crowds have run-length masks among the outlines of the others
    if records is None:
        return None
    try:
        return _from_records(RecordTable(part.file, "annotation", records), canvas, with_masks)
    except InputError:
        return None


def _from_columns(plain: PlainAnnotations, canvas: Canvas, with_masks: bool) -> Annotations | None:
    image_N, class_N = canvas.images_of(plain.image_id_N), canvas.classes_of(plain.category_id_N)
    length_O = np.diff(plain.end_O1)
    if image_N is None or class_N is None or (length_O < 6).any() or (length_O % 2 == 1).any():
        return None
    if (plain.id_N < 0).any():
        return None
    if not (np.isfinite(plain.number_X).all() and _are_sizes(plain.area_N) and np.isfinite(plain.box_N4).all()):
        return None
    if with_masks and not plain.num_outlines_N.all():
        return None
    return plain.placed(canvas, image_N, class_N, with_masks)


def _are_sizes(area_N: Floats) -> bool:
    return bool((np.isfinite(area_N) & (area_N >= 0)).all())


def _from_records(table: RecordTable, canvas: Canvas, with_masks: bool) -> Annotations:
    if not table.records:
        return Annotations.concatenate([], with_masks)
    image_N = references(table, "image_id", canvas.image_id_I)
    class_N = references(table, "category_id", canvas.class_id_K)
    area_N = table.numbers("area")
    table.blame_first(
        ~(np.isfinite(area_N) & (area_N >= 0)), "area", "is negative or not finite", "write square pixels"
    )
    box_N4 = _boxes(table)
    sizes = zip(canvas.height_I[image_N].tolist(), canvas.width_I[image_N].tolist(), strict=True)
    texts: Any = (None, None)
    if with_masks:
        texts = join_texts([_text(table, index, *size) for index, size in enumerate(sizes)])
    ignore_N, crowd_N = _flags(table, "ignore"), _flags(table, "iscrowd")
    return Annotations(table.integers("id"), image_N, class_N, area_N, box_N4, ignore_N, crowd_N, *texts)


def _boxes(table: RecordTable) -> Floats:
    values = table.values("bbox", (list,), _BOX)
    for index, box in enumerate(values):
        if len(box) != 4 or not _are_finite(box):
            table.blame(index, "bbox", f"is {box!r:.60}", f"write {_BOX} with finite numbers")
    return np.array(values, np.float64).reshape(-1, 4)


def _are_finite(values: list[Any]) -> bool:
    if not _NUMBERS.issuperset(map(type, values)):
        return False
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # a whole number beyond all floats
        return False


_NUMBERS = {int, float}
_BOX = "a box [x, y, width, height]"


def _flags(table: RecordTable, field: str) -> Bools:
    values = [0 if record.get(field) is None else record[field] for record in table.records]
    for index, value in enumerate(values):
        if value not in (0, 1):
            table.blame(index, field, f"is {value!r:.40}", "write 0 or 1")
    return np.array(values, bool)


def _text(table: RecordTable, index: int, height: int, width: int) -> bytes:
    """Compress one record's mask."""
    shape = table.records[index].get("segmentation")
    if isinstance(shape, list):
        return rasterise(_outlines(table, index, shape), [len(shape)], height, width)[0]
    fault = rle_fault(shape, height, width)
    if fault or not isinstance(shape, dict):
        table.blame(index, "segmentation", fault or "is missing", _SHAPE)
    counts = shape["counts"]
    return str(runs_to_rle(counts, height, width)["counts"] if isinstance(counts, list) else counts).encode()


def _outlines(table: RecordTable, index: int, shape: Sequence[Any]) -> list[Floats]:
    for outline in shape or [None]:
        numbers = isinstance(outline, list) and _are_finite(outline)
        if not numbers or len(outline) < 6 or len(outline) % 2:
            table.blame(index, "segmentation", "is not a list of polygons of at least three points", _SHAPE)
    return [np.array(outline, np.float64) for outline in shape]


_SHAPE = "write polygons [x0, y0, x1, y1, ...] or a mask with `size` and `counts`"
