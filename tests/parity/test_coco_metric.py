"""Our COCO evaluation against pycocotools, and Boundary AP against a slow straight reference, to 1e-9 and better."""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from methods.common.datasets.rle import encode_mask, runs_to_rle
from methods.common.errors import InputError
from methods.common.metrics.detection.coco import METRIC_NAMES, CocoEvaluation, evaluate_coco
from methods.common.metrics.official.coco import evaluate_coco_officially
from tests.parity.detection_cases import CLASS_IDS, SIDE, Record, detection, instance, mask_of, small_groups
from tests.parity.test_boundary import slow_boundary


def assert_equal(ours: CocoEvaluation, values: dict[str, float | None], rows: list[Record] | None = None) -> None:
    assert tuple(ours.metrics()) == tuple(values) == METRIC_NAMES
    assert ours.metrics() == pytest.approx(values, abs=1e-9)
    if rows is not None:
        mine = ours.per_class()
        assert [row["category_id"] for row in mine] == [row["category_id"] for row in rows]
        assert [row["AP"] for row in mine] == pytest.approx([row["AP"] for row in rows], abs=1e-9)


def compare(folder: Path, truth: Record, detections: list[Record]) -> None:
    path, results = folder / "truth.json", folder / "results.json"
    path.write_text(json.dumps(truth))
    without_boxes = [{key: value for key, value in record.items() if key != "bbox"} for record in detections]
    for iou_type, given_detections in (("bbox", detections), ("segm", detections), ("bbox", without_boxes)):
        official = evaluate_coco_officially(path, given_detections, iou_type)  # type: ignore[arg-type]
        results.write_text(json.dumps(given_detections))
        ours = evaluate_coco(path, given_detections, iou_type)  # type: ignore[arg-type]
        assert_equal(ours, official.metrics(), official.per_class())
        with small_groups():
            ours = evaluate_coco(path, results, iou_type, num_processes=2)  # type: ignore[arg-type]
        assert_equal(ours, official.metrics(), official.per_class())


@st.composite
def evaluation_case(draw: st.DrawFn) -> tuple[Record, list[Record]]:
    image_ids = draw(st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True))
    placed = st.sampled_from(image_ids)
    crowds = st.sampled_from([{"iscrowd": 0}, {"iscrowd": 0}, {"iscrowd": 1}])
    instances = draw(st.lists(st.tuples(placed, instance(), crowds), max_size=10))
    found = draw(st.lists(st.tuples(placed, detection()), max_size=16))
    repeated = draw(st.lists(st.sampled_from(found), max_size=4)) if found else []
    truth = {
        "images": [{"id": image_id, "width": SIDE, "height": SIDE} for image_id in image_ids],
        "annotations": [
            {"id": 5 + index, "image_id": place, **record, **crowd}
            for index, (place, record, crowd) in enumerate(instances)
        ],
        "categories": [{"id": class_id, "name": f"class {class_id}"} for class_id in draw(st.permutations(CLASS_IDS))],
    }
    return truth, [{"image_id": place, **record} for place, record in found + repeated]


@settings(max_examples=60, deadline=None)
@given(case=evaluation_case())
def test_drawn_cases_equal_pycocotools(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    compare(tmp_path_factory.getbasetemp(), *case)


def crowded_case(seed: int, per_image: int) -> tuple[Record, list[Record]]:
    """Many detections of each class in each image, many equal scores, shuffled; one image has no instance."""
    rng = np.random.default_rng(seed)
    annotations: list[Record] = []
    detections: list[Record] = []
    for image_id in (4, 2, 9):
        boxes = np.stack([rng.integers(0, 25, 12), rng.integers(0, 25, 12), *rng.integers(2, 15, (2, 12))], 1).tolist()
        for found in boxes if image_id != 9 else []:
            mask = mask_of(tuple(found), int(rng.integers(4)))
            record = {"id": len(annotations) + 1, "image_id": image_id, "category_id": int(rng.choice([3, 8]))}
            record |= {"bbox": found, "area": float(mask.sum()), "iscrowd": int(rng.random() < 0.2)}
            annotations.append({**record, "segmentation": encode_mask(mask)})
        for _ in range(per_image):
            x, y, width, height = boxes[rng.integers(12)]
            found = [x, y, max(1, width - int(rng.integers(3))), height]
            record = {"image_id": image_id, "category_id": int(rng.choice(CLASS_IDS)), "bbox": found}
            record |= {"score": round(float(rng.random()), 2), "segmentation": encode_mask(mask_of(tuple(found), None))}
            detections.append(record)
    images = [{"id": image_id, "width": SIDE, "height": SIDE} for image_id in (4, 2, 9)]
    categories = [{"id": class_id, "name": str(class_id)} for class_id in CLASS_IDS]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    return truth, [detections[index] for index in rng.permutation(len(detections))]


@pytest.mark.parametrize("seed", range(2))
def test_more_than_100_detections_of_a_class(tmp_path: Path, seed: int) -> None:
    truth, detections = crowded_case(seed, 400)
    compare(tmp_path, truth, detections)


def test_without_detections_defined_metrics_are_zero(tmp_path: Path) -> None:
    truth, _ = crowded_case(0, 1)
    compare(tmp_path, truth, [])
    assert evaluate_coco(tmp_path / "truth.json", [], "segm").metrics()["AP"] == 0.0


def test_without_instances_nothing_is_defined(tmp_path: Path) -> None:
    truth, detections = crowded_case(0, 5)
    compare(tmp_path, {**truth, "annotations": []}, detections)
    assert set(evaluate_coco(tmp_path / "truth.json", detections, "segm").metrics().values()) == {None}


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_published_scores_of_real_files(
    shared: Path, monkeypatch: pytest.MonkeyPatch, in_processes: None, iou_type: Any
) -> None:
    monkeypatch.setattr("methods.common.metrics.detection.file_workers.Workers.part_bytes", lambda *_: 50_000)
    folder = shared / "data/coco_eval"
    expected = json.loads((folder / "expected_pycocotools.json").read_text())[iou_type]
    results = folder / f"instances_val2014_fake{iou_type}100_results.json"
    for num_processes in (1, 2):
        ours = evaluate_coco(folder / "instances_val2014_100.json", results, iou_type, num_processes=num_processes)
        assert list(ours.metrics().values()) == expected


class SlowBoundaryEval(COCOeval):
    """pycocotools' protocol with boundary overlaps, pixel by pixel; ignored instances as the reference has them."""

    def _prepare(self) -> None:
        super()._prepare()
        for instances in self._gts.values():
            for record in instances:
                record["ignore"] = record.get("given_ignore", 0) or record["iscrowd"]

    def computeIoU(self, imgId: int, catId: int) -> Any:
        instances, found = self._gts[imgId, catId], self._dts[imgId, catId]
        if not instances or not found:
            return []
        order = np.argsort([-record["score"] for record in found], kind="mergesort")[: self.params.maxDets[-1]]
        overlaps = np.zeros((len(order), len(instances)))
        for row, index in enumerate(order):
            mask = coco_mask.decode(found[index]["segmentation"]).astype(bool)
            for column, record in enumerate(instances):
                other = coco_mask.decode(record["segmentation"]).astype(bool)
                if record["iscrowd"]:
                    overlaps[row, column] = (mask & other).sum() / max(1, mask.sum())
                else:
                    pairs = ((mask, other), (slow_boundary(mask), slow_boundary(other)))
                    overlaps[row, column] = min((a & b).sum() / max(1, (a | b).sum()) for a, b in pairs)
        return overlaps


def slow_boundary_ap(path: Path, detections: list[Record]) -> dict[str, float | None]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        for record in truth.anns.values():
            record["given_ignore"] = record.get("ignore", 0)
        records = [{key: value for key, value in record.items() if key != "bbox"} for record in detections]
        evaluator = SlowBoundaryEval(truth, truth.loadRes(records), "segm")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    values = [None if value == -1 else float(value) for value in evaluator.stats]
    return dict(zip(METRIC_NAMES, values, strict=True))


@settings(max_examples=25, deadline=None)
@given(case=evaluation_case().filter(lambda case: bool(case[1])))
def test_drawn_boundary_cases_equal_the_reference(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    truth, detections = case
    path = tmp_path_factory.getbasetemp() / "truth.json"
    path.write_text(json.dumps(truth))
    assert_equal(evaluate_coco(path, detections, "boundary"), slow_boundary_ap(path, detections))


REFERENCE_BOUNDARY_SCORES = [
    0.22639400050237551,
    0.3775010774391817,
    0.22557984624218536,
    0.3873740315997837,
    0.27236740312792934,
    0.07554378414806896,
    0.18722550309388875,
    0.31265229701106306,
    0.3140431150818811,
    0.4694498622754236,
    0.34054347826086956,
    0.10387037037037035,
]
"""What the authors' code (bowenc0221/boundary-iou-api at 8006aa9) finds for the files below, with `np.float` put back."""


def test_boundary_scores_of_the_authors_code(shared: Path) -> None:
    folder = shared / "data/coco_eval"
    results = folder / "instances_val2014_fakesegm100_results.json"
    ours = evaluate_coco(folder / "instances_val2014_100.json", results, "boundary")
    assert list(ours.metrics().values()) == REFERENCE_BOUNDARY_SCORES


def test_weights_equal_repeated_images(tmp_path: Path) -> None:
    truth, detections = crowded_case(3, 30)
    for index, record in enumerate(detections):
        record["score"] = index / 100
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    ours = evaluate_coco(path, detections, "segm")
    assert ours.image_ids == [2, 4, 9]
    assert ours.metrics(np.ones(3)) == ours.metrics()
    times = {2: 2, 4: 0, 9: 3}

    def again(records: list[Record], key: str) -> list[Record]:
        return [
            {**record, key: 10 * record[key] + copy, **({"id": 10 * record["id"] + copy} if "id" in record else {})}
            for record in records
            for copy in range(times[record[key]])
        ]

    many = {**truth, "images": again(truth["images"], "id"), "annotations": again(truth["annotations"], "image_id")}
    path.write_text(json.dumps(many))
    official = evaluate_coco_officially(path, again(detections, "image_id"), "segm")
    assert ours.metrics(np.array([2.0, 0.0, 3.0])) == pytest.approx(official.metrics(), abs=1e-9)


def test_official_numbers_cannot_be_resampled_and_have_no_boundaries(tmp_path: Path) -> None:
    truth, detections = crowded_case(0, 3)
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    with pytest.raises(InputError, match="cannot be resampled"):
        evaluate_coco_officially(tmp_path / "truth.json", detections, "bbox").metrics(np.ones(3))
    with pytest.raises(InputError, match="no Boundary AP"):
        evaluate_coco_officially(tmp_path / "truth.json", detections, "boundary")


def change(part: str, index: int, **fields: Any) -> Callable[[Record], None]:
    return lambda content: content[part][index].update(fields)


BAD_FILES: list[tuple[Callable[[Record], Any], list[str]]] = [
    (lambda content: content.pop("annotations"), ["not a COCO file", "`annotations`"]),
    (lambda content: content.update(images=[]), ["`images` is empty"]),
    (lambda content: content.update(categories={}), ["it has no list `categories`"]),
    (change("images", 1, id=4), ["image 4", "`id`", "earlier record"]),
    (change("images", 0, height="40"), ["image 4", "`height`"]),
    (change("annotations", 3, id=2), ["annotation 2", "`id`", "earlier record"]),
    (change("annotations", 3, id=-1), ["annotation -1", "use at least 0"]),
    (change("annotations", 3, image_id=77), ["annotation 4", "`image_id`", "is 77"]),
    (change("annotations", 3, category_id=4), ["annotation 4", "`category_id`", "is 4"]),
    (change("annotations", 3, area=float("nan")), ["annotation 4", "`area`"]),
    (change("annotations", 3, bbox=[1, 2, 3]), ["annotation 4", "`bbox`"]),
    (change("annotations", 3, bbox=[1, 2, 3, float("inf")]), ["annotation 4", "`bbox`"]),
    (change("annotations", 3, iscrowd=2), ["annotation 4", "`iscrowd`"]),
    (change("annotations", 3, segmentation=[[1, 2, 3, 4]]), ["annotation 4", "`segmentation`"]),
    (change("annotations", 3, segmentation=[]), ["annotation 4", "`segmentation`"]),
    (change("annotations", 3, segmentation=runs_to_rle([5, 5], 5, 2)), ["annotation 4", "has size [5, 2]"]),
    (change("annotations", 3, segmentation={"size": [SIDE, SIDE], "counts": [1, 2]}), ["annotation 4", "add up"]),
    (lambda content: content["annotations"][3].pop("segmentation"), ["annotation 4", "`segmentation`"]),
]


@pytest.mark.parametrize(("damage", "words"), BAD_FILES, ids=[" ".join(words)[:60] for _, words in BAD_FILES])
def test_fault_in_the_ground_truth_is_named(tmp_path: Path, damage: Callable[[Record], Any], words: list[str]) -> None:
    truth, detections = crowded_case(0, 3)
    damage(truth)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    with pytest.raises(InputError) as caught:
        evaluate_coco(path, detections, "segm")
    assert all(word in str(caught.value) for word in [str(path), *words]), caught.value


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "boundary"])
@pytest.mark.parametrize("field", ["image_id", "category_id", "score"])
def test_fault_in_a_results_file_is_named(tmp_path: Path, iou_type: Any, field: str) -> None:
    truth, detections = crowded_case(0, 3)
    detections[2][field] = float("nan") if field == "score" else 77
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(detections))
    with pytest.raises(InputError, match=rf"results\.json, detection 2 .*`{field}`"):
        evaluate_coco(tmp_path / "truth.json", tmp_path / "results.json", iou_type)


def test_crowds_are_no_instances_of_a_class(tmp_path: Path) -> None:
    truth, detections = crowded_case(3, 30)
    for index, record in enumerate(truth["annotations"]):
        record["iscrowd"] = int(index == 0)
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    rows = evaluate_coco(tmp_path / "truth.json", detections, "bbox").per_class()
    expected = Counter(record["category_id"] for record in truth["annotations"][1:])
    assert {row["category_id"]: row["num_instances"] for row in rows if row["num_instances"]} == expected
