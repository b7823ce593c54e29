"""Boxes of own annotations: one that is not its outline's is noticed, for detectors learn boxes as they are written; and masks in odd forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from methods.common.datasets.own.reading import OwnData, read_own
from tests.unit.labelled_data import refusal
from tests.unit.own_instances import HEIGHT, WIDTH, Document, in_train, in_val, outline, write_own

Box = list[float]


def read(folder: Path) -> OwnData:
    return read_own(folder, "decode")


def boxes(change: Callable[[float, float, float, float], Box], step: int = 1) -> Callable[[Document, str], object]:
    """Write other boxes in the training file."""
    return in_train(lambda content: [one.update(bbox=change(*one["bbox"])) for one in content["annotations"][::step]])


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (lambda x, y, w, h: [y, x, h, w], "is written with x and y exchanged (6 of 6"),
        (lambda x, y, w, h: [0, 0, WIDTH, HEIGHT], "does not fit the annotation's outline (6 of 6"),
        (lambda x, y, w, h: [x + 4, y, w, h], "does not fit the annotation's outline (6 of 6"),
        (lambda x, y, w, h: [x, y, 1, 1], "does not fit the annotation's outline (6 of 6"),
        (lambda x, y, w, h: [x, y, 0, 0], "has no width or no height (6 of 6"),
        (lambda x, y, w, h: [0, 0, 0, 0], "has coordinates in 0..1 (6 of 6"),
        (lambda x, y, w, h: [y, x, y + h, x + w], "lies outside its image (3 of 6"),
    ],
)
def test_boxes_of_another_format_are_refused(tmp_path: Path, written: Any, told: str) -> None:
    said = refusal(lambda: read(write_own(tmp_path, change=boxes(written))))
    assert f"field `bbox` {told}" in said, said


def test_a_box_without_a_side_is_refused_alone(tmp_path: Path) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: content["annotations"][2].update(bbox=[2, 3, 6, 0])))
    told = refusal(lambda: read(folder))
    assert told.endswith(
        "annotation 3: field `bbox` has no width or no height; write [x, y, width, height] around it, in pixels, or leave it out"
    )


def test_few_loose_boxes_stay_and_are_told(tmp_path: Path) -> None:
    """Who annotates what is hidden too draws boxes beyond the outline."""
    data = read(write_own(tmp_path / "loose", change=boxes(lambda x, y, w, h: [x, y - 3, 12, 8], step=3)))
    assert (
        "train.json: 2 of 6 boxes share less than half with the box around their outline (first: annotation 1), and are trained on and rated "
        "as written" in data.notes
    )
    assert next(data.train.dataset.iter_annotations()).bbox_xywh == (2, 0, 12, 8)
    assert "share less" not in " ".join(read(write_own(tmp_path / "tight")).notes)


def test_tiny_objects_have_boxes_of_whole_pixels(tmp_path: Path) -> None:
    def change(content: Document) -> None:
        for one in content["annotations"]:
            x, y, _, _ = one["bbox"]
            one |= {"segmentation": outline(x + 0.1, y + 0.1, 1.2, 0.9), "bbox": [x, y, 2, 2]}

    assert "share less" not in " ".join(read(write_own(tmp_path, change=in_train(change))).notes)


def counted(order: Literal["C", "F"]) -> list[int]:
    """The runs of a rectangle's mask along columns (``F``, as COCO has them) or along rows (``C``)."""
    mask_HW = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask_HW[3:8, 2:8] = 1
    flat = mask_HW.ravel(order)
    ends = np.append(np.flatnonzero(np.diff(flat)) + 1, len(flat))
    runs: list[int] = np.diff(np.append(0, ends)).tolist()
    return runs


def masked(counts: Any, **more: Any) -> Callable[[Document, str], object]:
    """Write every cat's mask as runs."""
    mask = {"size": [HEIGHT, WIDTH], "counts": counts}
    return in_train(
        lambda content: [
            one.update(segmentation=mask, **more) for one in content["annotations"] if one["category_id"] == 1
        ]
    )


def test_runs_along_rows_do_not_fit_their_boxes(tmp_path: Path) -> None:
    dataset = read(write_own(tmp_path / "columns", change=masked(counted("F")))).train.dataset
    assert next(dataset.iter_annotations()).mask(HEIGHT, WIDTH).sum() == 30

    def only_cats(content: Document, split: str) -> None:
        masked(counted("C"))(content, split)
        content["annotations"] = [one for one in content["annotations"] if one["category_id"] == 1]

    told = refusal(lambda: read(write_own(tmp_path / "rows", change=only_cats)))
    assert "annotation 1: field `bbox` does not fit the annotation's outline (3 of 3" in told


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ("b'abc'", "has run lengths that do not add up to its image"),
        (None, "has counts that are neither text nor a list"),
        ([float(run) for run in counted("F")], "is no whole number"),
        ([str(run) for run in counted("F")], "is no whole number"),
        ([-1, *counted("F")[1:]], "has a negative run length (-1)"),
        ([5, 9], "do not add up to its image: 14 pixels together, not 384"),
    ],
)
@pytest.mark.parametrize("crowd", [0, 1])
def test_runs_that_are_none_are_refused_of_crowds_too(tmp_path: Path, counts: Any, words: str, crowd: int) -> None:
    assert words in refusal(lambda: read(write_own(tmp_path, change=masked(counts, iscrowd=crowd))))


def test_crowds_are_left_out_whatever_their_mask_is(tmp_path: Path) -> None:
    for name, counts in (("list", counted("F")), ("whole", [0, HEIGHT * WIDTH])):
        data = read(write_own(tmp_path / name, change=masked(counts, iscrowd=1)))
        assert data.train.dataset.num_annotations == 3
        assert {tuple(image.not_exhaustive_category_ids) for image in data.train.dataset.images} == {(1,)}


def test_a_class_that_only_val_holds_is_told(tmp_path: Path) -> None:
    def without_cats(content: Document) -> None:
        content["annotations"] = [one for one in content["annotations"] if one["category_id"] == 2]

    told = read(write_own(tmp_path / "train", change=in_train(without_cats))).notes[-1]
    assert told == (
        "classes that val holds and train does not, of which nothing is learned and which count as missed: 1 (cat)"
    )
    assert "nothing is learned" not in " ".join(read(write_own(tmp_path / "val", change=in_val(without_cats))).notes)


def test_a_picture_of_two_records_is_told(tmp_path: Path) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: content["images"][1].update(file_name="train_1.png")))
    assert read(folder).notes[-1].startswith("1 images of train are listed more than once (first: train_1.png)")
