"""What an evaluation keeps for people: predictions up to their room, scores of images and classes, and the right best and worst images."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from methods.common.datasets.lvis import read_lvis
from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.rle import decode_mask, encode_mask
from methods.common.errors import InputError
from methods.common.growth import identity_document
from methods.common.metrics.detection.image_scores import found_per_image
from methods.common.metrics.detection.lvis import evaluate_lvis
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig, evaluate_semantic
from methods.common.stages.evaluation_files import Extremes
from methods.common.stages.export_predictions import export_coco, export_fiftyone
from methods.common.stages.shown_instances import COUNTED, keep_image_scores, write_picture_list
from tests.unit.test_evaluate_semantic import ByColour, segmenters, write_data

SIDE = 16


def square(row: int, column: int, side: int = 6) -> np.ndarray:
    mask_HW = np.zeros((SIDE, SIDE), bool)
    mask_HW[row : row + side, column : column + side] = True
    return mask_HW


# --- label maps


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Image k of six has k of its four quarters right."""
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: ByColour())
    truth_HW = np.ones((SIDE, SIDE), np.uint8)
    predictions = []
    for right in (2, 4, 0, 3, 1, 4):
        predicted_HW = np.full((SIDE, SIDE), 2, np.uint8)
        predicted_HW[: right * 4] = 1
        predictions.append(predicted_HW)
    data = write_data(tmp_path / "data", [truth_HW] * 6, predictions)

    def run(**settings: float) -> tuple[Path, dict]:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        config = EvaluateSemanticConfig(short_side_px=16, max_long_side_px=64, **settings)
        return out, evaluate_semantic(Inputs({"data": [data], "model": [out]}), config, LocalContext(out))

    return run, predictions


def test_scores_of_images_and_classes_are_in_their_order(evaluated) -> None:
    run, _ = evaluated
    out, record = run()
    images = pq.read_table(out / "per_image.parquet").to_pydict()
    assert images["image"] == [str(index) for index in range(6)]
    half = [100 * right / 4 / (2 if right < 4 else 1) for right in (2, 4, 0, 3, 1, 4)]
    assert images["score"] == pytest.approx(half), "mean over the class that is there and the one that is named wrongly"
    classes = pq.read_table(out / "per_class.parquet").to_pydict()
    assert classes["class"] == list(record["iou"])
    for value, known in zip(classes["iou"], record["iou"].values(), strict=True):
        assert math.isnan(value) if known is None else value == known


def test_the_best_and_the_worst_images_are_shown_with_their_own_truth_and_prediction(evaluated) -> None:
    run, predictions = evaluated
    out, _ = run()
    shown = json.loads((out / "shown" / "shown.json").read_text())
    assert [one["image"] for one in shown] == ["2", "4", "0", "1", "5", "3"], (
        "worst first, then the best; ties by place"
    )
    assert [one["title"].split(":")[0] for one in shown] == ["worst"] * 3 + ["best"] * 3
    for one in shown:
        predicted_HW = read_labels(out / "shown" / one["pictures"]["prediction"])
        assert (predicted_HW == predictions[int(one["image"])]).all()
        assert (read_labels(out / "shown" / one["pictures"]["truth"]) == 1).all()
        with Image.open(out / "shown" / one["pictures"]["image"]) as image:
            assert (np.asarray(image)[..., 0] == 50 * predicted_HW).all()


def test_predictions_are_kept_whole_until_their_room_is_full(evaluated) -> None:
    run, predictions = evaluated
    out, record = run()
    kept = sorted((out / "predictions").iterdir())
    assert [path.stem for path in kept] == [str(index) for index in range(6)]
    for path in kept:
        assert (read_labels(path) == predictions[int(path.stem)]).all()
    sizes = [path.stat().st_size for path in kept]
    small, same = run(kept_predictions_mib=(sum(sizes[:2]) + 1) / 2**20)
    assert sorted(path.stem for path in (small / "predictions").iterdir()) == ["0", "1"]
    none, neutral = run(kept_predictions_mib=0.0)
    assert not (none / "predictions").exists()
    assert record == same == neutral, "what is kept changes no number"


def test_cells_of_before_stay_at_the_neutral_room() -> None:
    before = identity_document(EvaluateSemanticConfig(kept_predictions_mib=0.0))
    assert "kept_predictions_mib" not in before
    assert identity_document(EvaluateSemanticConfig())["kept_predictions_mib"] == 64.0


def test_few_images_are_shown_once_and_undefined_ones_never() -> None:
    extremes: Extremes[str] = Extremes(most=2)
    for index, score in enumerate([5.0, math.nan, 1.0, 3.0]):
        extremes.offer(score, index, f"map {index}")
    assert extremes.chosen() == [("worst", 1.0, 2, "map 2"), ("worst", 3.0, 3, "map 3"), ("best", 5.0, 0, "map 0")]


# --- instances


@pytest.fixture
def instances(tmp_path) -> tuple[Path, Path]:
    """Image 1: both of two found, with more detections beside. Image 2: one of two, the other is found by a second guess only.
    Image 3: none of one, named as another class. Image 4: nothing to find."""
    shapes = {
        1: [(square(0, 0), 7), (square(8, 8), 7)],
        2: [(square(0, 0), 7), (square(8, 8), 9)],
        3: [(square(0, 0), 9)],
        4: [],
    }
    annotations, images = [], []
    for image_id, truths in shapes.items():
        Image.fromarray(np.full((SIDE, SIDE, 3), 10 * image_id, np.uint8)).save(tmp_path / f"{image_id}.png")
        images.append(
            {
                "id": image_id,
                "width": SIDE,
                "height": SIDE,
                "file_name": f"{image_id}.png",
                "neg_category_ids": [category for category in (7, 9) if category not in {c for _, c in truths}],
                "not_exhaustive_category_ids": [],
            }
        )
        for mask_HW, category in truths:
            rows, columns = np.nonzero(mask_HW)
            box = [int(columns.min()), int(rows.min()), 6, 6]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category,
                    "segmentation": dict(encode_mask(mask_HW)),
                    "bbox": box,
                    "area": int(mask_HW.sum()),
                }
            )
    categories = [{"id": c, "name": f"class {c}", "frequency": "f", "image_count": 200} for c in (7, 9)]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    guesses = [
        (1, square(0, 0), 7, 0.9),
        (1, square(8, 8), 7, 0.8),
        (1, square(4, 4), 7, 0.1),
        (2, square(0, 0), 7, 0.9),
        (2, square(0, 8), 9, 0.8),
        (2, square(8, 8), 9, 0.7),
        (3, square(0, 0), 7, 0.9),
    ]
    records = [
        {
            "image_id": image_id,
            "category_id": category,
            "bbox": [0.0, 0.0, 6.0, 6.0],
            "score": score,
            "segmentation": dict(encode_mask(mask_HW)),
        }
        for image_id, mask_HW, category, score in guesses
    ]
    detections = tmp_path / "detections.json"
    detections.write_text(json.dumps(records))
    return truth, detections


def test_an_images_score_is_the_share_found_by_as_many_guesses(instances) -> None:
    truth, detections = instances
    scores = evaluate_lvis(truth, detections, "segm")
    num_I, found_I = found_per_image(scores.matches, 4)
    assert num_I.tolist() == [2, 2, 1, 0]
    assert found_I.tolist() == [2, 1, 0, 0], "the second guess for one instance is one too many"


def test_instances_are_shown_of_their_own_image_surest_first(instances, tmp_path) -> None:
    truth, detections = instances
    scores = evaluate_lvis(truth, detections, "segm")
    out = tmp_path / "out"
    out.mkdir()
    keep_image_scores(read_lvis(truth, tmp_path, "none"), scores.matches, scores.image_ids, detections, out)
    images = pq.read_table(out / "per_image.parquet").to_pydict()
    assert images["image"] == ["1.png", "2.png", "3.png", "4.png"]
    assert images["score"][:3] == [100.0, 50.0, 0.0]
    assert math.isnan(images["score"][3]), "nothing to find is no score"
    shown = json.loads((out / "shown" / "shown.json").read_text())
    assert [one["image"].split(",")[0] for one in shown] == ["3.png", "2.png", "1.png"]

    def drawn(place: int, what: str) -> np.ndarray:
        return read_labels(out / "shown" / shown[place]["pictures"][what])

    assert (drawn(0, "truth") == 2 * square(0, 0)).all()
    assert (drawn(0, "prediction") == 1 * square(0, 0)).all(), "named as the first class"
    assert (drawn(1, "prediction") == 1 * square(0, 0) + 2 * square(0, 8)).all(), "two instances, two guesses"
    assert "1 of 2 instances" in shown[1]["title"]
    assert not drawn(0, COUNTED).any(), "nothing was named as the class that is there"
    assert (drawn(2, COUNTED) == 1 * square(0, 0) + 1 * square(8, 8)).all(), "the third guess is one too many"


# --- for other tools


def test_label_maps_become_coco_records_and_a_folder_of_masks(evaluated, tmp_path) -> None:
    run, predictions = evaluated
    out, _ = run()
    config, inputs = EvaluateSemanticConfig(), Inputs({"data": [tmp_path / "data"], "model": [out]})
    assert export_coco(out, config, inputs, tmp_path / "coco") == 6
    records = json.loads((tmp_path / "coco" / "predictions.json").read_text())
    listing = json.loads((tmp_path / "coco" / "images.json").read_text())
    assert [image["id"] for image in listing["images"]] == [1, 2, 3, 4, 5, 6]
    again = np.zeros((6, SIDE, SIDE), np.uint8)
    for record in records:
        again[record["image_id"] - 1][decode_mask(record["segmentation"])] = record["category_id"]
    assert (again == np.stack(predictions)).all()

    assert export_fiftyone(out, config, inputs, tmp_path / "fiftyone") == 6
    data, labels = (
        sorted(path.name for path in (tmp_path / "fiftyone" / name).iterdir()) for name in ("data", "labels")
    )
    assert data == labels == [f"{index}.png" for index in range(6)]
    with Image.open(tmp_path / "fiftyone" / "labels" / "3.png") as mask:
        assert mask.mode == "L"
        assert (np.asarray(mask) == predictions[3]).all()
    assert json.loads((tmp_path / "fiftyone" / "classes.json").read_text())["1"] == "red"


def test_detections_become_a_data_set_with_their_own_pictures(instances, tmp_path) -> None:
    truth, detections = instances
    cell = tmp_path / "cell"
    cell.mkdir()
    (cell / "detections.json").write_bytes(detections.read_bytes())
    inputs = Inputs({"model": [tmp_path / "model"], "data": [tmp_path]})
    write_picture_list(read_lvis(truth, tmp_path, "none"), tmp_path, inputs, cell)
    assert export_fiftyone(cell, EvaluateSemanticConfig(), inputs, tmp_path / "fiftyone") == 4
    labels = json.loads((tmp_path / "fiftyone" / "labels.json").read_text())
    for image in labels["images"]:
        with Image.open(tmp_path / "fiftyone" / "data" / image["file_name"]) as picture:
            assert np.asarray(picture)[0, 0, 0] == 10 * image["id"]
    assert [one["id"] for one in labels["annotations"]] == list(range(1, 8))
    assert labels["annotations"][4]["score"] == 0.8
    assert {one["name"] for one in labels["categories"]} == {"class 7", "class 9"}


def test_what_cannot_be_exported_says_what_to_do(evaluated, instances, tmp_path) -> None:
    run, _ = evaluated
    out, _ = run(kept_predictions_mib=0.0)
    inputs = Inputs({"data": [tmp_path / "data"], "model": [out]})
    with pytest.raises(InputError, match="kept_predictions_mib"):
        export_coco(out, EvaluateSemanticConfig(), inputs, tmp_path / "to")
    (out / "detections.json").write_text("[]")
    with pytest.raises(InputError, match="run the plan again"):
        export_coco(out, EvaluateSemanticConfig(), inputs, tmp_path / "to")
    assert not (tmp_path / "to").exists()
