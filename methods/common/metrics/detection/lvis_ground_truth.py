"""LVIS ground truth for matching: which instances take part, and what is known about the classes of each image.

Shape legend: I images; N annotations in file order; G instances that take part; K classes; Q keys (see `ground_truth.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.common.datasets import lvis_checks as checks
from methods.common.datasets.lvis import (
    LvisCategory,
    LvisDataset,
    LvisImage,
    read_categories,
    read_images,
    read_lvis,
)
from methods.common.datasets.rle import join_texts
from methods.common.errors import InputError
from methods.common.metrics.detection.annotations import Annotations, PlainAnnotations
from methods.common.metrics.detection.file_workers import Workers
from methods.common.metrics.detection.ground_truth import Canvas, GroundTruth, Ints, distinct
from methods.common.metrics.detection.json_columns import FilePart, parts_of_annotations


@dataclass(frozen=True)
class LvisGroundTruth:
    """A checked annotation file."""

    ground_truth: GroundTruth
    categories: list[LvisCategory]
    """In the order of class indices."""
    num_annotations: int


def read_ground_truth(ground_truth: Path | LvisDataset, with_masks: bool, workers: Workers) -> LvisGroundTruth:
    """Read and check LVIS ground truth, with all checks of :func:`read_lvis`.

    Raises:
        InputError: the file is faulty, or an annotation has the id 0; the message names file, record and field.
    """
    if isinstance(ground_truth, LvisDataset):
        return _from_dataset(ground_truth, with_masks)
    found = _read_columns(ground_truth, with_masks, workers)
    if found is None:  # a file of an unusual form, or one with a fault to be named
        return _from_dataset(read_lvis(ground_truth, check_images="none", allow_no_annotations=True), with_masks)
    return found


def _read_columns(file: Path, with_masks: bool, workers: Workers) -> LvisGroundTruth | None:
    found = parts_of_annotations(file, workers.part_bytes(file))
    if found is None or not found[0].keys() >= {"images", "categories"}:
        return None
    rest, parts = found
    categories = read_categories(checks.RecordTable(file, "category", rest["categories"]))
    images = read_images(checks.RecordTable(file, "image", rest["images"]), categories)
    canvas = _canvas(images, categories)
    stretches = []
    for answer in workers.map(_read_part, parts, (canvas, with_masks)):
        if answer is None:
            return None
        stretches.append(answer)
    annotations = Annotations.concatenate(stretches, with_masks)
    if len(distinct(annotations.id_N)) < len(annotations.id_N):
        return None
    return _federated(file, annotations, canvas, images, categories)


def _read_part(part: FilePart, context: tuple[Canvas, bool]) -> Annotations | None:
    canvas, with_masks = context
    plain = PlainAnnotations.read(part, with_outlines=True)
    if plain is None:
        return None
    image_N, class_N = canvas.images_of(plain.image_id_N), canvas.classes_of(plain.category_id_N)
    if image_N is None or class_N is None or (plain.id_N < 0).any():
        return None
    height_N, width_N = canvas.height_I[image_N], canvas.width_I[image_N]
    table = checks.ColumnTable(len(image_N))
    try:
        checks.check_boxes(table, plain.box_N4, width_N, height_N)
        checks.check_areas(table, plain.area_N)
        rows = np.arange(len(image_N))
        checks.check_outlines(table, rows, plain.num_outlines_N, plain.number_X, plain.end_O1, width_N, height_N)
    except checks.UnnamedFaultError:
        return None
    return plain.placed(canvas, image_N, class_N, with_masks)


def _from_dataset(dataset: LvisDataset, with_masks: bool) -> LvisGroundTruth:
    canvas = _canvas(dataset.images, dataset.categories)
    records = list(dataset.iter_annotations())
    image_N = canvas.images_of(np.array([record.image_id for record in records], np.int64))
    class_N = canvas.classes_of(np.array([record.category_id for record in records], np.int64))
    assert image_N is not None
    assert class_N is not None
    sizes = zip(canvas.height_I[image_N].tolist(), canvas.width_I[image_N].tolist(), strict=True)
    texts: Any = (None, None)
    if with_masks:
        texts = join_texts([record.rle(*size)["counts"] for record, size in zip(records, sizes, strict=True)])
    annotations = Annotations(
        np.array([record.id for record in records], np.int64),
        image_N,
        class_N,
        np.array([record.area for record in records], np.float64),
        np.array([record.bbox_xywh for record in records], np.float64).reshape(-1, 4),
        np.array([record.ignore for record in records], bool),
        np.zeros(len(records), bool),
        *texts,
    )
    return _federated(dataset.annotation_file, annotations, canvas, dataset.images, dataset.classes)


def _canvas(images: Sequence[LvisImage], categories: Sequence[LvisCategory]) -> Canvas:
    return Canvas.from_lists(
        [image.id for image in images],
        [image.height for image in images],
        [image.width for image in images],
        [category.id for category in categories],
    )


def _federated(
    file: Path | None,
    annotations: Annotations,
    canvas: Canvas,
    images: Sequence[LvisImage],
    categories: Sequence[LvisCategory],
) -> LvisGroundTruth:
    """Apply the federated rules: instances without area take no part; the images' lists say what is known.

    Source: lvis-api, `get_ann_ids` (areas), `_prepare` (known classes), `evaluate_img` (not exhaustive ones).
    """
    if (annotations.id_N == 0).any():
        raise InputError(
            f"{file or 'ground truth'}, annotation 0: field `id` is 0, which the official evaluator "
            "takes for 'not matched'; number annotations from 1"
        )
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
    return LvisGroundTruth(ground_truth, sorted(categories, key=lambda category: category.id), len(kept_N))


def _listed_keys(canvas: Canvas, images: Sequence[LvisImage], lists: Sequence[Sequence[int]]) -> Ints:
    owner = np.repeat(np.array([image.id for image in images], np.int64), list(map(len, lists)))
    listed = np.array([category_id for ids in lists for category_id in ids], np.int64)
    image_Q, class_Q = canvas.images_of(owner), canvas.classes_of(listed)
    assert image_Q is not None
    assert class_Q is not None
    return image_Q * canvas.num_classes + class_Q
