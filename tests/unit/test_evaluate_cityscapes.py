"""The stage that scores a segmenter on Cityscapes: whose pixels, which classes, which definition."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from methods.common.datasets.cityscapes import find_frames, read_cityscapes
from methods.common.datasets.png_labels import read_labels
from methods.common.errors import InputError
from methods.common.metrics import resamples
from methods.common.segmenters.instance import segmenters
from methods.common.segmenters.instance.interface import Detections
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.evaluate_cityscapes import (
    COCO_FILE,
    DETECTIONS_FILE,
    EVALUATE_CITYSCAPES,
    EvaluateCityscapesConfig,
    as_coco,
    evaluate_cityscapes,
    predictions_by_frame,
)
from methods.common.stages.export_predictions import export_fiftyone
from tests.unit.cityscapes_frames import add_frame, instance_map

PERSON, CAR, TRAIN = 24, 26, 31
CLASS = {24: 0, 25: 1, 26: 2, 27: 3, 28: 4, 31: 5, 32: 6, 33: 7}
SIZES = {"short_side_px": 20, "long_side_px": 40}

TRUTHS = [
    instance_map((26000, 2, 4, 14, 16), (24000, 20, 2, 30, 14), (24, 36, 2, 46, 12), height=24),
    instance_map(),
    instance_map((31000, 0, 0, 48, 8), (26000, 5, 12, 9, 16)),
]
NAMES = ["aachen_000000_000019", "bochum_000001_000019", "celle_000002_000019"]
FOUND: list[list[tuple[int, int, float]]] = [
    [(26000, CAR, 0.9), (24000, CAR, 0.95), (24, PERSON, 0.99)],
    [],
    [(31000, TRAIN, 0.8), (26000, CAR, 0.97)],
]
"""For each frame: whose pixels, as which label, how sure. A person is taken for a car, a group for a person."""


class Told(torch.nn.Module):
    """Says what it was told, frame after frame; with stuff its classes count through all 19."""

    def __init__(self, first_thing: int = 0) -> None:
        super().__init__()
        self.first_thing, self.num_classes = first_thing, first_thing + len(CLASS)
        self.frames = list(zip(TRUTHS, FOUND, strict=True))

    def detect(self, image_NCHW: torch.Tensor, output_sizes: list[tuple[int, int]]) -> list[Detections]:
        assert image_NCHW.shape[2:] == (20, 40)
        answers = []
        for size in output_sizes:
            id_HW, found = self.frames.pop(0)
            assert size == id_HW.shape
            masks = [torch.from_numpy(id_HW == value) for value, _, _ in found]
            answers.append(
                Detections(
                    torch.zeros(len(found), 4),
                    torch.tensor([score for _, _, score in found]),
                    torch.tensor([self.first_thing + CLASS[label] for _, label, _ in found], dtype=torch.int64),
                    torch.stack(masks) if masks else torch.zeros(0, *id_HW.shape, dtype=torch.bool),
                )
            )
        return answers


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    for name, id_HW in zip(NAMES, TRUTHS, strict=True):
        add_frame(tmp_path / "data", name, id_HW, "val")
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: Told())
    return Inputs({"data": [tmp_path / "data"], "model": [tmp_path / "cell"]})


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_scores_are_those_of_the_definition(inputs: Inputs, tmp_path: Path, batch_size: int) -> None:
    (tmp_path / "out").mkdir()
    config = EvaluateCityscapesConfig(batch_size=batch_size, **SIZES)
    record = evaluate_cityscapes(inputs, config, LocalContext(tmp_path / "out"))
    assert (record["num_images"], record["num_detections"], record["split"]) == (3, 5, "val")
    # The group's detection is left out; the car of 16 px need not be found, and what finds it is not counted. The person taken for a car
    # scores above the car: F T, so that AP is 0.25 by Cityscapes' definition and 0.5 by COCO's.
    assert record["class_ap"] == [0.0, None, 0.25, None, None, 1.0, None, None]
    assert record["metrics"] == pytest.approx({"AP": 100 * 1.25 / 3, "AP50": 100 * 1.25 / 3})
    # COCO rates the tiny car, found first: T F T of two.
    assert record["metrics_coco"]["AP"] == pytest.approx(100 * (0.0 + (51 + 50 * 2 / 3) / 101 + 1.0) / 3)


def test_groups_of_classes_have_scores_of_their_own(inputs: Inputs, tmp_path: Path) -> None:
    """The car has 0.25, the person 0, the train 1; a bus is not there to be found."""
    (tmp_path / "out").mkdir()
    groups = {"base": ("person", "car"), "novel": ("bus", "train"), "none": ("bus",)}
    record = evaluate_cityscapes(
        inputs, EvaluateCityscapesConfig(groups=groups, **SIZES), LocalContext(tmp_path / "out")
    )
    found = record["metrics"]
    assert (found["AP_base"], found["AP_novel"], found["AP_none"]) == (12.5, 100.0, None)
    assert (found["AP50_base"], found["AP50_novel"]) == (12.5, 100.0)
    assert found["AP"] == pytest.approx(100 * 1.25 / 3)
    assert set(record["resamples"][0]["metrics"]) == set(found)


def test_a_group_of_unknown_classes_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    config = EvaluateCityscapesConfig(groups={"novel": ("zebra",)}, **SIZES)
    with pytest.raises(InputError, match="'zebra' is none of the classes that are evaluated: person"):
        evaluate_cityscapes(inputs, config, LocalContext(tmp_path / "out"))


def test_resamples_are_the_scores_of_the_pictures_drawn(inputs: Inputs, tmp_path: Path, monkeypatch) -> None:
    """Of the last picture alone: the train is found, and no car is there to be found; AP is 1 of one class."""
    monkeypatch.setattr(resamples, "draw_weights", lambda num_images, draws: np.array([0.0, 0.0, 3.0])[:num_images])
    (tmp_path / "out").mkdir()
    record = evaluate_cityscapes(inputs, EvaluateCityscapesConfig(**SIZES), LocalContext(tmp_path / "out"))
    assert record["resamples"][4] == {"metrics": {"AP": 100.0, "AP50": 100.0}}
    assert record["metrics"]["AP"] < 50


def test_detections_carry_label_ids_and_come_back_by_frame(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    evaluate_cityscapes(inputs, EvaluateCityscapesConfig(**SIZES), LocalContext(tmp_path / "out"))
    records = json.loads((tmp_path / "out" / DETECTIONS_FILE).read_text())
    assert [(one["image_id"], one["category_id"]) for one in records] == [(1, 26), (1, 26), (1, 24), (3, 31), (3, 26)]
    data = inputs.folder("data")
    frames = find_frames(data, "val")
    dataset = read_cityscapes(frames, data)
    by_frame = predictions_by_frame(dataset, tmp_path / "out" / DETECTIONS_FILE)
    assert {name: [one.label_id for one in found] for name, found in by_frame.items()} == {
        NAMES[0]: [26, 26, 24],
        NAMES[1]: [],
        NAMES[2]: [31, 26],
    }
    assert by_frame[NAMES[0]][1].score == pytest.approx(0.95)
    coco = json.loads((tmp_path / "out" / COCO_FILE).read_text())
    assert coco == json.loads(json.dumps(as_coco(frames, dataset)))
    crowds = [(one["image_id"], one["category_id"], one["area"]) for one in coco["annotations"] if one["iscrowd"]]
    assert crowds == [(1, PERSON, 100.0)]
    assert len({one["id"] for one in coco["annotations"]}) == len(coco["annotations"]) == 5
    assert min(one["id"] for one in coco["annotations"]) == 1


def test_scores_and_pictures_are_kept_of_each_frame(inputs: Inputs, tmp_path: Path) -> None:
    """By COCO's rules: of the first frame's car and person the car is found second, after a person named a car; the group counts nowhere."""
    (tmp_path / "out").mkdir()
    record = evaluate_cityscapes(inputs, EvaluateCityscapesConfig(**SIZES), LocalContext(tmp_path / "out"))
    images = pq.read_table(tmp_path / "out" / "per_image.parquet").to_pydict()
    assert images["image"] == [f"{name}_leftImg8bit.png" for name in NAMES]
    assert (images["instances"], images["found"]) == ([2, 0, 2], [0, 0, 2])
    classes = pq.read_table(tmp_path / "out" / "per_class.parquet").to_pydict()
    assert classes["class"] == ["person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"]
    known = [np.nan if value is None else 100 * value for value in record["class_ap"]]
    assert classes["ap_mask"] == pytest.approx(known, nan_ok=True)
    shown = json.loads((tmp_path / "out" / "shown" / "shown.json").read_text())
    assert [one["image"].split(",")[1] for one in shown] == [" 0 of 2 instances", " 2 of 2 instances"]
    truth_HW = read_labels(tmp_path / "out" / "shown" / shown[1]["pictures"]["truth"])
    assert (truth_HW[2, 2], truth_HW[13, 7]) == (1 + CLASS[TRAIN], 1 + CLASS[CAR])
    assert export_fiftyone(tmp_path / "out", EvaluateCityscapesConfig(**SIZES), inputs, tmp_path / "to") == 3
    assert len(json.loads((tmp_path / "to" / "labels.json").read_text())["annotations"]) == 5


def test_a_network_of_19_classes_is_scored_on_the_8_that_have_instances(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its class 11 is a person, 18 a bicycle; the record is the one that 8 classes give."""
    for name in ("all", "things"):
        (tmp_path / name).mkdir()
    things = evaluate_cityscapes(inputs, EvaluateCityscapesConfig(**SIZES), LocalContext(tmp_path / "things"))
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: Told(first_thing=11))
    config = EvaluateCityscapesConfig(segments="things_and_stuff", **SIZES)
    assert evaluate_cityscapes(inputs, config, LocalContext(tmp_path / "all")) == things
    files = [(tmp_path / name / DETECTIONS_FILE).read_text() for name in ("all", "things")]
    assert files[0] == files[1]


def test_a_network_of_other_classes_is_refused(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: Told(first_thing=11))
    with pytest.raises(InputError, match="has 19 classes, the data 8; evaluate it on data of its own classes"):
        evaluate_cityscapes(inputs, EvaluateCityscapesConfig(**SIZES), LocalContext(tmp_path / "out"))


def test_the_stage(tmp_path: Path) -> None:
    assert (EVALUATE_CITYSCAPES.name, EVALUATE_CITYSCAPES.kind, EVALUATE_CITYSCAPES.seed_axes) == (
        "evaluate_cityscapes",
        "evaluate",
        (),
    )
    with pytest.raises(InputError, match="name the folder that holds Cityscapes'"):
        evaluate_cityscapes(
            Inputs({"data": [tmp_path], "model": [tmp_path]}), EvaluateCityscapesConfig(), LocalContext(tmp_path)
        )
    assert np.array(TRUTHS[0] == 24).sum() == 100
