"""Fields of annotations under other names, and areas that are not their shapes': refused or noted, never passed over."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.e2e.evaluations import Evaluate
from tests.e2e.test_evaluate_other_peoples_files import annotation, detection, on, truth

SIDE = 40
KINDS = [("coco", "segm"), ("lvis", "bbox")]
Write = Callable[[Any, Any], None]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes `gt.json` and `dt.json` where the test then works."""
    monkeypatch.chdir(tmp_path)

    def write(content: Any, detections: Any) -> None:
        Path("gt.json").write_text(json.dumps(content))
        Path("dt.json").write_text(json.dumps(detections))

    return write


def called(record: dict[str, Any], field: str, name: str) -> dict[str, Any]:
    """Give a field another name."""
    return {name if key == field else key: value for key, value in record.items()}


NAMES = {
    "isCrowd": "iscrowd",
    "is_crowd": "iscrowd",
    "IsCrowd": "iscrowd",
    "is-crowd": "iscrowd",
    "crowd": "iscrowd",
    "Ignore": "ignore",
    "categoryId": "category_id",
    "category id": "category_id",
    "imageId": "image_id",
    "ImageID": "image_id",
    "box": "bbox",
    "bounding_box": "bbox",
    "BBox": "bbox",
    "Area": "area",
}


@pytest.mark.parametrize(("name", "field"), NAMES.items(), ids=NAMES)
def test_a_field_under_another_spelling_is_refused(files: Write, evaluate: Evaluate, name: str, field: str) -> None:
    others = [called(annotation(id=index, ignore=0), field, name) for index in (4, 7)]
    files(truth(annotation(), *others), [detection()])
    for kind in KINDS:
        told = evaluate(*on(*kind)).error
        assert f"gt.json, annotation 4: field `{name}` looks like `{field}`, which alone is read" in told
        assert f"(2 of 3 annotations are so, next 7); call it `{field}`, or take it out" in told


@pytest.mark.parametrize("kind", [*KINDS, ("coco", "boundary")])
def test_a_spelling_beside_the_field_must_say_the_same(files: Write, evaluate: Evaluate, kind: tuple[str, str]) -> None:
    beside = annotation(id=2, bbox=[9, 11, 10, 10], iscrowd=1)
    files(truth(annotation(), beside), [detection(score=0.3)])
    plain = evaluate(*on(*kind)).metrics
    files(truth(annotation(), beside | {"is_crowd": True}), [detection(score=0.3)])
    assert evaluate(*on(*kind)).metrics == plain
    files(truth(annotation(), beside | {"is_crowd": 0}), [detection(score=0.3)])
    assert "annotation 2: field `is_crowd` looks like `iscrowd`" in evaluate(*on(*kind)).error


def test_other_fields_may_have_any_name(files: Write, evaluate: Evaluate) -> None:
    extra = {"score": 1, "bbox_mode": 0, "num_keypoints": 3, "attributes": {"isCrowd": True}, "Segmentation": []}
    files(truth(annotation(**extra)), [detection(isCrowd=1)])
    assert evaluate(*on("coco", "bbox")).metrics["AP"] == 1
    many = {f"column {number}": number for number in range(70)}
    files(truth(annotation(**many)), [detection()])
    assert evaluate(*on("coco", "segm")).metrics["AP"] == 1
    files(truth(annotation(**many, isCrowd=1)), [detection()])
    assert "field `isCrowd` looks like `iscrowd`" in evaluate(*on("coco", "segm")).error


@pytest.mark.parametrize("name", ["box", "BBOX"])
def test_boxes_under_another_name_are_not_taken_from_masks(files: Write, evaluate: Evaluate, name: str) -> None:
    files(truth(), [called(detection(), "bbox", name)])
    for metric in ("coco", "lvis"):
        told = evaluate(*on(metric, "bbox")).error
        assert f"dt.json, detection 0 (image_id 1, category_id 1): field `{name}` looks like `bbox`" in told
    assert evaluate(*on("coco", "segm")).metrics["AP"] == 1


@pytest.mark.parametrize("value", ["0", "1", "false", [], 0.5])
def test_a_crowd_is_marked_by_0_and_1_alone(files: Write, evaluate: Evaluate, value: Any) -> None:
    files(truth(annotation(), annotation(id=2, iscrowd=value)), [detection()])
    for kind in KINDS:
        assert f"annotation 2: field `iscrowd` is {value!r}; write 0 or 1" in evaluate(*on(*kind)).error


def test_a_crowd_may_be_marked_by_true(files: Write, evaluate: Evaluate) -> None:
    ap = []
    for value in (1, True, 1.0, 0, False, None):
        files(truth(annotation(), annotation(id=2, bbox=[30, 30, 5, 5], iscrowd=value)), [detection()])
        ap.append(evaluate(*on("coco", "bbox")).metrics["AP"])
    assert ap == [1, 1, 1, 0.50495, 0.50495, 0.50495]
    files(truth(annotation(), annotation(id=2, iscrowd=1)), [detection()])
    assert "crowds by `iscrowd`: 1; lvis-api knows none" in evaluate(*on("lvis", "segm")).notes


def test_lists_under_another_name_are_named(files: Write, evaluate: Evaluate) -> None:
    files(called(truth(), "annotations", "Annotations"), [detection()])
    assert "it has no list `annotations` (there is `Annotations`)" in evaluate(*on("coco", "segm")).error


def panoptic(segment: dict[str, Any]) -> list[str]:
    for name in ("truth", "found"):
        Path(name).mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 9, 3), (5, 0, 0), np.uint8)).save(f"{name}/a.png")
        part = {"image_id": 3, "file_name": "a.png", "segments_info": [{"id": 5, "category_id": 2, "area": 54}]}
        part["segments_info"][0] |= segment if name == "truth" else {"isCrowd": 1}
        categories = [{"id": 2, "name": "person", "isthing": 1}]
        Path(f"{name}.json").write_text(json.dumps({"categories": categories, "annotations": [part]}))
    return ["panoptic", "--ground-truth", "truth.json", "--predictions", "found.json"]


def test_crowds_of_panoptic_files_are_spelt_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluate: Evaluate
) -> None:
    monkeypatch.chdir(tmp_path)
    for segment in ({"isCrowd": 1}, {"is_crowd": 1, "iscrowd": 0}):
        told = evaluate(*panoptic(segment)).error
        assert f"truth.json, image 3, segment 5: field `{next(iter(segment))}` looks like `iscrowd`" in told
    assert evaluate(*panoptic({"isCrowd": 0, "iscrowd": 0})).metrics["PQ"] == 1
    assert "field `iscrowd` is '0'; write 0 or 1" in evaluate(*panoptic({"iscrowd": "0"})).error


# Areas.

L_SHAPE = [[4, 4, 34, 4, 34, 10, 10, 10, 10, 34, 4, 34]]
"""30 x 6 and 6 x 24 pixels: 324 of its box of 900."""
BOX = [4, 4, 30, 30]


def shaped(area: float, **fields: Any) -> dict[str, Any]:
    return annotation(segmentation=L_SHAPE, bbox=BOX, area=area, **fields)


@pytest.mark.parametrize(
    ("area", "of_mask", "of_box"),
    [
        (900, True, False),  # the box's
        (1e6, True, True),
        (0, True, True),
        (0.02, True, True),  # of an image 100 times as large, its share
        (440, True, False),
        (380, False, False),  # which drawing may change
        (1250, True, True),
        (920, True, False),
    ],
)
def test_an_area_is_held_against_its_shape(
    files: Write, evaluate: Evaluate, area: float, of_mask: bool, of_box: bool
) -> None:
    files(truth(annotation(), shaped(area, id=6), shaped(area, id=8, iscrowd=1)), [detection()])
    for metric, iou_type in [("coco", "segm"), ("coco", "bbox"), ("lvis", "segm")]:
        said = evaluate(*on(metric, iou_type)).notes
        shape, extent, told = ("box", 900, of_box) if iou_type == "bbox" else ("mask", 324, of_mask)
        words = f"of 3 annotations is not that of the {shape} (the first: {area:g}, its {shape} has {extent}; "
        assert (words in said) == told
        if told and metric == "coco":
            assert f"`area` of 1 {words}annotation 6); small, medium and large go by `area`, as in pycocotools" in said
        if told and metric == "lvis":
            assert "annotations 6, 8)" in said
            assert "what has the area 0 takes no part" in said


def test_the_numbers_go_by_the_area_as_the_package_has_it(files: Write, evaluate: Evaluate) -> None:
    files(truth(annotation(), shaped(2_000, id=6)), [detection()])
    ours, official = evaluate(*on("coco", "segm")), evaluate(*on("coco", "segm")[:-2], "--official")
    assert ours.metrics == official.metrics
    assert (ours.metrics["APs"], ours.metrics["APm"]) == (1, 0)
    assert "annotation 6); small" in official.notes


def test_an_area_is_that_of_all_outlines_together(files: Write, evaluate: Evaluate) -> None:
    twice = [L_SHAPE[0], [4, 4, 34, 4, 34, 10, 4, 10]]
    mask = np.zeros((SIDE, SIDE), int)
    mask[4:34, 4:10] = mask[4:10, 4:34] = 1
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(flat, prepend=0, append=0))
    counts = np.diff(ends, prepend=0, append=len(flat)).tolist()
    encoded = {"size": [SIDE, SIDE], "counts": counts}
    for shape in (twice, encoded):
        records = [annotation(id=9, segmentation=shape, bbox=BOX, area=area) for area in (324, 504)]
        for record, told in zip(records, (False, True), strict=True):
            files(truth(record), [detection()])
            assert (
                "is not that of the mask (the first: 504, its mask has 324" in evaluate(*on("coco", "segm")).notes
            ) == told
