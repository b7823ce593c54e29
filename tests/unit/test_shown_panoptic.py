"""What evaluations of segments keep for people: quality of each image by hand, the right best and worst images, maps up to their room, export."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
from methods.common.datasets.png_labels import read_labels
from methods.common.errors import InputError
from methods.common.growth import identity_document
from methods.common.metrics.label_maps.panoptic import evaluate_panoptic
from methods.common.stages.evaluate_coco_panoptic import EvaluateCocoPanopticConfig
from methods.common.stages.evaluate_panoptic import EvaluatePanopticConfig
from methods.common.stages.evaluation_files import keep_first
from methods.common.stages.export_predictions import export_coco, export_fiftyone
from tests.unit import test_evaluate_coco_panoptic as coco
from tests.unit import test_evaluate_panoptic as street
from tests.unit.test_evaluate_panoptic import CAR, PERSON, ROAD, SKY

street_inputs, coco_inputs, data = street.inputs, coco.inputs, coco.data


@pytest.fixture
def evaluated(street_inputs, tmp_path: Path):
    street.run(street_inputs, tmp_path / "out")
    return street_inputs, tmp_path / "out"


def test_each_images_quality_is_over_its_own_classes(evaluated) -> None:
    _, out = evaluated
    images = pq.read_table(out / "per_image.parquet").to_pydict()
    assert images["image"] == [f"{name}_leftImg8bit.png" for name in street.NAMES]
    # Road, sky and person are right in the first, the car is not. In the second the sky is at 480 of 576, and the group of cars counts nowhere.
    assert images["score"] == pytest.approx([100 * 3 / 4, 100 * (1 + 480 / 576) / 2])


def test_both_scores_are_kept_by_class(evaluated) -> None:
    _, out = evaluated
    classes = pq.read_table(out / "per_class.parquet").to_pydict()
    assert classes["class"] == [label.name for label in EVALUATED_LABELS]
    wanted = {ROAD: 100.0, SKY: 100 * (1 + 480 / 576) / 2, CAR: 0.0, PERSON: 100.0}
    assert {index: classes["pq"][index] for index in wanted} == pytest.approx(wanted)
    assert [classes["iou"][index] for index in wanted] == pytest.approx([100.0] * 4)
    absent = next(index for index, label in enumerate(EVALUATED_LABELS) if label.name == "train")
    assert math.isnan(classes["pq"][absent])


def test_truth_and_prediction_are_shown_with_lines_between_segments(evaluated) -> None:
    inputs, out = evaluated
    shown = json.loads((out / "shown" / "shown.json").read_text())
    assert [(one["title"].split(":")[0], one["image"][:6]) for one in shown] == [
        ("worst", "aachen"),
        ("worst", "bochum"),
    ]
    assert shown[0]["title"] == "worst: panoptic quality 75.0 %, aachen_000000_000019_leftImg8bit.png"
    truth_HW, predicted_HW = (
        read_labels(out / "shown" / shown[0]["pictures"][word]) for word in ("truth", "prediction")
    )
    assert (truth_HW[12, 5], truth_HW[17, 5], truth_HW[14, 5]) == (1 + CAR, 1 + CAR, 1 + CAR), "one car"
    assert (predicted_HW[12, 5], predicted_HW[17, 5], predicted_HW[14, 5]) == (1 + CAR, 1 + CAR, 0), "two halves of one"
    assert (truth_HW[2, 2], truth_HW[10, 35]) == (1 + SKY, 1 + PERSON)
    with Image.open(out / "shown" / shown[0]["pictures"]["image"]) as kept:
        source = inputs.folder("data") / "leftImg8bit" / "val" / "aachen" / shown[0]["image"]
        with Image.open(source) as picture:
            assert (np.asarray(kept) == np.asarray(picture)).all()


def test_maps_are_kept_until_their_room_is_full_and_no_number_changes(
    street_inputs, monkeypatch, tmp_path: Path
) -> None:
    whole = street.run(street_inputs, tmp_path / "whole")
    first = [
        tmp_path / "whole" / "panoptic" / f"{street.NAMES[0]}_panoptic.png",
        tmp_path / "whole" / "labels" / f"{street.NAMES[0]}.png",
    ]
    room = sum(path.stat().st_size for path in first) + 1
    small = street.run(street_inputs, tmp_path / "small", kept_predictions_mib=room / 2**20)
    every = street.run(street_inputs, tmp_path / "every", kept_predictions_mib=None)
    assert whole == small == every
    for folder, kept in (("whole", street.NAMES), ("small", street.NAMES[:1]), ("every", street.NAMES)):
        assert sorted(path.stem for path in (tmp_path / folder / "labels").iterdir()) == kept
        assert len(list((tmp_path / folder / "panoptic").iterdir())) == len(kept)


def test_the_first_image_that_does_not_fit_ends_what_is_kept(tmp_path: Path) -> None:
    files = [[tmp_path / f"{index}a", tmp_path / f"{index}b"] for index in range(4)]
    for of_image, size in zip(files, (10, 30, 5, 5), strict=True):
        for path in of_image:
            path.write_bytes(b"x" * size)
    assert keep_first(files, 60) == 1, "20 bytes fit, 80 do not, and what is after them goes as well"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0a", "0b"]


@pytest.mark.parametrize("config", [EvaluatePanopticConfig, EvaluateCocoPanopticConfig])
def test_evaluations_of_before_kept_all(config) -> None:
    assert "kept_predictions_mib" not in identity_document(config(kept_predictions_mib=None))
    assert identity_document(config())["kept_predictions_mib"] == 64.0


def test_segments_are_exported_as_cocos_and_classes_as_a_folder_of_masks(evaluated, tmp_path: Path) -> None:
    inputs, out = evaluated
    (out / "labels" / f"{street.NAMES[1]}.png").unlink()
    assert export_coco(out, street.CONFIG, inputs, tmp_path / "coco") == 2
    document = json.loads((tmp_path / "coco" / "panoptic.json").read_text())
    names = {
        one["id"]: one["name"] for one in json.loads((tmp_path / "coco" / "images.json").read_text())["categories"]
    }
    assert [names[one["category_id"]] for one in document["annotations"][0]["segments_info"]] == [
        "road",
        "sky",
        "person",
        "car",
        "car",
    ]
    for one in document["annotations"]:
        assert (tmp_path / "coco" / "panoptic" / one["file_name"]).read_bytes() == (
            out / "panoptic" / one["file_name"]
        ).read_bytes()

    assert export_fiftyone(out, street.CONFIG, inputs, tmp_path / "fiftyone") == 1, "one map of classes is left"
    names = json.loads((tmp_path / "fiftyone" / "classes.json").read_text())
    label_HW = read_labels(tmp_path / "fiftyone" / "labels" / f"{street.NAMES[0]}.png")
    assert [names[str(label_HW[place])] for place in ((12, 5), (10, 35), (23, 47))] == ["car", "person", "road"]
    assert (tmp_path / "fiftyone" / "data" / f"{street.NAMES[0]}.png").is_file()


def test_nothing_kept_is_refused_with_the_setting(street_inputs, tmp_path: Path) -> None:
    street.run(street_inputs, tmp_path / "out", kept_predictions_mib=0.0)
    for export in (export_coco, export_fiftyone):
        with pytest.raises(
            InputError, match="kept no predictions; give kept_predictions_mib of its evaluation more room"
        ):
            export(tmp_path / "out", street.CONFIG, street_inputs, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_cocos_layout_keeps_its_own_classes_and_detections(coco_inputs, data: Path, tmp_path: Path) -> None:
    record = coco.run(coco_inputs, tmp_path / "out")
    images = coco.open_coco_panoptic(data, "val2017")
    classes = pq.read_table(tmp_path / "out" / "per_class.parquet").to_pydict()
    assert classes["class"] == list(images.class_names)
    for column, key in (("pq", "class_pq"), ("iou", "class_iou")):
        known = [math.nan if value is None else 100 * value for value in record[key]]
        assert classes[column] == pytest.approx(known, nan_ok=True)
    scores = pq.read_table(tmp_path / "out" / "per_image.parquet").to_pydict()
    truth = data / coco.ANNOTATIONS / "panoptic_val2017.json"
    found = evaluate_panoptic(truth, tmp_path / "out" / "panoptic.json")
    alone = [found.metrics(weight_I)["PQ"] for weight_I in np.eye(12)]
    assert scores["score"] == pytest.approx([100 * value for value in alone]), "PQ of a data set of this image alone"
    shown = json.loads((tmp_path / "out" / "shown" / "shown.json").read_text())
    assert shown[0]["score"] == min(scores["score"])
    assert shown[0]["image"] == scores["image"][int(np.argmin(scores["score"]))]

    assert export_coco(tmp_path / "out", coco.CONFIG, coco_inputs, tmp_path / "coco") == 12
    assert (tmp_path / "coco" / "predictions.json").read_bytes() == (tmp_path / "out" / "detections.json").read_bytes()
    assert export_fiftyone(tmp_path / "out", coco.CONFIG, coco_inputs, tmp_path / "fiftyone") == 12
    names = json.loads((tmp_path / "fiftyone" / "classes.json").read_text())
    assert list(names.values()) == list(images.class_names)
    stems = [sorted(path.stem for path in (tmp_path / "fiftyone" / folder).iterdir()) for folder in ("data", "labels")]
    assert stems[0] == stems[1] == sorted(images.name(index) for index in range(12))
