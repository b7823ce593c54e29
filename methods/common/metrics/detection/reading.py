"""From a results file, or records in memory, to measured detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from methods.common.datasets.record_rules import faulty_boxes
from methods.common.metrics.detection.annotations import boxes_of
from methods.common.metrics.detection.detections import DetectionTable
from methods.common.metrics.detection.file_workers import Workers
from methods.common.metrics.detection.ground_truth import GroundTruth
from methods.common.metrics.detection.json_columns import (
    FilePart,
    as_array,
    as_lists,
    lines_of,
    parts_of_list,
    read_table,
)
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
    parts = parts_of_list(file, workers.part_bytes(file))
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
    import pyarrow as pa

    mask = pa.struct([("size", pa.list_(pa.int64())), ("counts", pa.string())])
    fields = [pa.field(name, pa.int64(), nullable=False) for name in ("image_id", "category_id")]
    fields.append(pa.field("score", pa.float64(), nullable=False))
    shape = ("segmentation", mask) if with_masks else ("bbox", pa.list_(pa.float64()))
    table = read_table(lines_of(part), pa.schema([*fields, pa.field(*shape, nullable=False)]))
    if table is None:
        return None
    image_N = ground_truth.canvas.images_of(as_array(table["image_id"]))
    class_N = ground_truth.canvas.classes_of(as_array(table["category_id"]))
    score_N = as_array(table["score"])
    if image_N is None or class_N is None or not np.isfinite(score_N).all():
        return None
    column = table[shape[0]]
    if not with_masks:
        box_N4 = boxes_of(column)
        if box_N4 is None or faulty_boxes(box_N4).any():
            return None
        return DetectionColumns(image_N, class_N, score_N, box_N4, box_N4[:, 2] * box_N4[:, 3])
    size, counts = column.field("size"), column.field("counts")
    offset_N1, sides = as_lists(size)
    if size.null_count or counts.null_count or sides.null_count or (np.diff(offset_N1) != 2).any():
        return None
    size_N2 = as_array(sides).reshape(-1, 2)
    if (size_N2 != np.stack([ground_truth.canvas.height_I[image_N], ground_truth.canvas.width_I[image_N]], 1)).any():
        return None
    _, offsets, text = counts.buffers()
    text_offset_N1 = np.frombuffer(offsets, np.int32)[counts.offset : counts.offset + len(counts) + 1].astype(np.int64)
    text_C = np.frombuffer(text, np.uint8) if text is not None else np.zeros(0, np.uint8)
    return DetectionColumns(image_N, class_N, score_N, None, None, text_C, text_offset_N1)
