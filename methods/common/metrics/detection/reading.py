"""From a results file, or records in memory, to measured detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from methods.common.compiled.library import library
from methods.common.compiled.records import read_detections
from methods.common.datasets.record_rules import faulty_boxes
from methods.common.metrics.detection.detections import DetectionTable
from methods.common.metrics.detection.file_workers import Workers
from methods.common.metrics.detection.ground_truth import GroundTruth
from methods.common.metrics.detection.json_columns import FilePart, parts_of_list
from methods.common.metrics.detection.overlaps import DetectionColumns, Measured, Overlap, measure
from methods.common.metrics.evaluation import Progress


def read_and_measure(
    detections: Path | Sequence[Mapping[str, Any]],
    ground_truth: GroundTruth,
    overlap: Overlap,
    workers: Workers,
    progress: Progress | None = None,
) -> Measured:
    """Check detections and measure how they overlap the ground truth.

    A file is worked on in parts of at most 8 MiB, so that memory holds the ground truth in each process, about
    100 MiB a process for its part, and about 60 bytes a detection here.

    Raises:
        InputError: a detection is faulty; the message names file and record.
    """
    measured = None
    if isinstance(detections, Path):
        measured = _measure_file(detections, ground_truth, overlap, workers, progress)
    if measured is None:  # records in memory, a file of an unusual form, or one with a fault to be named
        canvas = ground_truth.canvas
        sizes = zip(canvas.height_I.tolist(), canvas.width_I.tolist(), strict=True)
        image_sizes = dict(zip(canvas.image_id_I.tolist(), sizes, strict=True))
        table = DetectionTable(detections, image_sizes, canvas.class_id_K.tolist())
        measured = measure(ground_truth, table.columns(canvas, with_masks=overlap != "bbox"), overlap)
        assert measured is not None, "the table checks masks"
    return measured


def _measure_file(
    file: Path, ground_truth: GroundTruth, overlap: Overlap, workers: Workers, progress: Progress | None
) -> Measured | None:
    parts = None if library() is None else parts_of_list(file, workers.part_bytes(file))
    if parts is None:
        return None
    num_images, stretches = len(ground_truth.canvas.image_id_I), []
    for number, answer in enumerate(workers.map(_measure_part, parts, (ground_truth, overlap)), start=1):
        if answer is None:
            return None
        stretches.append(answer)
        if progress is not None:
            progress(num_images * number // len(parts), num_images)
    return Measured.concatenate(stretches)


def _measure_part(part: FilePart, context: tuple[GroundTruth, Overlap]) -> Measured | None:
    ground_truth, overlap = context
    columns = _read_part(part, ground_truth, with_masks=overlap != "bbox")
    return None if columns is None else measure(ground_truth, columns, overlap)


def _read_part(part: FilePart, ground_truth: GroundTruth, with_masks: bool) -> DetectionColumns | None:
    """Read a part; None where a record is not as the official format has it."""
    records = read_detections(part.read(), with_masks)
    if records is None:
        return None
    canvas, score_N, box_N4 = ground_truth.canvas, records.score_N, records.box_N4
    image_N, class_N = canvas.images_of(records.image_id_N), canvas.classes_of(records.category_id_N)
    if image_N is None or class_N is None:
        return None
    if box_N4 is not None:
        if faulty_boxes(box_N4).any():
            return None
        return DetectionColumns(image_N, class_N, score_N, box_N4, box_N4[:, 2] * box_N4[:, 3])
    assert records.size_N2 is not None
    height_N, width_N = records.size_N2.T
    if (height_N != canvas.height_I[image_N]).any() or (width_N != canvas.width_I[image_N]).any():
        return None
    return DetectionColumns(image_N, class_N, score_N, None, None, records.text_C, records.text_offset_N1)
