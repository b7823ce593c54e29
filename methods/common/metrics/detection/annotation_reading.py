"""From an annotation file in COCO's or LVIS' form to columns, with one set of checks for both (docs/metrics.md lists them).

Shape legend: N annotations in file order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from methods.common.compiled.library import library
from methods.common.compiled.masks import draw_masks
from methods.common.compiled.records import AnnotationRecords
from methods.common.compiled.records import read_annotations as read_plain
from methods.common.datasets.lvis_checks import FIELDS, RecordTable, references
from methods.common.datasets.outline_rules import are_points, faulty_outlines, outline_fault
from methods.common.datasets.record_rules import (
    AREA_REMEDY,
    BOX_REMEDY,
    MASK_PIXELS_BELOW,
    absence,
    faulty_areas,
    faulty_boxes,
    look_alikes,
)
from methods.common.datasets.rle import has_size, join_texts, rle_fault, runs_to_rle, sum_runs
from methods.common.errors import InputError, reason
from methods.common.metrics.detection.annotations import Annotations, mask_areas, rasterise
from methods.common.metrics.detection.file_workers import Workers
from methods.common.metrics.detection.ground_truth import Canvas, Floats, distinct
from methods.common.metrics.detection.json_columns import FilePart, parts_of_annotations


class Layout(Protocol):
    """What a file holds beside its annotations."""

    @property
    def canvas(self) -> Canvas:
        """Its images and classes."""


LayoutT = TypeVar("LayoutT", bound=Layout)
ReadLayout = Callable[[Path, dict[str, Any]], LayoutT]
"""Reads and checks the images and categories of a file, given its content."""


def read_annotations(
    file: Path, kind: str, read_layout: ReadLayout[LayoutT], with_masks: bool, workers: Workers
) -> tuple[LayoutT, Annotations]:
    """Read and check an annotation file.

    Args:
        file: the file.
        kind: `COCO` or `LVIS`, for messages.
        read_layout: reads what is not annotations.
        with_masks: whether masks are read and drawn; boxes and areas always are.
        workers: that share the work on large files.

    Raises:
        InputError: the file is unreadable or of another form, or a record is faulty; the message names file and record.
    """
    return _read_parts(file, kind, read_layout, with_masks, workers) or _read_whole(file, kind, read_layout, with_masks)


def _read_parts(
    file: Path, kind: str, read_layout: ReadLayout[LayoutT], with_masks: bool, workers: Workers
) -> tuple[LayoutT, Annotations] | None:
    found = None if library() is None else parts_of_annotations(file, workers.part_bytes(file))
    if found is None:
        return None
    rest, parts = found
    layout = _layout(file, kind, rest, read_layout, with_masks)
    stretches = []
    for answer in workers.map(_read_part, parts, (layout.canvas, with_masks)):
        if answer is None:  # a fault, to be named with all records at hand
            return None
        stretches.append(answer)
    annotations = Annotations.concatenate(stretches, with_masks)
    return None if len(distinct(annotations.id_N)) < len(annotations.id_N) else (layout, annotations)


def _read_whole(
    file: Path, kind: str, read_layout: ReadLayout[LayoutT], with_masks: bool
) -> tuple[LayoutT, Annotations]:
    try:
        content: Any = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}); name an existing {kind} annotation file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not readable JSON ({reason(error)}); download or write it again") from error
    layout = _layout(file, kind, content, read_layout, with_masks)
    table = RecordTable(file, "annotation", content["annotations"])
    table.unique_ids()
    return layout, _from_records(table, layout.canvas, with_masks)


def _layout(file: Path, kind: str, content: Any, read_layout: ReadLayout[LayoutT], with_masks: bool) -> LayoutT:
    for key in ("images", "categories", "annotations"):
        records = content.get(key) if isinstance(content, dict) else None
        if not isinstance(records, list):
            other = content if isinstance(content, dict) else {}
            near = "" if key in other else absence(key, other).removeprefix("is missing")
            raise InputError(
                f"{file} is not a {kind} file: it has no list `{key}`{near}; name a {kind} annotation file"
            )
        if not records and key != "annotations":
            raise InputError(f"{file}: `{key}` is empty; list at least one")
    layout = read_layout(file, content)
    canvas = layout.canvas
    if with_masks and (canvas.height_I * canvas.width_I >= MASK_PIXELS_BELOW).any():
        place = int(np.argmax(canvas.height_I * canvas.width_I))
        raise InputError(
            f"{file}, image {canvas.image_id_I[place]}: is {canvas.width_I[place]} x {canvas.height_I[place]} pixels; masks of "
            f"2^29 ({MASK_PIXELS_BELOW}) pixels or more are not read; score boxes, or scale image and masks down"
        )
    return layout


def _read_part(part: FilePart, context: tuple[Canvas, bool]) -> Annotations | None:
    (canvas, with_masks), text = context, part.read()
    records = read_plain(text, with_outlines=with_masks)
    if records is None or look_alikes(records.other_names, _fields(with_masks)):
        return None
    annotations = _from_columns(records, canvas, with_masks)
    if annotations is None or not records.encoded:
        return annotations
    # Crowds have run-length masks among the outlines of the others.
    places, spans = zip(*records.encoded, strict=True)
    try:
        encoded = [json.loads(text[span].tobytes()) for span in spans]
        others = _from_records(RecordTable(part.file, "annotation", encoded), canvas, with_masks)
    except InputError:
        return None
    num_records = len(records.id_N) + len(places)
    place_N = np.concatenate([np.delete(np.arange(num_records), places), places])
    return Annotations.concatenate([annotations, others], with_masks).reordered(np.argsort(place_N))


def _fields(with_masks: bool) -> list[str]:
    return [field for field in FIELDS["annotation"] if with_masks or field != "segmentation"]


def _from_columns(records: AnnotationRecords, canvas: Canvas, with_masks: bool) -> Annotations | None:
    image_N, class_N = canvas.images_of(records.image_id_N), canvas.classes_of(records.category_id_N)
    if image_N is None or class_N is None or faulty_areas(records.area_N).any() or faulty_boxes(records.box_N4).any():
        return None
    texts: Any = (None, None)
    extent_N = records.box_N4[:, 2] * records.box_N4[:, 3]
    if with_masks:
        outlines = records.num_outlines_N, records.number_X, records.end_O1
        if not are_points(np.diff(records.end_O1)):
            return None
        image_O = np.repeat(image_N, records.num_outlines_N)
        if faulty_outlines(*outlines[1:], canvas.height_I[image_O], canvas.width_I[image_O]).any():
            return None
        *texts, extent_N = draw_masks(*outlines, canvas.height_I[image_N], canvas.width_I[image_N])
    flags = records.ignore_N, records.crowd_N
    return Annotations(records.id_N, image_N, class_N, records.area_N, records.box_N4, *flags, extent_N, *texts)


def _from_records(table: RecordTable, canvas: Canvas, with_masks: bool) -> Annotations:
    if not table.records:
        return Annotations.concatenate([], with_masks)
    table.check_names(_fields(with_masks))
    image_N = references(table, "image_id", canvas.image_id_I)
    class_N = references(table, "category_id", canvas.class_id_K)
    area_N = table.numbers("area")
    table.blame_first(faulty_areas(area_N), "area", "is negative, not finite or beyond 2^53", AREA_REMEDY)
    box_N4 = _boxes(table)
    sizes = zip(canvas.height_I[image_N].tolist(), canvas.width_I[image_N].tolist(), strict=True)
    texts: Any = (None, None)
    extent_N = box_N4[:, 2] * box_N4[:, 3]
    if with_masks:
        texts = join_texts(_texts(table, list(sizes)))
        extent_N = mask_areas(texts[0], texts[1])
    ignore_N, crowd_N = table.flags("ignore"), table.flags("iscrowd")
    return Annotations(table.integers("id"), image_N, class_N, area_N, box_N4, ignore_N, crowd_N, extent_N, *texts)


def _boxes(table: RecordTable) -> Floats:
    values = table.values("bbox", (list,), "a box [x, y, width, height]")
    for index, box in enumerate(values):
        if len(box) != 4 or not _are_finite(box):
            table.blame(index, "bbox", f"is {box!r:.60}", BOX_REMEDY)
    box_N4 = np.array(values, np.float64).reshape(-1, 4)
    faulty_N = faulty_boxes(box_N4)
    if faulty_N.any():
        index = int(np.argmax(faulty_N))
        table.blame(index, "bbox", f"is {values[index]!r:.60}", BOX_REMEDY)
    return box_N4


def _are_finite(values: Sequence[Any]) -> bool:
    if not {int, float}.issuperset(map(type, values)):
        return False
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # a whole number beyond all floats
        return False


def _texts(table: RecordTable, sizes: Sequence[tuple[int, int]]) -> list[bytes]:
    """Compress each record's mask; texts that are compressed already are checked all at once."""
    texts: list[bytes] = [b""] * len(sizes)
    coded = []
    for index, (record, (height, width)) in enumerate(zip(table.records, sizes, strict=True)):
        shape = record.get("segmentation")
        counts = shape.get("counts") if isinstance(shape, dict) else None
        if isinstance(shape, dict) and isinstance(counts, str) and has_size(shape, height, width):
            texts[index] = counts.encode("utf-8", "replace")
            coded.append(index)
        else:
            texts[index] = _text(table, index, height, width)
    sums = sum_runs([texts[index] for index in coded])
    pixels = np.array([math.prod(sizes[index]) for index in coded], np.int64)
    faulty = np.flatnonzero(~sums.sound | (sums.covered != pixels))
    if len(faulty):
        index = coded[faulty[0]]
        fault = rle_fault(table.records[index]["segmentation"], *sizes[index])
        table.blame(index, "segmentation", fault or "cannot be read", _SHAPE)
    return texts


def _text(table: RecordTable, index: int, height: int, width: int) -> bytes:
    """Compress one record's mask."""
    shape = table.records[index].get("segmentation")
    if isinstance(shape, list):
        return rasterise(_outlines(table, index, shape, height, width), [len(shape)], height, width)[0]
    if shape is None:
        table.blame(index, "segmentation", "is missing", _SHAPE)
    fault = rle_fault(shape, height, width)
    if fault:
        table.blame(index, "segmentation", fault, _SHAPE)
    counts = shape["counts"]
    return str(runs_to_rle(counts, height, width)["counts"] if isinstance(counts, list) else counts).encode()


def _outlines(table: RecordTable, index: int, shape: Sequence[Any], height: int, width: int) -> list[Floats]:
    if not shape:
        table.blame(index, "segmentation", "is empty", _SHAPE)
    for number, outline in enumerate(shape, start=1):
        fault = outline_fault(outline, height, width)
        if fault:
            table.blame(index, "segmentation", f"outline {number} of {len(shape)} {fault}", _SHAPE)
    return [np.array(outline, np.float64) for outline in shape]


_SHAPE = "write polygons [[x0, y0, x1, y1, ...], ...] or a mask with `size` and `counts`"
