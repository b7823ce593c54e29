"""Files as other people's tools write them: scored as they are meant, noted, or refused in a sentence that names the cause.

The cases with a folder are those of the shared reference data; the variations beside them are made here.
"""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.e2e.evaluations import Evaluate, Said


@pytest.fixture
def case(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Goes to a copy of a case's folder."""

    def copied(name: str) -> Path:
        place: Path = shutil.copytree(shared / "field" / "evaluate" / name, tmp_path / name)
        monkeypatch.chdir(place)
        return place

    return copied


def on(metric: str, iou_type: str, truth: str = "gt.json", detections: str = "dt.json") -> list[str]:
    return [metric, "--ground-truth", truth, "--detections", detections, "--iou-type", iou_type, "--processes", "1"]


@pytest.mark.parametrize("vertex", ["210000000.0, 340000000.0", "10, 1e6", "-1e9, 10", "10, 1e300", "10, 100201"])
@pytest.mark.parametrize(
    ("metric", "truth", "iou_type"),
    [("coco", "gt.json", "segm"), ("coco", "gt.json", "boundary"), ("lvis", "lvis.json", "segm")],
)
def test_a_vertex_far_outside_its_image_is_named(
    case: Callable[[str], Path], evaluate: Evaluate, metric: str, truth: str, iou_type: str, vertex: str
) -> None:
    place = case("F1_far_polygon_segfault") / truth
    place.write_text(place.read_text().replace("210000000.0, 340000000.0", vertex))
    said = evaluate(*on(metric, iou_type, truth))
    assert f"{truth}, annotation 2: field `segmentation` outline 1 of 1 has a vertex at (" in said.error
    assert "100,000 px outside its image of 200 x 200" in said.error


def test_masks_of_0_and_255_are_told(case: Callable[[str], Path], evaluate: Evaluate) -> None:
    case("F3_masks_of_0_and_255")

    def semantic(truth: str, predictions: str, *how: str) -> Said:
        return evaluate("semantic", "--ground-truth", truth, "--predictions", predictions, *how)

    for how in (["--num-classes", "2"], ["--convention", "voc2012"]):
        for predictions in ("zeros", "shifted"):
            said = semantic("gt255", predictions, *how)
            assert "WARNING: ground truth holds nothing but label 0" in said.notes
            assert "masks of 0 and 255 need 1 for the object" in said.notes
    ours = semantic("gt255", "zeros", "--num-classes", "2")
    assert "mIoU is the mean over 1 of 2 classes" in ours.notes
    assert semantic("gt255", "zeros", "--num-classes", "2", "--official").notes == ours.notes
    right = semantic("gt1", "zeros", "--num-classes", "2")
    assert (right.metrics["mIoU"], right.metrics["pixel_accuracy"]) == (0.375, 0.75)
    assert right.notes == "note: mIoU is the mean over all 2 classes"
    assert semantic("gt1", "shifted", "--num-classes", "2").metrics["mIoU"] == 0.34503
    assert "masks of 0 and 255 need 1" in semantic("gt1", "gt255", "--num-classes", "2").error
    black = semantic("zeros", "zeros", "--convention", "voc2012")
    assert "1 of 21 classes; left out: 20 without a pixel that counts" in black.notes
    assert "WARNING" not in black.notes


@pytest.mark.parametrize("option", ["--json", "--per-class"])
@pytest.mark.parametrize("value", ["", ".", "./", "/", "..", "a/..", "circle"])
def test_an_output_without_a_name_is_a_mistake(
    case: Callable[[str], Path], evaluate: Evaluate, option: str, value: str
) -> None:
    place = case("F5_empty_output_path")
    (place / "circle").symlink_to("circle")
    assert option in evaluate(*on("coco", "bbox"), option, value).error


def test_annotation_id_0_counts_and_is_noted(case: Callable[[str], Path], evaluate: Evaluate) -> None:
    case("Q1_annotation_id_0")
    for iou_type in ("bbox",):
        said = evaluate(*on("coco", iou_type))
        assert said.metrics["AP"] == 1
        assert "annotation 0: pycocotools takes the id 0 for 'not matched'" in said.notes
    said = evaluate(*on("coco", "bbox")[:-2], "--official")
    assert said.metrics["AP"] == 0.25248
    assert "annotation 0: pycocotools takes" in said.notes


def test_whole_numbers_may_have_a_point(case: Callable[[str], Path], evaluate: Evaluate) -> None:
    case("Q2_float_ids")
    for truth in ("gt.json", "gt_int.json"):
        for detections in ("dt.json", "dt_float.json"):
            assert evaluate(*on("coco", "bbox", truth, detections)).metrics["AP"] == 1


def test_objects_without_pixels_are_noted(case: Callable[[str], Path], evaluate: Evaluate) -> None:
    case("Q4_ground_truth_without_pixels")
    said = evaluate(*on("coco", "segm"))
    assert said.metrics["AP"] == 0.33663
    assert "objects to find without a pixel inside their image: 2 (first: annotation 2)" in said.notes
    official = evaluate(*on("coco", "segm")[:-2], "--official")
    assert official.metrics == said.metrics
    assert "(first: annotation 2)" in official.notes
    said = evaluate(*on("lvis", "segm", "lvis.json"))
    assert said.metrics["AP"] == evaluate(*on("lvis", "segm", "lvis.json")[:-2], "--official").metrics["AP"] == 0.50495
    assert "image: 1 (first: annotation 2)" in said.notes  # the other has no area and takes no part


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("repr.json", "are Python's name of bytes"),
        ("floats.json", "has the run length 2010.0, which is no whole number"),
        ("newline.json", r"has counts with '\n', a character that no run-length code has"),
    ],
)
def test_a_mask_is_refused_for_what_is_wrong_with_it(
    case: Callable[[str], Path], evaluate: Evaluate, file: str, words: str
) -> None:
    case("Q6_messages_of_masks")
    for extra in ([], ["--official"]):
        said = evaluate(*on("coco", "segm", detections=file)[:-2], *extra)
        assert f"{file}, detection 0 (image_id 1, category_id 1): field `segmentation`" in said.error
        assert words in said.error


def test_a_picture_too_large_for_masks_is_named(case: Callable[[str], Path], evaluate: Evaluate) -> None:
    case("Q6_messages_of_masks")
    said = evaluate(*on("coco", "segm", "gt_big.json", "big.json"))
    assert "gt_big.json, image 1: is 30000 x 30000 pixels; masks of 2^29" in said.error


def test_names_are_paired_whatever_their_form(case: Callable[[str], Path], evaluate: Evaluate) -> None:
    case("Q8_file_names")
    for truth, predictions in (("upper", "upper"), ("nfc", "nfd"), ("nfd", "nfc")):
        words = ["semantic", "--ground-truth", truth, "--predictions", predictions, "--num-classes", "2"]
        assert evaluate(*words).metrics["mIoU"] == 1


def test_the_official_package_gets_checked_files(case: Callable[[str], Path], evaluate: Evaluate) -> None:
    case("Q10_official_cannot_be_ended")
    assert r"has counts with '\n'" in evaluate(*on("coco", "segm")[:-2], "--official").error


def test_messages_name_the_cause(case: Callable[[str], Path], evaluate: Evaluate) -> None:
    case("Q11_messages_that_mislead")
    assert "is 10000000000000000000; use less than 2^63" in evaluate(*on("coco", "bbox", "gt19.json")).error
    missing = evaluate(*on("coco", "bbox", detections="dt_box.json")).error
    assert "field `bbox` is missing (there is `box`)" in missing
    both = ["fid", "--predictions", "both", "--reference", "both", "--weights", "none.pth", "--allow-few-images"]
    assert "there is no file none.pth" in evaluate(*both).error  # the pictures are taken


def test_a_signal_ends_an_official_package_that_computes_in_c() -> None:
    """The handler of the command line is Python's, which C code never lets speak."""
    program = """
import signal, sys
from reproductions.commands.evaluate.run import signals_end_at_once
signal.signal(signal.SIGTERM, lambda *_: print("a handler in Python was called"))
with signals_end_at_once():
    signal.raise_signal(signal.SIGTERM)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, "")


# Variations, made here.

SIDE = 40
SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]


def detection(**fields: Any) -> dict[str, Any]:
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[10:20, 10:20] = 1
    counts = coco_mask.encode(mask)["counts"].decode()
    record = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 10, 10], "score": 0.5}
    return record | {"segmentation": {"size": [SIDE, SIDE], "counts": counts}} | fields


def annotation(**fields: Any) -> dict[str, Any]:
    plain = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 10, 10], "area": 100, "iscrowd": 0}
    return plain | {"segmentation": [SQUARE]} | fields


def truth(*annotations: dict[str, Any], **image: Any) -> dict[str, Any]:
    lists: dict[str, list[int]] = {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    images = [{"id": 1, "width": SIDE, "height": SIDE} | lists | image]
    categories = [{"id": index, "name": f"class {index}", "frequency": "f"} for index in (1, 2)]
    return {"images": images, "categories": categories, "annotations": list(annotations or [annotation()])}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, Any], None]:
    """Writes `gt.json` and `dt.json` where the test then works."""
    monkeypatch.chdir(tmp_path)

    def files(content: Any, detections: Any) -> None:
        Path("gt.json").write_text(json.dumps(content))
        Path("dt.json").write_text(json.dumps(detections))

    return files


INSTANCES = [("coco", "bbox"), ("coco", "segm"), ("coco", "boundary"), ("lvis", "bbox"), ("lvis", "segm")]
MASKS = [kind for kind in INSTANCES if kind[1] != "bbox"]

REFUSED_TRUTH: list[tuple[dict[str, Any], str]] = [
    (truth(width=0), "image 1: field `width` is 0; use at least 1"),
    (truth(width=-5), "image 1: field `width` is -5; use at least 1"),
    (truth(height=10**12), "image 1: field `height` is 1000000000000; use at most 1,000,000"),
    (truth(width=40.5), "image 1: field `width` is 40.5; write a whole number"),
    (truth(id=2**63), "field `id` is 9223372036854775808; use less than 2^63"),
    (truth(id=1e300), "field `id` is 1e+300; write a whole number"),
    (truth(id=True), "field `id` is True; write a whole number"),
    (truth(annotation(id=1.5)), "field `id` is 1.5; write a whole number"),
    (truth(annotation(image_id="1")), "field `image_id` is '1'; write a whole number"),
    (truth(annotation(bbox=[10, 10, -10, 10])), "annotation 1: field `bbox` is [10, 10, -10, 10]; write"),
    (truth(annotation(bbox=[1e300, 10, 10, 10])), "annotation 1: field `bbox` is [1e+300, 10, 10, 10]; write"),
    (truth(annotation(area=-100)), "annotation 1: field `area` is negative"),
    (truth(annotation(area=1e17)), "annotation 1: field `area` is negative, not finite or beyond 2^53"),
    (
        truth({"Category_id": 1} | {k: v for k, v in annotation().items() if k != "category_id"}),
        "field `Category_id` looks like `category_id`, which alone is read",
    ),
]


@pytest.mark.parametrize(("content", "words"), REFUSED_TRUTH, ids=[words for _, words in REFUSED_TRUTH])
def test_a_number_beyond_its_range_is_refused_alike(
    write: Callable[[Any, Any], None], evaluate: Evaluate, content: dict[str, Any], words: str
) -> None:
    write(content, [detection()])
    for kind in INSTANCES:
        assert words in evaluate(*on(*kind)).error


OUTLINES: list[tuple[Any, str]] = [
    ([SQUARE, [1, 2]], "outline 2 of 2 has 2 numbers, not x and y of at least three points"),
    ([SQUARE, []], "outline 2 of 2 has 0 numbers"),
    ([SQUARE, [1, 2, 3, 4, 5, 6, 7]], "outline 2 of 2 has 7 numbers"),
    ([SQUARE, [1, 2, 3, 4, 5, "6"]], "outline 2 of 2 holds '6', which is no number"),
    ([[None] * 6], "outline 1 of 1 holds None, which is no number"),
    (SQUARE, "outline 1 of 8 is 10, no list of numbers"),
    ([SQUARE, [0, 0, 1e5, 1e5] * 30], "outline 2 of 2 is more than 4,000,000 px long"),
    ([SQUARE, [-200_000, 10, -199_990, 10, -199_990, 20]], "outline 2 of 2 has a vertex at (-200000, 10)"),
    ([SQUARE, [10, 200_000, 10, 199_990, 20, 199_990]], "outline 2 of 2 has a vertex at (10, 200000)"),
    ([], "is empty"),
]


@pytest.mark.parametrize(("shape", "words"), OUTLINES, ids=[words for _, words in OUTLINES])
def test_a_malformed_piece_of_an_outline_is_named(
    write: Callable[[Any, Any], None], evaluate: Evaluate, shape: Any, words: str
) -> None:
    write(truth(annotation(segmentation=shape)), [detection()])
    for kind in MASKS:
        assert f"annotation 1: field `segmentation` {words}" in evaluate(*on(*kind)).error


def test_an_outline_beside_its_image_counts_as_in_the_packages(
    write: Callable[[Any, Any], None], evaluate: Evaluate
) -> None:
    beside = annotation(id=2, segmentation=[[10, -90_000, 20, -90_000, 20, 20, 10, 20]])
    write(truth(annotation(id=1), beside), [detection()])
    for metric in ("coco", "lvis"):
        ours, official = evaluate(*on(metric, "segm")), evaluate(*on(metric, "segm")[:-2], "--official")
        assert ours.metrics == official.metrics
        assert 0 < ours.metrics["AP"] < 1


@pytest.mark.parametrize("kind", INSTANCES)
def test_numbers_with_a_point_are_the_same_numbers(
    write: Callable[[Any, Any], None], evaluate: Evaluate, kind: tuple[str, str]
) -> None:
    write(truth(annotation(), neg_category_ids=[2]), [detection(), detection(category_id=2)])
    plain = evaluate(*on(*kind)).metrics
    pointed = json.dumps(truth(annotation(iscrowd=0.0), neg_category_ids=[2.0], width=40.0, height=40.0, id=1.0))
    for field in ('"id"', '"image_id"', '"category_id"'):
        pointed = pointed.replace(f"{field}: 1,", f"{field}: 1.0,").replace(f"{field}: 2,", f"{field}: 2.0,")
    assert pointed.count("1.0,") > 4
    write(json.loads(pointed), [detection(image_id=1.0, category_id=1.0), detection(image_id=1.0, category_id=2.0)])
    assert evaluate(*on(*kind)).metrics == plain
    write(truth(), [detection(image_id=1.5)])
    assert "field `image_id` is 1.5; write the id of an image, a whole number" in evaluate(*on(*kind)).error


COUNTS: list[tuple[Any, str]] = [
    ([10, 20], "do not add up to its image: 30 pixels together, not 1600"),
    ([0, -5, 1605], "has a negative run length (-5)"),
    ([0.0, 1600.0], "has the run length 0.0, which is no whole number"),
    ([None], "has the run length None, which is no whole number"),
    ([True, 1599], "has the run length True, which is no whole number"),
    ([2**29, 1600 - 2**29], "has a negative run length"),
    ([2**29], "has a run of 2^29"),
    ("", "has empty counts"),
    ("0123o", "are cut off in the middle of a number"),
    ("`````0o", "are cut off"),
    ("hello world", "has counts with ' ', a character"),
    ("PPPPPPP0", "has a run of 2^29"),
    ("05N", "has a negative run length"),
    ("b'05'", "Python's name of bytes"),
    (12, "has counts that are neither text nor a list"),
]


@pytest.mark.parametrize(("counts", "words"), COUNTS, ids=[words for _, words in COUNTS])
def test_counts_are_refused_for_what_is_wrong_with_them(
    write: Callable[[Any, Any], None], evaluate: Evaluate, counts: Any, words: str
) -> None:
    mask = {"size": [SIDE, SIDE], "counts": counts}
    write(truth(), [detection(segmentation=mask)])
    assert words in evaluate(*on("coco", "segm")).error
    write(truth(annotation(segmentation=mask, iscrowd=1)), [detection()])
    assert words in evaluate(*on("lvis", "segm")).error


def test_objects_that_nothing_can_find_are_counted(write: Callable[[Any, Any], None], evaluate: Evaluate) -> None:
    shapes = [
        [[-30, -30, -20, -30, -20, -20]],
        [[10, 10, 20, 10, 10, 10]],
        [[10, 10, 10, 10, 10, 10]],
        {"size": [SIDE, SIDE], "counts": [SIDE * SIDE]},
        {"size": [SIDE, SIDE], "counts": [SIDE * SIDE, 0]},
    ]
    empty = [annotation(id=index, segmentation=shape) for index, shape in enumerate(shapes, start=2)]
    write(truth(annotation(), *empty, annotation(id=9, iscrowd=1, segmentation=shapes[3])), [detection()])
    assert "their image: 5 (first: annotation 2)" in evaluate(*on("coco", "segm")).notes
    write(truth(annotation(), annotation(id=2, bbox=[5, 5, 0, 0])), [detection()])
    assert "objects to find without area: 1 (first: annotation 2)" in evaluate(*on("coco", "bbox")).notes
    write(truth(), [detection()])
    assert "objects to find" not in evaluate(*on("coco", "segm")).notes


def test_a_mean_says_its_classes(write: Callable[[Any, Any], None], evaluate: Evaluate) -> None:
    write(truth(annotation(), annotation(id=2, category_id=2, iscrowd=1)), [detection()])
    assert (
        "AP is the mean over 1 of 2 classes; left out: 1 of crowds alone (class 2)"
        in evaluate(*on("coco", "segm")).notes
    )
    assert "AP is the mean over all 2 classes" in evaluate(*on("lvis", "segm")).notes  # which knows no crowds
    write(truth(annotation(), annotation(id=2, category_id=2, area=0)), [detection()])
    said = evaluate(*on("lvis", "segm")).notes
    assert "left out: 1 of ignored instances or such without area (class 2)" in said


def test_boxes_beside_masks_and_equal_scores_are_noted(write: Callable[[Any, Any], None], evaluate: Evaluate) -> None:
    write(truth(), [detection(), detection()])
    for kind in INSTANCES:
        said = evaluate(*on(*kind)).notes
        assert ("the detections hold boxes and masks" in said) == (kind[1] != "bbox")
        assert "all 2 detections have the score 0.5" in said
    assert "the detections hold boxes and masks" in evaluate(*on("lvis", "segm")[:-2], "--official").notes
    alone = {key: value for key, value in detection().items() if key != "bbox"}
    write(truth(), [alone, alone | {"score": 0.6}])
    said = evaluate(*on("coco", "segm")).notes
    assert "boxes" not in said
    assert "score" not in said
