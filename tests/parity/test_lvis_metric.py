"""Our LVIS evaluation against the official package, to 1e-9 and better."""

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.datasets.lvis import read_lvis
from methods.common.datasets.rle import decode_mask, encode_mask
from methods.common.errors import InputError
from methods.common.metrics.detection.detections import DetectionTable, detections_to_results
from methods.common.metrics.detection.lvis import LvisEvaluation, best_per_image, evaluate_lvis
from methods.common.metrics.official.lvis import evaluate_lvis_officially, numpy_names_of_old
from methods.common.metrics.official.package_evaluation import PackageEvaluation
from tests.parity.detection_cases import CLASS_IDS, SIDE, Record, detection, instance, mask_of, small_groups


def assert_equal_scores(ours: LvisEvaluation, official: PackageEvaluation) -> None:
    assert tuple(ours.metrics()) == tuple(official.metrics())
    class_ap = {row["category_id"]: row["AP"] for row in official.per_class()}
    assert list(ours.class_ap) == list(class_ap)
    mine, theirs = ours.metrics() | ours.class_ap, official.metrics() | class_ap  # type: ignore[operator]
    for name, value in theirs.items():
        if value is None or mine[name] is None:
            assert mine[name] is value, f"{name}: ours {mine[name]}, official {value}"
        else:
            assert mine[name] == pytest.approx(value, abs=1e-9), name


def compare(folder: Path, truth: Record, detections: list[Record]) -> None:
    """Hold our numbers to the package's: from records in memory and from a file, which take different ways."""
    path, results = folder / "truth.json", folder / "results.json"
    path.write_text(json.dumps(truth))
    without_boxes = [{key: value for key, value in record.items() if key != "bbox"} for record in detections]
    for iou_type, given_detections in (("bbox", detections), ("segm", detections), ("bbox", without_boxes)):
        untouched = deepcopy(given_detections)
        official = evaluate_lvis_officially(path, given_detections, iou_type)  # type: ignore[arg-type]
        assert_equal_scores(evaluate_lvis(path, given_detections, iou_type), official)  # type: ignore[arg-type]
        assert given_detections == untouched
        results.write_text(json.dumps(given_detections))
        with small_groups():
            ours = evaluate_lvis(path, results, iou_type, num_processes=2)  # type: ignore[arg-type]
        assert_equal_scores(ours, official)


@st.composite
def evaluation_case(draw: st.DrawFn) -> tuple[Record, list[Record]]:
    some_classes = st.lists(st.sampled_from(CLASS_IDS), unique=True, max_size=3)
    image_ids = draw(st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True))
    images = [
        {
            "id": image_id,
            "width": SIDE,
            "height": SIDE,
            "coco_url": "",
            "neg_category_ids": draw(some_classes),
            "not_exhaustive_category_ids": draw(some_classes),
        }
        for image_id in image_ids
    ]
    placed = st.sampled_from(image_ids)
    instances = draw(st.lists(st.tuples(placed, instance()), max_size=10))
    found = draw(st.lists(st.tuples(placed, detection()), max_size=16))
    repeated = draw(st.lists(st.sampled_from(found), max_size=4)) if found else []
    annotations = [{"id": 5 + index, "image_id": place, **record} for index, (place, record) in enumerate(instances)]
    categories = [
        {"id": class_id, "name": f"class {class_id}", "frequency": draw(st.sampled_from("rcf"))}
        for class_id in draw(st.permutations(CLASS_IDS))
    ]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    return truth, [{"image_id": place, **record} for place, record in found + repeated]


@settings(max_examples=100, deadline=None)
@given(case=evaluation_case())
def test_drawn_cases_equal_the_official_package(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    compare(tmp_path_factory.getbasetemp(), *case)


def crowded_case(seed: int, per_image: int) -> tuple[Record, list[Record]]:
    """Several images with ``per_image`` detections each and many equal scores, shuffled.

    Class 3 is present in one image, listed as absent in one, unknown in one; class 8 is not exhaustive in one.
    """
    rng = np.random.default_rng(seed)
    images, annotations, detections = [], [], []
    for image_id in (4, 2, 9):
        images.append(
            {
                "id": image_id,
                "width": SIDE,
                "height": SIDE,
                "coco_url": "",
                "neg_category_ids": [11, 3] if image_id == 9 else [11],
            }
        )
        images[-1]["not_exhaustive_category_ids"] = [8] if image_id == 2 else []
        boxes = np.stack([rng.integers(0, 25, 12), rng.integers(0, 25, 12), *rng.integers(2, 15, (2, 12))], 1).tolist()
        for found in boxes:
            mask = mask_of(tuple(found), int(rng.integers(4)))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(rng.choice([3, 8] if image_id == 4 else [8])),
                }
            )
            annotations[-1] |= {"bbox": found, "area": float(mask.sum()), "segmentation": encode_mask(mask)}
        for _ in range(per_image):
            found = [*boxes[rng.integers(12)]]
            found[2] = max(1, found[2] - int(rng.integers(3)))
            detections.append({"image_id": image_id, "category_id": int(rng.choice(CLASS_IDS)), "bbox": found})
            detections[-1] |= {
                "score": round(float(rng.random()), 2),
                "segmentation": encode_mask(mask_of(found, None)),
            }
    order = rng.permutation(len(detections))
    categories = [{"id": k, "name": str(k), "frequency": f} for k, f in zip(CLASS_IDS, "rcf", strict=True)]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    return truth, [detections[index] for index in order]


@pytest.mark.parametrize("seed", range(3))
def test_more_than_300_detections_in_an_image(tmp_path: Path, seed: int) -> None:
    truth, detections = crowded_case(seed, 420)
    compare(tmp_path, truth, detections)
    path = tmp_path / "truth.json"
    kept = best_per_image(
        np.array([record["image_id"] for record in detections]), np.array([record["score"] for record in detections])
    )
    assert kept.sum() == 900
    capped = [record for record, keep in zip(detections, kept, strict=True) if keep]
    assert evaluate_lvis(path, capped, "segm").metrics() == evaluate_lvis(path, detections, "segm").metrics()


def test_of_equal_scores_the_earlier_detection_stays() -> None:
    kept = best_per_image(np.array([1, 2, 1, 1, 2]), np.array([0.5, 0.1, 0.7, 0.5, 0.1]), limit=1)
    assert kept.tolist() == [False, True, True, False, False]
    kept = best_per_image(np.array([1, 2, 1, 1, 2]), np.array([0.5, 0.1, 0.7, 0.5, 0.1]), limit=2)
    assert kept.tolist() == [True, True, True, False, True]


def perturbed(dataset_file: Path, seed: int) -> list[Record]:
    """Detections made from the ground truth: shifted, some with a wrong class, some missing, some doubled."""
    rng = np.random.default_rng(seed)
    dataset = read_lvis(dataset_file)
    records = []
    for image in dataset.images:
        for annotation in dataset.annotations[image.id]:
            for _ in range(rng.integers(0, 3)):
                shift = int(rng.integers(0, 1 + image.width // 25))
                mask = np.roll(annotation.mask(image.height, image.width), shift, axis=1)
                wrong = rng.random() < 0.2
                category_id = int(rng.choice(image.neg_category_ids or (1,))) if wrong else annotation.category_id
                x, y, width, height = annotation.bbox_xywh
                record = {"image_id": image.id, "category_id": category_id, "bbox": [x + shift, y, width, height]}
                score = round(float(rng.random()), 2)
                records.append({**record, "score": score, "segmentation": encode_mask(mask)})
    return records


@pytest.mark.parametrize("name", ["lvis/lvis_val_100.json", "emoji_lvis/val.json"])
def test_real_files_equal_the_official_package(shared: Path, tmp_path: Path, name: str) -> None:
    source = shared / "data" / name
    results = perturbed(source, 0)
    (tmp_path / "results.json").write_text(json.dumps(results))
    for iou_type in ("bbox", "segm"):
        ours = evaluate_lvis(source, tmp_path / "results.json", iou_type)  # type: ignore[arg-type]
        official = evaluate_lvis_officially(source, tmp_path / "results.json", iou_type)  # type: ignore[arg-type]
        assert_equal_scores(ours, official)
        assert 0.1 < ours.metrics()["AP"] < 0.9  # type: ignore[operator]


@pytest.mark.parametrize("style", ["plain", "tight", "indented", "windows"])
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_processes_and_parts_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_processes: None, iou_type: Any, style: str
) -> None:
    """A file in any usual style is cut into many parts and never goes through `json` record by record."""
    truth, detections = crowded_case(1, 60)
    for record in truth["annotations"]:
        x, y, width, height = record["bbox"]
        record["segmentation"] = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    path, results = tmp_path / "truth.json", tmp_path / "results.json"
    options = {"plain": {}, "tight": {"separators": (",", ":")}}.get(style, {"indent": 2})
    for file, content in ((path, truth), (results, detections)):
        file.write_text(json.dumps(content, **options), newline="\r\n" if style == "windows" else "")
    whole = evaluate_lvis(path, detections, iou_type)
    monkeypatch.setattr("methods.common.metrics.detection.file_workers.Workers.part_bytes", lambda *_: 1000)
    monkeypatch.delattr("methods.common.metrics.detection.reading.DetectionTable")
    monkeypatch.delattr("methods.common.metrics.detection.annotation_reading._read_whole")
    seen: list[tuple[int, int]] = []
    for num_processes in (1, 2):
        found = evaluate_lvis(
            path, results, iou_type, num_processes=num_processes, progress=lambda *told: seen.append(told)
        )
        assert found.metrics() == whole.metrics()
        assert found.per_class() == whole.per_class()
    assert len(seen) > 20
    assert seen[-1] == (3, 3)


@st.composite
def resampled_case(draw: st.DrawFn) -> tuple[Record, list[Record], list[int]]:
    """A case without equal scores, and how often each image is drawn."""
    truth, detections = draw(evaluation_case())
    scores = draw(st.permutations(range(len(detections))))
    detections = [{**record, "score": score / 50} for record, score in zip(detections, scores, strict=True)]
    return truth, detections, draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))[: len(truth["images"])]


def repeated(records: list[Record], key: str, times: dict[int, int]) -> list[Record]:
    """Copies of the records of each image, as often as it is drawn; copy c of image i has the id 10 i + c."""
    return [
        {**record, key: 10 * record[key] + copy, **({"id": 10 * record["id"] + copy} if "id" in record else {})}
        for record in records
        for copy in range(times[record[key]])
    ]


@settings(max_examples=30, deadline=None)
@given(case=resampled_case())
def test_weights_equal_repeated_images(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    truth, detections, counts = case
    path = tmp_path_factory.getbasetemp() / "truth.json"
    path.write_text(json.dumps(truth))
    image_ids = sorted(image["id"] for image in truth["images"])
    times = dict(zip(image_ids, counts, strict=True))
    ours = evaluate_lvis(path, detections, "bbox")
    assert ours.image_ids == image_ids
    assert ours.metrics(np.ones(len(image_ids))) == ours.metrics()
    again = {
        "images": repeated(truth["images"], "id", times),
        "annotations": repeated(truth["annotations"], "image_id", times),
        "categories": truth["categories"],
    }
    path.write_text(json.dumps(again))
    if again["images"]:
        official = evaluate_lvis_officially(path, repeated(detections, "image_id", times), "bbox").metrics()
        assert ours.metrics(np.array(counts, np.float64)) == pytest.approx(official, abs=1e-9)
        with small_groups():
            assert ours.metrics(np.array(counts, np.float64)) == pytest.approx(official, abs=1e-9)
    else:
        assert set(ours.metrics(np.zeros(len(counts))).values()) == {None}


def test_hand_computed_scores(tmp_path: Path) -> None:
    """Class 3: one of two instances found exactly: recall 0.5, so 51 of 101 points, at the precision there.

    Class 8: its only instance is missed, AP 0. Class 11: no instance, left out although listed as absent and detected.
    """
    images = [{"id": image_id, "width": SIDE, "height": SIDE, "neg_category_ids": []} for image_id in (1, 2, 3, 4)]
    images[0]["neg_category_ids"], images[1]["neg_category_ids"], images[3]["neg_category_ids"] = [11], [3], [3]
    for image in images:
        image["not_exhaustive_category_ids"] = [3] if image["id"] == 4 else []
    truth = {
        "images": images,
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 10, 10], "area": 100.0},
            {"id": 2, "image_id": 1, "category_id": 3, "bbox": [20, 20, 10, 10], "area": 100.0},
            {"id": 3, "image_id": 1, "category_id": 8, "bbox": [2, 2, 38, 38], "area": 1444.0},
        ],
        "categories": [{"id": k, "name": str(k), "frequency": f} for k, f in zip((3, 8, 11), "rcf", strict=True)],
    }
    for record in truth["annotations"]:
        record["segmentation"] = encode_mask(mask_of(tuple(record["bbox"]), None))
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    found = {"image_id": 1, "category_id": 3, "score": 0.9, "bbox": [0, 0, 10, 10]}
    detections = [found, {**found, "category_id": 11}]
    scores = evaluate_lvis(path, detections, "bbox")
    assert scores.class_ap == {3: pytest.approx(51 / 101), 8: 0.0, 11: None}
    assert scores.metrics()["AP"] == scores.metrics()["AP50"] == pytest.approx(51 / 202)
    assert scores.metrics()["APr"] == scores.metrics()["APs"] == pytest.approx(51 / 101)
    assert scores.metrics()["APc"] == scores.metrics()["APm"] == 0.0
    assert scores.metrics()["APf"] is scores.metrics()["APl"] is None
    assert scores.metrics()["AR@300"] == pytest.approx(0.25)
    # Where the class is unknown (image 3) or not exhaustive (4) a false detection costs nothing, where it is absent (2) it does.
    for image_id, precision in ((3, 1), (4, 1), (2, 1 / 2)):
        detections.append({**found, "image_id": image_id, "score": 0.95})
        assert evaluate_lvis(path, detections, "bbox").class_ap[3] == pytest.approx(precision * 51 / 101)


def test_without_detections_defined_metrics_are_zero(tmp_path: Path) -> None:
    truth, _ = crowded_case(0, 1)
    compare(tmp_path, truth, [])
    assert evaluate_lvis(tmp_path / "truth.json", [], "segm").metrics()["AP"] == 0.0


def change(index: int, **fields: Any) -> Callable[[list[Record]], None]:
    return lambda records: records[index].update(fields)


WRONG_SIZE = encode_mask(np.ones((SIDE, SIDE + 1), bool))
BAD_DETECTIONS: list[tuple[Callable[[list[Record]], Any], str, list[str]]] = [
    (change(2, image_id=77), "bbox", ["detection 2", "`image_id`", "not in the ground truth"]),
    (change(2, image_id="4"), "bbox", ["detection 2", "`image_id`"]),
    (change(1, category_id=4), "bbox", ["detection 1", "`category_id`", "not in the ground truth"]),
    (change(1, score=float("nan")), "bbox", ["detection 1", "`score`", "nan"]),
    (change(1, score=None), "segm", ["detection 1", "`score`"]),
    (change(0, bbox=[0, 0, -1, 2]), "bbox", ["detection 0", "`bbox`"]),
    (change(0, bbox=[0, 0, 1]), "bbox", ["detection 0", "`bbox`"]),
    (change(0, bbox=[0, 0, "1", 2]), "bbox", ["detection 0", "`bbox`"]),
    (lambda records: records[3].pop("bbox"), "bbox", ["detection 3", "`bbox`", "missing"]),
    (lambda records: records[3].pop("segmentation"), "segm", ["detection 3", "`segmentation`", "missing"]),
    (change(3, segmentation=WRONG_SIZE), "segm", ["detection 3", "size [40, 41]", "[40, 40]"]),
    (change(3, segmentation={"size": [40, 40], "counts": "11"}), "segm", ["detection 3", "add up"]),
    (change(3, segmentation={"size": 40, "counts": "11"}), "segm", ["detection 3", "has size 40"]),
    (change(3, segmentation=[[0, 0, 1, 1, 2, 2]]), "segm", ["detection 3", "`segmentation`"]),
    (lambda records: records.append(3), "bbox", ["entry 5", "not an object"]),
]


@pytest.mark.parametrize(("damage", "iou_type", "words"), BAD_DETECTIONS)
@pytest.mark.parametrize("as_file", [True, False])
def test_bad_detection_is_named(
    tmp_path: Path, damage: Callable[[list[Record]], Any], iou_type: Any, words: list[str], as_file: bool
) -> None:
    truth, detections = crowded_case(0, 2)
    detections = detections[:5]
    damage(detections)
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    results = tmp_path / "results.json"
    results.write_text(json.dumps(detections))
    with pytest.raises(InputError) as caught:
        evaluate_lvis(tmp_path / "truth.json", results if as_file else detections, iou_type)
    assert all(word in str(caught.value) for word in words), caught.value
    assert not as_file or str(results) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "[1"])
def test_files_that_are_no_results_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "truth.json").write_text(json.dumps(crowded_case(0, 1)[0]))
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(InputError, match=r"results\.json"):
        evaluate_lvis(tmp_path / "truth.json", tmp_path / "results.json", "bbox")


def test_annotation_id_zero_counts_like_any_other_and_is_noted(tmp_path: Path) -> None:
    truth, detections = crowded_case(0, 1)
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    plain = evaluate_lvis(tmp_path / "truth.json", detections, "bbox")
    truth["annotations"][0]["id"] = 0
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    noted = evaluate_lvis(str(tmp_path / "truth.json"), detections, "bbox")
    assert noted.metrics() == plain.metrics()
    assert next(note for note in noted.notes() if note not in plain.notes()).startswith("annotation 0: lvis-api takes")


def test_arrays_to_official_results() -> None:
    masks = np.stack([mask_of((1, 2, 3, 4), None), mask_of((0, 0, 5, 5), 1)])
    boxes = np.array([[1, 2, 4, 6], [0, 0, 5, 5]], np.float32)
    results = detections_to_results(9, boxes, np.array([0.5, 0.25]), np.array([2, 0]), CLASS_IDS, masks)
    assert [(r["category_id"], r["bbox"], r["score"]) for r in results] == [
        (11, [1.0, 2.0, 3.0, 4.0], 0.5),
        (3, [0.0, 0.0, 5.0, 5.0], 0.25),
    ]
    again = json.loads(json.dumps(results))
    for record, mask in zip(again, masks, strict=True):
        np.testing.assert_array_equal(decode_mask(record["segmentation"]), mask)
    as_rle = [{**record["segmentation"], "counts": record["segmentation"]["counts"].encode()} for record in results]
    assert detections_to_results(9, boxes, [0.5, 0.25], [2, 0], CLASS_IDS, as_rle) == results  # type: ignore[arg-type]
    table = DetectionTable(results, {9: (SIDE, SIDE)}, CLASS_IDS)
    assert table.masks()[1].tolist() == masks.sum((1, 2)).tolist()
    assert detections_to_results(9, np.zeros((0, 4)), [], [], CLASS_IDS) == []


def test_shim_lasts_for_the_block_only() -> None:
    before = set(vars(np))
    with numpy_names_of_old():
        assert vars(np)["float"] is float
    assert set(vars(np)) == before


def test_evaluation_does_not_load_torch() -> None:
    program = "import sys; import methods.common.metrics.detection.lvis, methods.common.metrics.official.lvis; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
