"""Our panoptic quality against panopticapi's definition written out, and against the copy of it in cityscapesScripts."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.datasets.png_labels import read_rgb_ids
from methods.common.errors import InputError
from methods.common.metrics.label_maps.panoptic import PanopticEvaluation, evaluate_panoptic
from methods.common.metrics.official.panoptic import evaluate_panoptic_officially
from tests.parity.label_maps import Map, map_pair, write_rgb_ids

CATEGORIES = [
    {"id": 1, "name": "person", "isthing": 1},
    {"id": 3, "name": "car", "isthing": 1},
    {"id": 184, "name": "tree", "isthing": 0},
    {"id": 200, "name": "rug", "isthing": 0},
]
SEGMENTS = (0, 0, 1, 2, 3, 300, 70_000, 16_777_215)
Segments = dict[int, tuple[int, bool]]
Image = tuple[Map, Segments, Map, Segments]


@st.composite
def image(draw: st.DrawFn) -> Image:
    """Segment ids of ground truth and prediction, each with (category, whether a crowd) for every id; 0 is void."""
    truth, prediction = draw(map_pair(SEGMENTS, SEGMENTS))
    category = st.sampled_from([1, 1, 3, 184])
    truths = {i: (draw(category), draw(st.integers(0, 3)) == 0) for i in np.unique(truth).tolist() if i}
    keep = draw(st.booleans())
    predicted = {
        i: (truths[i][0] if keep and i in truths else draw(category), False)
        for i in np.unique(prediction).tolist()
        if i
    }
    return truth, truths, prediction, predicted


def quality_of(pairs: list[Image]) -> dict[int, tuple[float, int, int, int]]:
    """Sum of IoU, TP, FP and FN of each category, from sets of pixels."""
    iou, tp, fp, fn = Counter(), Counter(), Counter(), Counter()
    for truth_HW, truths, prediction_HW, predicted in pairs:
        void = truth_HW == 0
        matched_truths, matched_predictions = set(), set()
        for truth_id, (category, crowd) in truths.items():
            for predicted_id, (predicted_category, _) in predicted.items():
                if crowd or category != predicted_category:
                    continue
                one, other = truth_HW == truth_id, prediction_HW == predicted_id
                value = (one & other).sum() / (one | (other & ~void)).sum()
                if value > 0.5:
                    iou[category] += float(value)
                    tp[category] += 1
                    matched_truths.add(truth_id)
                    matched_predictions.add(predicted_id)
        crowd_of = {category: truth_id for truth_id, (category, crowd) in truths.items() if crowd}  # the last one stays
        for truth_id, (category, crowd) in truths.items():
            fn[category] += not crowd and truth_id not in matched_truths
        for predicted_id, (category, _) in predicted.items():
            where = prediction_HW == predicted_id
            forgiven = where & (void | (truth_HW == crowd_of.get(category, -1)))
            fp[category] += predicted_id not in matched_predictions and forgiven.sum() / where.sum() <= 0.5
    return {c["id"]: (iou[c["id"]], tp[c["id"]], fp[c["id"]], fn[c["id"]]) for c in CATEGORIES}


def by_the_definition(pairs: list[Image]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    quality = quality_of(pairs)
    for suffix, wanted in (("", (0, 1)), ("_th", (1,)), ("_st", (0,))):
        rows = []
        for category in CATEGORIES:
            iou, tp, fp, fn = quality[category["id"]]
            if category["isthing"] in wanted and tp + fp + fn:
                size = tp + fp / 2 + fn / 2
                rows.append((iou / size, iou / tp if tp else 0.0, tp / size))
        for index, name in enumerate(("PQ", "SQ", "RQ")):
            found[f"{name}{suffix}"] = sum(row[index] for row in rows) / len(rows) if rows else None
    return found


def write(folder: Path, images: list[Image]) -> tuple[Path, Path]:
    files = {}
    for role, of_map, of_segments in (("truth", 0, 1), ("predicted", 2, 3)):
        annotations = []
        for number, one in enumerate(images):
            write_rgb_ids(folder / role / f"{number:012}.png", one[of_map])
            segments = [
                {"id": i, "category_id": category}
                | ({"iscrowd": int(crowd), "area": int((one[of_map] == i).sum())} if role == "truth" else {})
                for i, (category, crowd) in one[of_segments].items()
            ]
            annotations.append({"image_id": 10 + number, "file_name": f"{number:012}.png", "segments_info": segments})
        document = {"annotations": annotations} | ({"categories": CATEGORIES} if role == "truth" else {})
        files[role] = folder / f"{role}.json"
        files[role].write_text(json.dumps(document))
    return files["truth"], files["predicted"]


def evaluated(images: list[Image], **options: int) -> PanopticEvaluation:
    with TemporaryDirectory() as folder:
        return evaluate_panoptic(*write(Path(folder), images), **options)


@settings(max_examples=70, deadline=None)
@given(images=st.lists(image(), min_size=1, max_size=3), weights=st.lists(st.integers(0, 2), min_size=3, max_size=3))
def test_equals_the_definition_and_the_package(images: list[Image], weights: list[int]) -> None:
    with TemporaryDirectory() as folder:
        places = write(Path(folder), images)
        ours, official = evaluate_panoptic(*places), evaluate_panoptic_officially(*places)
    assert ours.metrics() == pytest.approx(official.metrics(), abs=1e-9)
    assert ours.metrics() == pytest.approx(by_the_definition(images), abs=1e-9)
    assert ours.image_ids == official.image_ids
    for row, theirs in zip(ours.per_class(), official.per_class(), strict=True):
        assert {name: value or 0 for name, value in row.items()} == pytest.approx(theirs, abs=1e-9)
    assert len(ours.notes()) == 1  # over which classes
    assert ours.metrics(np.ones(len(images))) == ours.metrics()
    repeated = [one for one, weight in zip(images, weights, strict=False) for _ in range(weight)]
    if repeated:
        weighted = ours.metrics(np.array(weights[: len(images)], float))
        assert weighted == pytest.approx(by_the_definition(repeated), abs=1e-9)


def test_half_is_no_match() -> None:
    truth = np.array([[1, 1, 0, 0, 2, 2]])
    prediction = np.array([[1, 0, 5, 5, 2, 2]])
    segments = {1: (1, False), 2: (3, False)}
    ours = evaluated([(truth, segments, prediction, segments | {5: (1, False)})])
    rows = {row["name"]: row for row in ours.per_class()}
    # IoU 1/2 does not match: one miss, and one false positive; segment 5 lies on void and counts nowhere.
    assert (rows["person"]["TP"], rows["person"]["FP"], rows["person"]["FN"]) == (0, 1, 1)
    assert rows["car"]["PQ"] == 1.0
    assert rows["rug"]["PQ"] is None
    assert ours.metrics()["PQ"] == 0.5
    assert ours.metrics()["PQ_st"] is None


def test_processes_do_not_matter(in_processes: None) -> None:
    generator = np.random.default_rng(0)
    images = []
    for _ in range(9):
        maps = [generator.integers(1, 5, (8, 8)) for _ in range(2)]
        segments = {i: (1 + 2 * (i % 2), False) for i in range(1, 5)}
        images.append((maps[0], segments, maps[1], segments))
    assert evaluated(images).metrics() == evaluated(images, num_processes=2).metrics()


def test_evaluations_at_the_same_time_do_not_disturb_each_other() -> None:
    """Ids of one are no segments of the other."""
    generator = np.random.default_rng(3)
    cases = []
    for start in (1, 100):
        segments = {start + i: (1 + 2 * (i % 2), False) for i in range(4)}
        maps = [generator.integers(start, start + 4, (60, 60)) for _ in range(2)]
        cases.append([(maps[0], segments, maps[1], segments)] * 6)
    alone = [evaluated(case).metrics() for case in cases]
    with ThreadPoolExecutor(2) as threads:
        for _ in range(3):
            assert [found.metrics() for found in threads.map(evaluated, cases)] == alone


def test_more_segments_than_a_byte_counts() -> None:
    ids = np.arange(1, 601).reshape(20, 30)
    segments, others = ({int(i): (category, False) for i in ids.flat} for category in (1, 3))
    assert evaluated([(ids, segments, ids[::-1], segments)]).metrics()["PQ"] == 1.0  # ids only name segments
    assert evaluated([(ids, segments, ids, others)]).metrics()["PQ"] == 0.0


def test_real_coco_photographs(shared: Path, tmp_path: Path) -> None:
    place = shared / "data" / "coco_images" / "panoptic"
    truth, folder = place / "panoptic_examples.json", place / "panoptic_examples"
    ours = evaluate_panoptic(truth, truth)
    assert ours.metrics()["PQ"] == 1.0
    assert len(ours.notes()) == 1  # over which classes
    # Predictions that lose the left quarter and take the right neighbour's pixels.
    document = json.loads(truth.read_text())
    for annotation in document["annotations"]:
        id_HW = read_rgb_ids(folder / annotation["file_name"]).astype(int)
        moved_HW = np.roll(id_HW, -id_HW.shape[1] // 20, axis=1)
        moved_HW[:, : id_HW.shape[1] // 4] = 0
        write_rgb_ids(tmp_path / "moved" / annotation["file_name"], moved_HW)
        present = set(np.unique(moved_HW).tolist())
        annotation["segments_info"] = [one for one in annotation["segments_info"] if one["id"] in present]
    (tmp_path / "moved.json").write_text(json.dumps({"annotations": document["annotations"]}))
    ours = evaluate_panoptic(truth, tmp_path / "moved.json")
    official = evaluate_panoptic_officially(truth, tmp_path / "moved.json")
    assert ours.metrics() == pytest.approx(official.metrics(), abs=1e-12)
    assert 0.1 < ours.metrics()["PQ"] < 0.9


def test_real_fixture_with_a_crowd(shared: Path) -> None:
    place = shared / "data" / "format_fixtures" / "datumaro" / "coco_dataset" / "coco_panoptic" / "annotations"
    truth = place / "panoptic_val.json"
    ours, official = evaluate_panoptic(truth, truth), evaluate_panoptic_officially(truth, truth)
    assert ours.metrics() == official.metrics() == {
        **{f"{name}{suffix}": 1.0 for name in ("PQ", "SQ", "RQ") for suffix in ("", "_st")},
        **{f"{name}_th": None for name in ("PQ", "SQ", "RQ")},
    }  # fmt: skip


def test_the_jsons_area_counts_and_is_noted(tmp_path: Path) -> None:
    segments = {1: (1, False)}
    places = write(tmp_path, [(np.ones((2, 4), int), segments, np.array([[1] * 4, [0] * 4]), segments)])
    change(places[0], lambda document: first_segment(document).update(area=6))
    ours, official = evaluate_panoptic(*places), evaluate_panoptic_officially(*places)
    assert ours.metrics() == official.metrics()
    assert ours.metrics()["SQ"] == pytest.approx(4 / 6)
    assert ours.notes()[0].startswith("1 segments of the ground truth have another `area`")


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def first_segment(document: Any) -> dict[str, Any]:
    return document["annotations"][0]["segments_info"][0]


FAULTS = [
    (0, lambda d: d.pop("categories"), "truth.json: field `categories` must be a list"),
    (0, lambda d: d["categories"][1].pop("isthing"), "truth.json, category 1: field `isthing` is missing"),
    (0, lambda d: d["categories"].append(d["categories"][0]), "truth.json: category id 1 stands twice"),
    (0, lambda d: d["annotations"].clear(), "truth.json has no annotations"),
    (0, lambda d: first_segment(d).pop("area"), "truth.json, image 10, segment 1: field `area` is missing"),
    (0, lambda d: first_segment(d).update(area=0), "4 pixels of segment 1, whose `area` in the JSON is 0"),
    (
        0,
        lambda d: d["annotations"][0]["segments_info"].pop(),
        "truth/.* has label 1 at row 0, column 0, which the JSON",
    ),
    (1, lambda d: d["annotations"].clear(), "predicted.json has no prediction for image 10, and 1 of 1 are missing"),
    (1, lambda d: d["annotations"][0].update(image_id=7), "predicted.json: image 7 is not in .*truth.json"),
    (1, lambda d: d["annotations"].append(d["annotations"][0]), "predicted.json: image_id 10 stands twice"),
    (1, lambda d: d["annotations"][0].pop("image_id"), "predicted.json, annotation 0: field `image_id` is missing"),
    (1, lambda d: d["annotations"][0].update(file_name="no.png"), r"predicted/no.png cannot be read \(No such file"),
    (1, lambda d: first_segment(d).update(category_id=2), "segment 1: field `category_id` is 2, which is no category"),
    (1, lambda d: first_segment(d).update(id=0), "segment 0: field `id` must be from 1"),
    (
        1,
        lambda d: d["annotations"][0]["segments_info"].append({"id": 9, "category_id": 1}),
        "has no pixel of segment 9",
    ),
    (1, lambda d: d["annotations"][0]["segments_info"].append(first_segment(d)), "image 10: segment id 1 stands twice"),
]


@pytest.mark.parametrize(("which", "edit", "message"), FAULTS)
def test_faulty_files(tmp_path: Path, which: int, edit: Callable[[Any], Any], message: str) -> None:
    segments = {1: (1, False)}
    places = write(tmp_path, [(np.ones((2, 2), int), segments, np.ones((2, 2), int), segments)])
    change(places[which], edit)
    with pytest.raises(InputError, match=message) as raised:
        evaluate_panoptic(*places)
    assert "\n" not in str(raised.value)


def test_faulty_pictures(tmp_path: Path) -> None:
    segments = {1: (1, False)}
    places = write(tmp_path, [(np.ones((2, 2), int), segments, np.ones((2, 3), int), segments)])
    with pytest.raises(InputError, match=r"predicted/000000000000\.png is 3x2 pixels, its ground truth 2x2"):
        evaluate_panoptic(*places)
    with pytest.raises(InputError, match=r"no folder .*elsewhere with the PNG files of"):
        evaluate_panoptic(*places, predictions_folder=tmp_path / "elsewhere")
    places[1].write_text("{")
    with pytest.raises(InputError, match=r"predicted\.json is not valid JSON"):
        evaluate_panoptic(*places)
    with pytest.raises(InputError, match="official evaluator stops with"):
        evaluate_panoptic_officially(*places)
