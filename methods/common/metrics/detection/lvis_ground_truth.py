"""LVIS ground truth for matching: which instances take part, and what is known about the classes of each image.

Shape legend: I images; N annotations in file order; G instances that take part; K classes; Q keys (see `ground_truth.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.common.datasets.lvis import LvisCategory, LvisDataset, LvisImage, read_categories, read_images
from methods.common.datasets.lvis_checks import RecordTable
from methods.common.datasets.rle import join_texts
from methods.common.metrics.detection.annotation_reading import read_annotations
from methods.common.metrics.detection.annotations import Annotations, mask_areas
from methods.common.metrics.detection.detections import IouType
from methods.common.metrics.detection.file_workers import Workers
from methods.common.metrics.detection.ground_truth import Canvas, GroundTruth, Ints, distinct
from methods.common.metrics.detection.remarks import annotation_remarks


@dataclass(frozen=True)
class LvisGroundTruth:
    """A checked annotation file."""

    ground_truth: GroundTruth
    categories: list[LvisCategory]
    """In the order of class indices."""
    num_annotations: int
    num_annotations_K: Ints
    """Of each class, those without area included."""
    remarks: tuple[str, ...]
    """What is odd about the file."""


@dataclass(frozen=True)
class _Layout:
    canvas: Canvas
    images: Sequence[LvisImage]
    categories: Sequence[LvisCategory]

    @classmethod
    def of(cls, images: Sequence[LvisImage], categories: Sequence[LvisCategory]) -> _Layout:
        canvas = Canvas.from_lists(
            [image.id for image in images],
            [image.height for image in images],
            [image.width for image in images],
            [category.id for category in categories],
        )
        return cls(canvas, images, categories)


def read_ground_truth(ground_truth: Path | LvisDataset, iou_type: IouType, workers: Workers) -> LvisGroundTruth:
    """Read and check LVIS ground truth, by the rules of COCO's (see :mod:`annotation_reading`).

    Raises:
        InputError: the file is faulty; the message names file, record and field.
    """
    if isinstance(ground_truth, LvisDataset):
        layout = _Layout.of(ground_truth.images, ground_truth.classes)
        annotations = _of_dataset(ground_truth, layout.canvas, iou_type == "segm")
    else:
        layout, annotations = read_annotations(ground_truth, "LVIS", _read_layout, iou_type == "segm", workers)
    return _federated(annotations, layout, iou_type)


def _read_layout(file: Path, content: dict[str, Any]) -> _Layout:
    categories = read_categories(RecordTable(file, "category", content["categories"]))
    return _Layout.of(read_images(RecordTable(file, "image", content["images"]), categories), categories)


def _of_dataset(dataset: LvisDataset, canvas: Canvas, with_masks: bool) -> Annotations:
    records = list(dataset.iter_annotations())
    image_N = canvas.images_of(np.array([record.image_id for record in records], np.int64))
    class_N = canvas.classes_of(np.array([record.category_id for record in records], np.int64))
    assert image_N is not None
    assert class_N is not None
    sizes = zip(canvas.height_I[image_N].tolist(), canvas.width_I[image_N].tolist(), strict=True)
    box_N4 = np.array([record.bbox_xywh for record in records], np.float64).reshape(-1, 4)
    texts: Any = (None, None)
    extent_N = box_N4[:, 2] * box_N4[:, 3]
    if with_masks:
        texts = join_texts([record.rle(*size)["counts"] for record, size in zip(records, sizes, strict=True)])
        extent_N = mask_areas(texts[0], texts[1])
    return Annotations(
        np.array([record.id for record in records], np.int64),
        image_N,
        class_N,
        np.array([record.area for record in records], np.float64),
        box_N4,
        np.array([record.ignore for record in records], bool),
        np.zeros(len(records), bool),
        extent_N,
        *texts,
    )


def _federated(annotations: Annotations, layout: _Layout, iou_type: IouType) -> LvisGroundTruth:
    """Apply the federated rules: instances without area take no part; the images' lists say what is known.

    Source: lvis-api, `get_ann_ids` (areas), `_prepare` (known classes), `evaluate_img` (not exhaustive ones).
    """
    canvas, images = layout.canvas, layout.images
    kept_N = annotations.area_N > 0
    present_Q = (annotations.image_N * canvas.num_classes + annotations.class_N)[kept_N]
    absent_Q = _listed_keys(canvas, images, [image.neg_category_ids for image in images])
    open_Q = _listed_keys(canvas, images, [image.not_exhaustive_category_ids for image in images])
    ground_truth = annotations.ground_truth(
        canvas,
        kept_N,
        ignored_N=annotations.ignore_N,
        crowd_N=np.zeros(len(kept_N), bool),
        known_key_Q=distinct(np.concatenate([present_Q, absent_Q])),
        open_key_Q=distinct(open_Q),
    )
    sized_N = ~annotations.ignore_N
    num_crowds = int(annotations.crowd_N.sum())
    crowds = [f"crowds by `iscrowd`: {num_crowds:,}; lvis-api knows none, so that they are objects to find"] * (
        num_crowds > 0
    )
    return LvisGroundTruth(
        ground_truth,
        sorted(layout.categories, key=lambda category: category.id),
        len(kept_N),
        np.bincount(annotations.class_N, minlength=canvas.num_classes),
        (*crowds, *annotation_remarks(annotations, kept_N & sized_N, sized_N, iou_type, "lvis-api")),
    )


def _listed_keys(canvas: Canvas, images: Sequence[LvisImage], lists: Sequence[Sequence[int]]) -> Ints:
    owner = np.repeat(np.array([image.id for image in images], np.int64), list(map(len, lists)))
    listed = np.array([category_id for ids in lists for category_id in ids], np.int64)
    image_Q, class_Q = canvas.images_of(owner), canvas.classes_of(listed)
    assert image_Q is not None
    assert class_Q is not None
    return image_Q * canvas.num_classes + class_Q
