"""COCO ground truth for matching, checked where pycocotools would fail or quietly misread it.

Shape legend: N annotations in file order; K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.common.datasets.lvis_checks import RecordTable
from methods.common.datasets.record_rules import LARGEST_SIDE_PX
from methods.common.metrics.detection.annotation_reading import read_annotations
from methods.common.metrics.detection.file_workers import Workers
from methods.common.metrics.detection.ground_truth import Canvas, GroundTruth, Ints
from methods.common.metrics.detection.overlaps import Overlap
from methods.common.metrics.detection.remarks import annotation_remarks


@dataclass(frozen=True)
class CocoGroundTruth:
    """A checked annotation file."""

    ground_truth: GroundTruth
    class_names: list[str]
    """In the order of class indices; empty texts where the file has none."""
    num_annotations: int
    num_annotations_K: Ints
    """Of each class, crowds included."""
    remarks: tuple[str, ...]
    """What is odd about the file."""


@dataclass(frozen=True)
class _Layout:
    canvas: Canvas
    class_names: list[str]


def read_ground_truth(file: Path, overlap: Overlap, workers: Workers) -> CocoGroundTruth:
    """Read and check COCO ground truth.

    Crowds are ignored and may be matched many times. The field `ignore` counts for Boundary AP only: pycocotools overwrites
    it with `iscrowd`, the reference implementation of Boundary AP takes both.

    Raises:
        InputError: the file is unreadable or not COCO, or a record is faulty; the message names file and record.
    """
    layout, annotations = read_annotations(file, "COCO", _read_layout, overlap != "bbox", workers)
    ignored_N = annotations.crowd_N | annotations.ignore_N if overlap == "boundary" else annotations.crowd_N
    everything = np.ones(len(ignored_N), bool)
    return CocoGroundTruth(
        annotations.ground_truth(layout.canvas, everything, ignored_N, annotations.crowd_N),
        layout.class_names,
        len(everything),
        np.bincount(annotations.class_N, minlength=layout.canvas.num_classes),
        annotation_remarks(annotations, ~ignored_N, ~ignored_N, overlap, "pycocotools"),
    )


def _read_layout(file: Path, content: dict[str, Any]) -> _Layout:
    images = RecordTable(file, "image", content["images"])
    categories = RecordTable(file, "category", content["categories"])
    class_ids = categories.unique_ids().tolist()
    names = {
        class_id: str(record.get("name", "")) for class_id, record in zip(class_ids, categories.records, strict=True)
    }
    canvas = Canvas.from_lists(
        images.unique_ids().tolist(),
        images.integers("height", 1, LARGEST_SIDE_PX).tolist(),
        images.integers("width", 1, LARGEST_SIDE_PX).tolist(),
        class_ids,
    )
    return _Layout(canvas, [names[class_id] for class_id in canvas.class_id_K.tolist()])
