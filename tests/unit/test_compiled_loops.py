"""The loops in C take nothing that `json` would not, read it as Python does, draw as pycocotools does, and match as numpy does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from methods.common.compiled import library
from methods.common.compiled.boundaries import mark_boundaries
from methods.common.compiled.masks import draw_masks
from methods.common.compiled.records import read_annotations, read_detections
from methods.common.datasets.rle import decode_runs, join_texts
from methods.common.metrics.detection import (
    annotation_reading,
    coco_ground_truth,
    matching,
    overlaps,
    precision_recall,
)
from methods.common.metrics.detection.file_workers import Workers
from methods.common.metrics.detection.ground_truth import Canvas, GroundTruth
from methods.common.metrics.detection.json_columns import FilePart
from methods.common.metrics.detection.overlaps import DetectionColumns
from methods.common.metrics.label_maps import imagenet_s


def as_text(content: str | bytes) -> np.ndarray:
    return np.frombuffer(content.encode() if isinstance(content, str) else content, np.uint8)


def detection(score: str) -> str:
    return '{"image_id":1,"category_id":2,"score":' + score + ',"bbox":[1,2,3,4]}'


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_those_of_python_to_the_last_bit(values: list[float]) -> None:
    found = read_detections(as_text(",".join(detection(repr(value)) for value in values)), with_masks=False)
    assert found is not None
    assert found.score_N.tobytes() == np.array(values).tobytes()


@settings(max_examples=150, deadline=None)
@given(st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_numbers_of_any_spelling_too(spelling: str) -> None:
    found = read_detections(as_text(detection(spelling)), with_masks=False)
    assert found is not None
    assert found.score_N[0] == float(spelling)


def test_numbers_next_to_halfway_between_two_doubles() -> None:
    """Of 19 digits one in two thousand lies so near that rounding to 64 bits first, then to a double, may go wrong."""
    rng = np.random.default_rng(0)
    spellings = [
        f"{whole}.{part:018}"
        for whole, part in zip(rng.integers(1, 9, 20_000), rng.integers(0, 10**18, 20_000), strict=True)
    ]
    found = read_detections(as_text(",".join(map(detection, spellings))), with_masks=False)
    assert found is not None
    assert found.score_N.tolist() == list(map(float, spellings))


RECORD = json.dumps(
    {
        "image_id": 7,
        "category_id": 2,
        "score": 0.25,
        "bbox": [1, 2.5, 3, 4],
        "note": ['é\\"', {"a": [None, True, 1e-3]}],
    },
    ensure_ascii=False,
).encode()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(RECORD) - 1), st.binary(max_size=2), st.integers(0, 2))
def test_a_broken_record_is_refused_or_means_the_same_to_json(place: int, put: bytes, dropped: int) -> None:
    text = RECORD[:place] + put + RECORD[place + dropped :]
    found = read_detections(as_text(text), with_masks=False)
    if found is None:
        return
    record = json.loads(b"[" + text + b"]")
    assert [one["image_id"] for one in record] == found.image_id_N.tolist()
    assert [one["category_id"] for one in record] == found.category_id_N.tolist()
    assert [float(one["score"]) for one in record] == found.score_N.tolist()
    assert found.box_N4 is not None
    assert [list(map(float, one["bbox"])) for one in record] == found.box_N4.tolist()


@pytest.mark.parametrize(
    "text", ['{"a":"\n"}', '{"a":01}', '{"a":"\\x"}', '{"a":[1,]}', '{"a":nul}', '{"a":1', "[" * 5000, '{"a":1.}']
)
def test_what_is_no_json_is_refused(text: str) -> None:
    assert read_detections(as_text(detection("1") + "," + text), with_masks=False) is None
    assert read_detections(as_text(detection("1")[:-1] + ',"x":' + text + "}"), with_masks=False) is None


@pytest.mark.parametrize("broken", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"])
def test_text_that_is_no_utf8_is_refused(broken: bytes) -> None:
    assert read_detections(as_text(detection("1").encode()[:-1] + b',"x":"' + broken + b'"}'), with_masks=False) is None


@pytest.mark.parametrize("special", ['"', "\\", "\n", "\x1f"])
def test_a_special_character_is_seen_wherever_it_stands_in_a_long_text(special: str) -> None:
    for place in range(70):
        text = detection("1")[:-1] + ',"x":"' + "~" * place + special + " " * (69 - place) + '"}'
        assert read_detections(as_text(text), with_masks=False) is None
        escaped = detection("1")[:-1] + ',"x":"' + "~" * place + json.dumps(special)[1:-1] + "é" * (69 - place) + '"}'
        assert read_detections(as_text(escaped), with_masks=False) is not None


def test_parts_of_a_file_hold_their_bytes_wherever_they_begin(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(40_000)
    file = tmp_path / "records.json"
    file.write_bytes(content)
    for start, stop in ((0, 40_000), (1, 2), (4095, 4097), (4096, 8192), (8191, 40_000), (39_999, 40_000)):
        assert FilePart(file, start, stop).read().tobytes() == content[start:stop]


def test_encoded_annotations_are_listed_with_their_places() -> None:
    plain = {"id": 5, "image_id": 1, "category_id": 2, "area": 3, "bbox": [0, 0, 1, 1], "iscrowd": 0, "ignore": None}
    records = [
        plain | {"segmentation": [[0, 0, 4, 0, 4, 4], [1, 1, 2, 1, 2, 2.5]]},
        plain | {"segmentation": {"size": [4, 4], "counts": "x"}, "iscrowd": 1},
        plain | {"segmentation": [[0, 0, 3, 0, 3, 3]], "ignore": 1, "id": 6},
    ]
    text = as_text(json.dumps(records)[1:-1])
    found = read_annotations(text, with_outlines=True)
    assert found is not None
    assert (found.id_N.tolist(), found.num_outlines_N.tolist(), found.end_O1.tolist()) == (
        [5, 6],
        [2, 1],
        [0, 6, 12, 18],
    )
    assert (found.ignore_N.tolist(), found.crowd_N.tolist()) == ([False, True], [False, False])
    ((place, span),) = found.encoded
    assert (place, json.loads(text[span].tobytes())) == (1, records[1])


def test_an_annotation_file_is_read_alike_without_loops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also which mask is whose, where crowds stand among others."""
    usual = {"image_id": 1, "category_id": 2, "area": 3.5, "bbox": [0, 0, 1, 1]}
    shapes = [[[0, 0, 4, 0, 4, side]] for side in range(3, 8)]
    crowds = [{"size": [9, 8], "counts": [runs, 5, 67 - runs]} for runs in (0, 20)]
    order = [crowds[0], *shapes[:2], crowds[1], *shapes[2:]]
    records = [
        usual | {"id": place, "segmentation": shape, "iscrowd": int(isinstance(shape, dict))}
        for place, shape in enumerate(order)
    ]
    file = tmp_path / "truth.json"
    content = {"images": [{"id": 1, "height": 9, "width": 8}], "categories": [{"id": 2}], "annotations": records}
    file.write_text(json.dumps(content))
    by_loops = coco_ground_truth.read_ground_truth(file, "segm", Workers(1)).ground_truth
    monkeypatch.setattr(annotation_reading, "library", lambda: None)
    by_json = coco_ground_truth.read_ground_truth(file, "segm", Workers(1)).ground_truth
    np.testing.assert_array_equal(by_loops.crowd_G, by_json.crowd_G)
    masks = [one.masks_between(0, len(order)) for one in (by_loops, by_json)]
    for name in ("column_S", "top_S", "bottom_S", "offset_N1"):
        np.testing.assert_array_equal(getattr(masks[0], name), getattr(masks[1], name))


coordinate = st.one_of(
    st.floats(-30, 60), st.integers(-10, 40).map(float), st.integers(-50, 200).map(lambda fifth: fifth / 5 + 0.1)
)
outline = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9)


@settings(max_examples=300, deadline=None)
@given(st.lists(outline, min_size=1, max_size=3), st.integers(1, 40), st.integers(1, 40))
def test_outlines_are_drawn_as_pycocotools_draws_them(outlines: list[Any], height: int, width: int) -> None:
    points = [np.array(one).ravel() for one in outlines]
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([one.tolist() for one in points], height, width)))
    end = np.cumsum([0, *map(len, points)])
    sizes = np.array([len(points)]), np.concatenate(points), end, np.array([height]), np.array([width])
    text, offset, area = draw_masks(*sizes)
    drawn = coco_mask.decode({"size": [height, width], "counts": text.tobytes()})
    assert (drawn == expected).all()
    assert (area[0], offset.tolist()) == (expected.sum(), [0, len(text)])
    assert decode_runs(text, offset).sums().covered[0] == height * width


def scene(seed: int) -> tuple[GroundTruth, DetectionColumns]:
    """Few images and classes, equal scores, crowds and ignored instances."""
    rng = np.random.default_rng(seed)
    num, num_found, side = int(rng.integers(0, 30)), int(rng.integers(0, 80)), 24
    canvas = Canvas.from_lists([3, 5, 9], [side] * 3, [side + 2] * 3, [1, 4])
    image_G, class_G = rng.integers(0, 3, num), rng.integers(0, 2, num)

    def masks(count: int) -> tuple[np.ndarray, np.ndarray]:
        pixels = np.zeros((side, side + 2, count), np.uint8, order="F")
        for index in range(count):
            x, y, wide, high = rng.integers([0, 0, 0, 0], [8, 8, 16, 16])
            pixels[y : y + high, x : x + wide, index] = rng.random((min(high, side - y), min(wide, side + 2 - x))) < 0.9
        return join_texts([one["counts"] for one in coco_mask.encode(pixels)])

    known = np.flatnonzero(rng.random(6) < 0.8) if seed % 2 else None
    truth = GroundTruth.from_columns(
        canvas,
        image_G,
        class_G,
        area_G=rng.choice([5.0, 1e3, 1e4], num),
        ignored_G=rng.random(num) < 0.2,
        crowd_G=rng.random(num) < 0.2,
        box_G4=rng.integers(0, 12, (num, 4)).astype(float),
        texts=(*masks(num), np.arange(num)),
        known_key_Q=known,
        open_key_Q=None if known is None else known[::2].copy(),
    )
    box_N4 = rng.integers(0, 12, (num_found, 4)).astype(float)
    found = DetectionColumns(
        rng.integers(0, 3, num_found),
        rng.integers(0, 2, num_found),
        rng.choice([-1.0, -0.0, 0.0, 0.25, 0.5], num_found),
        box_N4,
        box_N4[:, 2] * box_N4[:, 3],
        *masks(num_found),
    )
    return truth, found


def numbers(truth: GroundTruth, found: DetectionColumns, overlap: Any, limit: int | None) -> list[np.ndarray]:
    if overlap == "segm":
        found = DetectionColumns(
            found.image_N, found.class_N, found.score_N, None, None, found.text_C, found.text_offset_N1
        )
    measured = overlaps.measure(truth, found, overlap)
    assert measured is not None
    matches = matching.match(truth, measured, limit, num_threads=2)
    weight_I = np.array([2.0, 0.0, 1.0])
    answers = [vars(measured)[name] for name in vars(measured)] + list(vars(matches).values())[:-1]
    for weights in (None, weight_I):
        curves = precision_recall.curves(matches, weights)
        answers += [curves.class_C, curves.precision_ATRC, curves.recall_ATC]
        answers += [precision_recall.recall_of_best(matches, 2, weights)]
    return answers


@pytest.mark.parametrize("overlap", ["bbox", "segm"])
@pytest.mark.parametrize("limit", [None, 3])
def test_loops_and_numpy_agree_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch, overlap: str, limit: int | None
) -> None:
    for seed in range(40):
        truth, found = scene(seed)
        by_loops = numbers(truth, found, overlap, limit)
        with monkeypatch.context() as patch:
            for module in (matching, overlaps, precision_recall):
                patch.setattr(module, "library", lambda: None)
            by_numpy = numbers(truth, found, overlap, limit)
        for one, other in zip(by_loops, by_numpy, strict=True):
            np.testing.assert_array_equal(one, other)


def test_many_detections_of_a_class_are_put_into_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that differ in any of their 64 bits, ties, either sign; images as they come."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth, _ = scene(seed)
        number = 600
        several = [
            rng.random(number),
            -rng.random(number),
            rng.choice([0.5, np.nextafter(0.5, 1)], number),
            1e300 * rng.random(number),
        ]
        box_N4 = rng.integers(0, 12, (number, 4)).astype(float)
        found = DetectionColumns(
            rng.integers(0, 3, number),
            rng.integers(0, 2, number),
            np.choose(rng.integers(0, 4, number), several),
            box_N4,
            box_N4[:, 2] * box_N4[:, 3],
        )
        by_loops = numbers(truth, found, "bbox", None)
        with monkeypatch.context() as patch:
            for module in (matching, overlaps, precision_recall):
                patch.setattr(module, "library", lambda: None)
            by_numpy = numbers(truth, found, "bbox", None)
        for one, other in zip(by_loops, by_numpy, strict=True):
            np.testing.assert_array_equal(one, other)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 4), st.integers(0, 2**32))
def test_boundaries_are_those_of_opencv(height: int, width: int, num_spots: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    label_HW = np.full((height, width), 7, np.uint32)
    for _ in range(num_spots):
        y, x = rng.integers(height), rng.integers(width)
        label_HW[y : y + rng.integers(1, 30), x : x + rng.integers(1, 30)] = rng.integers(0, 1001)
    expected_HW = 2 * label_HW + imagenet_s.boundary(label_HW.astype(np.uint16))
    found_HW = mark_boundaries(label_HW, max(1, round(0.03 * float(np.hypot(height, width)))))
    assert found_HW is not None
    np.testing.assert_array_equal(found_HW, expected_HW)


def test_boundaries_of_five_and_twenty_pixels_in_a_row() -> None:
    """By hand: an edge or the other label is within two pixels."""
    label_HW = np.array([[3] * 5 + [4] * 15] * 9, np.uint32)
    found_HW = mark_boundaries(label_HW, 2)
    assert found_HW is not None
    assert (found_HW[4] - 2 * label_HW[4]).tolist() == [1, 1, 0, *[1] * 4, *[0] * 11, 1, 1]
    assert (found_HW[1] - 2 * label_HW[1]).tolist() == [1] * 20
    assert mark_boundaries(np.array([[1 << 15]], np.uint32), 1) is None


def test_without_a_compiler_there_are_no_loops(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(library, "_COMPILERS", ("no-such-compiler",))
    monkeypatch.setattr(library, "_OPTIONS", ("-O0",))  # not what was compiled before
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert library.library.__wrapped__() is None
