"""Detections in the official results format, checked once: lists of records or a results JSON.

Shape legend: N detections; H, W image; 4 box coordinates.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pycocotools import mask as coco_mask

from methods.common.datasets.record_rules import (
    BOX_REMEDY,
    absence,
    faulty_boxes,
    is_number,
    look_alikes,
    whole_numbers,
)
from methods.common.datasets.rle import Rle, encode_mask, has_size, join_texts, rle_fault, sum_runs
from methods.common.errors import InputError, reason
from methods.common.files import AnyPath, as_path
from methods.common.metrics.detection.ground_truth import Canvas
from methods.common.metrics.detection.overlaps import DetectionColumns

IouType = Literal["bbox", "segm"]

ImageSizes = Mapping[int, tuple[int, int]]
"""(height, width) by image id."""


def detections_to_results(
    image_id: int,
    boxes_xyxy_N4: ArrayLike,
    scores_N: ArrayLike,
    class_index_N: ArrayLike,
    class_ids: Sequence[int],
    masks: NDArray[np.bool_] | Sequence[Rle] | None = None,
) -> list[dict[str, Any]]:
    """Turn the detections of one image into official records, ready for `json.dump`.

    Args:
        image_id: id in the ground-truth file.
        boxes_xyxy_N4: corners x0, y0, x1, y1 in pixels of the original image.
        scores_N: in [0, 1].
        class_index_N: model classes 0..C-1.
        class_ids: category id of each class index (`LvisDataset.class_ids`).
        masks: bool (N, H, W) at the size of the original image, or one compressed mask each, or None.

    Returns:
        One record each: image_id, category_id, bbox as x, y, width, height, score, and segmentation (text counts).
    """
    boxes = np.asarray(boxes_xyxy_N4, np.float64).reshape(-1, 4)
    scores, classes = np.asarray(scores_N, np.float64), np.asarray(class_index_N, np.int64)
    assert len(boxes) == len(scores) == len(classes)
    assert masks is None or len(masks) == len(boxes)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    records: list[dict[str, Any]] = [
        {"image_id": int(image_id), "category_id": int(class_ids[index]), "bbox": box, "score": score}
        for box, score, index in zip(xywh.tolist(), scores.tolist(), classes.tolist(), strict=True)
    ]
    for record, mask in zip(records, [] if masks is None else masks, strict=masks is not None):
        record["segmentation"] = encode_mask(mask) if isinstance(mask, np.ndarray) else _text_counts(mask)
    return records


def _text_counts(rle: Mapping[str, Any]) -> Rle:
    counts = rle["counts"]
    text = counts.decode("latin-1") if isinstance(counts, bytes) else counts
    return Rle(size=[int(side) for side in rle["size"]], counts=text)


def file_or_records(detections: AnyPath | Sequence[Mapping[str, Any]]) -> Path | Sequence[Mapping[str, Any]]:
    """Tell the name of a results file from records in memory."""
    return as_path(detections) if isinstance(detections, str | Path) else detections


class DetectionTable:
    """Checked detections as columns, in the order they were given."""

    def __init__(
        self, detections: Path | Sequence[Mapping[str, Any]], image_sizes: ImageSizes, class_ids: Sequence[int]
    ) -> None:
        """Read and check ids and scores; boxes and masks are checked when they are asked for.

        Raises:
            InputError: the file is unreadable or not a list of records; unknown image or class; a score that is not a
                finite number. The message names file and record.
        """
        self.source = str(detections) if isinstance(detections, Path) else "the detections"
        self.records = _load(detections) if isinstance(detections, Path) else list(detections)
        self._image_sizes = image_sizes
        for index, record in enumerate(self.records):
            if not isinstance(record, Mapping):
                raise InputError(f"{self.source}: entry {index} is not an object; write one record a detection")
        self.image_id_N = self._known("image_id", set(image_sizes), "an image")
        self.category_id_N = self._known("category_id", set(class_ids), "a category")
        self.score_N = self._scores()

    def blame(self, index: int, field: str, fault: str, remedy: str) -> NoReturn:
        """Raise the one sentence about one record."""
        record = self.records[index]
        whose = f"image_id {record.get('image_id')!r:.30}, category_id {record.get('category_id')!r:.30}"
        raise InputError(f"{self.source}, detection {index} ({whose}): field `{field}` {fault}; {remedy}")

    def _values(self, field: str, accept: Callable[[type], bool], wanted: str) -> list[Any]:
        values = [record.get(field) for record in self.records]
        refused = {kind for kind in set(map(type, values)) if not accept(kind)}
        if refused:
            index = next(i for i, value in enumerate(values) if type(value) in refused)
            record = self.records[index]
            fault = f"is {values[index]!r:.60}" if field in record else absence(field, record, _OWN_FIELDS)
            self.blame(index, field, fault, f"write {wanted}")
        return values

    def _known(self, field: str, known: set[int], what: str) -> NDArray[np.int64]:
        values = self._values(field, is_number, f"the id of {what}")
        ids = whole_numbers(values)
        broken = next((index for index, number in enumerate(ids) if number is None), None)
        if broken is not None:
            self.blame(broken, field, f"is {values[broken]!r:.60}", f"write the id of {what}, a whole number")
        unknown = set(ids) - known
        if unknown:
            index = next(i for i, value in enumerate(ids) if value in unknown)
            self.blame(index, field, "is not in the ground truth", f"use the id of {what} of the annotation file")
        return np.array(ids, np.int64)

    def _scores(self) -> NDArray[np.float64]:
        values = self._values("score", is_number, "a number")
        score_N = np.fromiter(map(_as_float, values), np.float64, len(values))
        if not np.isfinite(score_N).all():
            index = int(np.argmin(np.isfinite(score_N)))
            self.blame(index, "score", f"is {score_N[index]}", "write a finite number")
        return score_N

    def boxes(self) -> NDArray[np.float64]:
        """Check and return the boxes x, y, width, height, float64 [N, 4]."""
        values = self._values("bbox", lambda kind: issubclass(kind, list | tuple | np.ndarray), "a box")
        kinds = set(map(type, chain.from_iterable(values)))
        if set(map(len, values)) - {4} or not all(map(is_number, kinds)):
            index = next(i for i, box in enumerate(values) if len(box) != 4 or not all(map(is_number, map(type, box))))
            self.blame(index, "bbox", f"is {values[index]!r:.60}", BOX_REMEDY)
        box_N4 = np.fromiter(map(_as_float, chain.from_iterable(values)), np.float64, 4 * len(values)).reshape(-1, 4)
        faulty = faulty_boxes(box_N4)
        if faulty.any():
            index = int(np.argmax(faulty))
            self.blame(index, "bbox", f"is {box_N4[index].tolist()}", BOX_REMEDY)
        return box_N4

    def masks(self) -> tuple[list[Rle], NDArray[np.int64]]:
        """Check and return the masks, compressed with text counts, and their areas in pixels."""
        masks: list[Rle] = []
        for index, value in enumerate(self._values("segmentation", lambda kind: issubclass(kind, Mapping), _WANTED)):
            height, width = self._image_sizes[int(self.image_id_N[index])]
            counts = value.get("counts")
            if not isinstance(counts, str | bytes) or not has_size(value, height, width):
                fault = rle_fault(dict(value), height, width)
                if fault:
                    self.blame(index, "segmentation", fault, _WANTED_SIZE)
                value = coco_mask.frPyObjects(dict(value), height, width)
            masks.append(_text_counts(value))
        sums = sum_runs([mask["counts"] for mask in masks])
        pixels = np.array([math.prod(mask["size"]) for mask in masks], np.int64)
        faulty = ~sums.sound | (sums.covered != pixels)
        if faulty.any():
            index = int(np.argmax(faulty))
            fault = rle_fault(masks[index], *masks[index]["size"])
            self.blame(index, "segmentation", fault or "cannot be read", _WANTED_SIZE)
        return masks, sums.area

    def columns(self, canvas: Canvas, with_masks: bool) -> DetectionColumns:
        """Check boxes or masks too, and return everything as columns.

        A list whose first record has no box stands for the boxes around its masks, which bring their own areas; that
        is how the official packages take it.
        """
        image_N, class_N = canvas.images_of(self.image_id_N), canvas.classes_of(self.category_id_N)
        assert image_N is not None
        assert class_N is not None
        if not with_masks and (not self.records or "bbox" in self.records[0] or "segmentation" not in self.records[0]):
            box_N4 = self.boxes()
            return DetectionColumns(image_N, class_N, self.score_N, box_N4, box_N4[:, 2] * box_N4[:, 3])
        masks, area_N = self.masks()
        text_C, offset_N1 = join_texts([mask["counts"] for mask in masks])
        if with_masks:
            return DetectionColumns(image_N, class_N, self.score_N, None, None, text_C, offset_N1)
        mixed = next((index for index, record in enumerate(self.records) if "bbox" in record), None)
        if mixed is not None:
            self.blame(
                mixed, "bbox", "is there, but the first detection has none", "give all detections boxes, or none"
            )
        for name in look_alikes(set().union(*self.records), ["bbox"]):
            index = next(index for index, record in enumerate(self.records) if name in record)
            self.blame(index, name, "looks like `bbox`, which alone is read", "call it `bbox`, or take it out")
        box_N4 = coco_mask.toBbox(masks).reshape(-1, 4)
        return DetectionColumns(image_N, class_N, self.score_N, box_N4, area_N.astype(np.float64))


_OWN_FIELDS = ("image_id", "category_id", "bbox", "segmentation", "score", "area", "id", "iscrowd")


def _as_float(value: Any) -> float:
    """Return a number as float; infinite where a whole number is beyond all floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


_WANTED = "a run-length mask with `size` and `counts`"
_WANTED_SIZE = "encode the mask anew, at the size of its image"


def _load(file: Path) -> list[Any]:
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); name an existing results file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not readable JSON ({reason(error)}); write the results again") from error
    if not isinstance(content, list):
        raise InputError(f"{file} is not a list of detections; write the official results format")
    return content
