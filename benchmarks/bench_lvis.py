"""LVIS evaluation and reading against the official package, on the same synthetic inputs in the same run.

`extra_info` holds the official seconds and the ratio (official / ours). Evaluation starts from files in both cases and
includes all checks of ours. The official package's time grows with images x classes, so the ratio grows with the size.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from methods.common.datasets.lvis import read_lvis
from methods.common.datasets.rle import encode_mask
from methods.common.metrics.lvis import evaluate_lvis
from methods.common.metrics.official_lvis import evaluate_lvis_officially

HEIGHT, WIDTH = 240, 320
NUM_SHAPES = 400


@dataclass(frozen=True)
class Inputs:
    """Files of one synthetic problem."""

    truth: Path
    results: Path


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def outline(rng: np.random.Generator, num_points: int) -> np.ndarray:
    """A star-shaped polygon [P, 2] within the image."""
    angle = np.sort(rng.random(num_points)) * 2 * np.pi
    radius = rng.uniform(6, 40) * rng.uniform(0.7, 1, num_points)
    centre = rng.uniform([45, 45], [WIDTH - 45, HEIGHT - 45])
    return (centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).round(2)


def annotation(index: int, image_id: int, category_id: int, points: np.ndarray) -> dict[str, Any]:
    low, size = points.min(0), np.ptp(points, axis=0)
    return {
        "id": index + 1,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": [points.ravel().tolist()],
        "bbox": [*low.tolist(), *size.tolist()],
        "area": float(size.prod() * 0.7),
    }


def truth_of(
    rng: np.random.Generator, num_images: int, num_classes: int, per_image: int, points: int
) -> dict[str, Any]:
    """Ground truth with a long tail of classes, three present and five verified absent in each image."""
    share = 1 / np.arange(1, num_classes + 1)
    images, annotations = [], []
    for image_id in range(1, num_images + 1):
        shown, absent = np.split(rng.choice(num_classes, 8, replace=False, p=share / share.sum()) + 1, [3])
        url = f"http://images.cocodataset.org/val2017/{image_id:012d}.jpg"
        images.append({"id": image_id, "width": WIDTH, "height": HEIGHT, "coco_url": url})
        images[-1] |= {"neg_category_ids": absent.tolist(), "not_exhaustive_category_ids": shown[:1].tolist()}
        for _ in range(per_image):
            shape = outline(rng, int(rng.integers(points // 2, points * 2)))
            annotations.append(annotation(len(annotations), image_id, int(rng.choice(shown)), shape))
    categories = [
        {"id": k, "name": f"class {k}", "frequency": "fcr"[min(2, k * 4 // num_classes)]}
        for k in range(1, num_classes + 1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def results_of(rng: np.random.Generator, truth: dict[str, Any], per_image: int) -> list[dict[str, Any]]:
    """Detections near instances of their image, most of their class; masks are boxes with a cut corner."""
    by_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in truth["images"]}
    for record in truth["annotations"]:
        by_image[record["image_id"]].append(record)
    results = []
    for image_id, present in by_image.items():
        for _ in range(per_image):
            target = present[rng.integers(len(present))]
            x, y, width, height = (np.array(target["bbox"]) + rng.integers(0, 6, 4)).astype(int).tolist()
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[y : y + height, x : x + width] = True
            mask[y : y + height // 4, x : x + width // 4] = False
            category_id = (
                target["category_id"] if rng.random() < 0.6 else int(rng.integers(len(truth["categories"]))) + 1
            )
            results.append({"image_id": image_id, "category_id": category_id, "bbox": [x, y, width, height]})
            results[-1] |= {"score": float(rng.random()), "segmentation": encode_mask(mask)}
    return results


@pytest.fixture(scope="module")
def evaluation_inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """150 images, 1,203 classes, 1,500 instances, 4,500 detections."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("lvis")
    truth = truth_of(rng, 150, 1203, 10, points=20)
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results_of(rng, truth, 30)))
    return Inputs(folder / "truth.json", folder / "results.json")


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_evaluation(benchmark: BenchmarkFixture, evaluation_inputs: Inputs, iou_type: Any) -> None:
    inputs = evaluation_inputs
    ours = benchmark.pedantic(evaluate_lvis, (inputs.truth, inputs.results, iou_type), rounds=3, warmup_rounds=1)
    start = time.perf_counter()
    official = evaluate_lvis_officially(inputs.truth, inputs.results, iou_type)
    official_s = time.perf_counter() - start
    assert ours.metrics == pytest.approx(official.metrics, abs=1e-9)
    record_ratio(benchmark, official_s)


@pytest.fixture(scope="module")
def annotation_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30,000 instances on 2,500 images with outlines of about 30 points, 19 MB."""
    path = tmp_path_factory.mktemp("lvis") / "train.json"
    path.write_text(json.dumps(truth_of(np.random.default_rng(1), 2500, 1203, 12, points=24)))
    return path


def test_reading_and_checking(benchmark: BenchmarkFixture, annotation_file: Path) -> None:
    from lvis import LVIS

    benchmark.pedantic(read_lvis, (annotation_file,), rounds=3, warmup_rounds=1)
    benchmark.extra_info["megabytes"] = round(annotation_file.stat().st_size / 1e6, 1)
    benchmark.extra_info["json_load_s"] = round(min(seconds(lambda: load(annotation_file)) for _ in range(2)), 3)
    record_ratio(benchmark, min(seconds(lambda: LVIS(str(annotation_file))) for _ in range(2)))


def load(path: Path) -> Any:
    with path.open() as file:
        return json.load(file)


def record_ratio(benchmark: BenchmarkFixture, official_s: float) -> None:
    """Note the official time and how many times it is ours."""
    benchmark.extra_info["official_s"] = round(official_s, 3)
    if benchmark.stats is not None:
        benchmark.extra_info["times_faster_than_official"] = round(official_s / benchmark.stats.stats.min, 2)
