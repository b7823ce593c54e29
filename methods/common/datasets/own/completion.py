"""What plain COCO files leave out and LVIS' have: derived, and said. Works on parsed records before they are checked.

Rules [our choice]: a class is rare, common or frequent by the images of the training file that hold it, as in LVIS. A class without
an annotation in an image counts as absent from it, as COCO means it. Nothing is known of the other objects of a class in an image with
a crowd of it, or with a box of it that has no outline: there it is listed as not exhaustive, so that what is detected beside the
outlined objects is neither right nor wrong. Crowds and boxes are not trained on. Source of the lists: the LVIS paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from methods.common.datasets.lvis_checks import PolygonStore, RecordTable
from methods.common.datasets.lvis_records import Frequency, LvisDataset, LvisImage, frequency_group
from methods.common.datasets.outline_rules import enclosed_area
from methods.common.datasets.own.annotation_files import told_name
from methods.common.datasets.record_rules import whole
from methods.common.errors import InputError

_OPTIONAL = {
    "category": ("frequency", "synonyms", "synset", "def", "image_count", "instance_count"),
    "image": ("coco_url", "file_name", "license", "neg_category_ids", "not_exhaustive_category_ids"),
    "annotation": ("segmentation", "bbox", "area", "iscrowd", "ignore"),
}
"""Fields whose null means that they are left out."""
_NO_BOX = [0.0, 0.0, 0.0, 0.0]


@dataclass
class Completed:
    """What was done to the records of one file."""

    notes: list[str] = field(default_factory=list)
    """For the user, one sentence each."""
    changed: bool = False
    """Whether the file would have to be written anew to say the same."""
    open_classes: dict[int, set[int]] = field(default_factory=dict)
    """By image id, classes of which not every object has an outline."""
    lists_derived: bool = False
    """Whether what is absent is derived from what is annotated."""

    def note(self, sentence: str) -> None:
        """Say something that was done."""
        self.notes.append(sentence)
        self.changed = True


def drop_nulls(table: RecordTable, done: Completed) -> None:
    """Take optional fields that are null for fields that are not there."""
    for record in table.records:
        for key in _OPTIONAL[table.kind]:
            if key in record and record[key] is None:
                del record[key]
                done.changed = True


def complete_categories(
    categories: RecordTable, annotations: RecordTable, known: Mapping[int, Frequency] | None, done: Completed
) -> None:
    """Add the frequency group where it is missing: the training file's, or, in that file itself, by counting.

    Args:
        categories: to complete.
        annotations: of the same file.
        known: group by category id of the training file; None in that file itself.
        done: what was done.
    """
    without = [record for record in categories.records if "frequency" not in record]
    if not without:
        return
    images: dict[int, set[int]] = {}
    for record in annotations.records:
        category, image = whole(record.get("category_id")), whole(record.get("image_id"))
        if not record.get("iscrowd") and category is not None and image is not None:
            images.setdefault(category, set()).add(image)
    for record in without:
        own = whole(record.get("id"))
        counted = frequency_group(len(images.get(own, ())) if own is not None else 0)
        record["frequency"] = (known or {}).get(own, counted) if own is not None else counted
    if known is None:
        done.note(
            f"{told_name(categories.file)}: `frequency` of {len(without):,} classes is derived from the images that hold them "
            "(r up to 10, c up to 100, f above)"
        )
    done.changed = True


def complete_images(images: RecordTable, annotations: RecordTable, categories: RecordTable, done: Completed) -> None:
    """Add the two lists of classes where they are missing, and the size of the picture where it is left out."""
    without = [record for record in images.records if "neg_category_ids" not in record]
    for record in images.records:
        done.changed |= "not_exhaustive_category_ids" not in record
        record.setdefault("not_exhaustive_category_ids", [])
    if not without:
        return
    present: dict[int, set[int]] = {}
    for record in annotations.records:
        image, category = whole(record.get("image_id")), whole(record.get("category_id"))
        if image is not None and category is not None:
            present.setdefault(image, set()).add(category)
    numbers = (whole(record.get("id")) for record in categories.records)
    every = [number for number in numbers if number is not None]
    for record in without:
        own = whole(record.get("id"))
        here = present.get(own, set()) if own is not None else set()
        record["neg_category_ids"] = [class_id for class_id in every if class_id not in here]
    done.lists_derived = True
    done.note(
        f"{told_name(images.file)}: `neg_category_ids` of {len(without):,} images are derived: a class without an annotation counts as absent"
    )


def take_out_boxes(annotations: RecordTable, done: Completed) -> RecordTable:
    """Leave out annotations that have a box but no outline.

    Raises:
        InputError: no annotation has one.
    """
    rows = [
        row
        for row, record in enumerate(annotations.records)
        if "bbox" in record and ("segmentation" not in record or _is_empty(record["segmentation"]))
    ]
    if not rows:
        return annotations
    if len(rows) == len(annotations.records):
        raise InputError(
            f"{annotations.file}: none of the {len(rows):,} annotations has an outline, only boxes; instance segmentation needs "
            "outlines: annotate polygons or masks, and export those"
        )
    for row in rows:
        _leave_open(annotations.records[row], done)
    done.note(
        f"{told_name(annotations.file)}: {len(rows):,} of {len(annotations.records):,} annotations have a box and no outline; they are not trained "
        "on, and their class counts as not exhaustive in their image"
    )
    return annotations.without(rows)


def _is_empty(shape: Any) -> bool:
    return shape == [] or (isinstance(shape, tuple) and shape[1] == 0)


def _leave_open(record: Mapping[str, Any], done: Completed) -> None:
    image, category = whole(record.get("image_id")), whole(record.get("category_id"))
    if image is not None and category is not None:
        done.open_classes.setdefault(image, set()).add(category)


def complete_annotations(annotations: RecordTable, store: PolygonStore, done: Completed) -> None:
    """Add boxes and areas where they are left out, from the outlines; number annotations where none has a number."""
    if annotations.records and not any("id" in record for record in annotations.records):
        done.changed = True
        for number, record in enumerate(annotations.records, start=1):
            record["id"] = number
    for record in annotations.records:
        shape = record.get("segmentation")
        if ("bbox" not in record or "area" not in record) and shape is not None:
            box, area = _measure(shape, store)
            record.setdefault("bbox", box)
            record.setdefault("area", area)
            done.changed = True


def _measure(shape: Any, store: PolygonStore) -> tuple[list[float], float]:
    """Return the box around a shape and its area; zeros for a shape that cannot be measured, whose fault the checks will name."""
    from pycocotools import mask as coco_mask

    from methods.common.datasets.rle import rle_fault, runs_to_rle

    if isinstance(shape, tuple):
        numbers, ends = store.outlines([shape[0]], [shape[1]])
        if not len(numbers) or len(numbers) % 2 or not np.isfinite(numbers).all():
            return _NO_BOX, 0.0
        low, high = numbers.reshape(-1, 2).min(0), numbers.reshape(-1, 2).max(0)
        area = sum(enclosed_area(numbers[ends[k] : ends[k + 1]]) for k in range(len(ends) - 1))
        return [*low.tolist(), *(high - low).tolist()], area
    size = shape.get("size") if isinstance(shape, dict) else None
    if not isinstance(size, list) or len(size) != 2 or rle_fault(shape, *size) is not None:
        return _NO_BOX, 0.0
    counts = shape["counts"]
    rle = runs_to_rle(counts, *size) if isinstance(counts, list) else shape
    return coco_mask.toBbox(rle).tolist(), float(coco_mask.area(rle))


def with_open_classes(image: LvisImage, done: Completed) -> None:
    """List the classes of an image of which not every object has an outline as not exhaustive, and not as absent."""
    opened = done.open_classes.get(image.id)
    if opened:
        image.neg_category_ids = tuple(k for k in image.neg_category_ids if k not in opened)
        listed = dict.fromkeys((*image.not_exhaustive_category_ids, *sorted(opened)))
        image.not_exhaustive_category_ids = tuple(listed)


def take_out_crowds(dataset: LvisDataset, done: Completed) -> None:
    """Leave out crowds; changes the dataset.

    Raises:
        InputError: every annotation is one.
    """
    crowds = [annotation for annotation in dataset.iter_annotations() if annotation.crowd]
    if not crowds:
        return
    name = told_name(dataset.annotation_file) if dataset.annotation_file else "the file"
    told = "set `iscrowd` to 0 where it marks a single object (CVAT sets it for every brush mask)"
    if len(crowds) == dataset.num_annotations:
        raise InputError(
            f"{dataset.annotation_file}: all {len(crowds):,} annotations are crowds (`iscrowd` is 1); {told}"
        )
    for annotation in crowds:
        done.open_classes.setdefault(annotation.image_id, set()).add(annotation.category_id)
    done.note(
        f"{name}: {len(crowds):,} of {dataset.num_annotations:,} annotations are crowds; they are not trained on, and their class counts "
        f"as not exhaustive in their image; {told}"
    )
    for image_id, inside in dataset.annotations.items():
        dataset.annotations[image_id] = [annotation for annotation in inside if not annotation.crowd]
