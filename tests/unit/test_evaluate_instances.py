"""Evaluation of instance segmenters, for any paper and as MRCA's stage."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from methods.common.errors import InputError
from methods.common.metrics import resamples
from methods.common.metrics.detection.lvis import evaluate_lvis
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.image_batches import batches_of_one_size
from methods.common.segmenters.instance.segmenters import load_segmenter
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.evaluate_instances import DETECTIONS_FILE, EVALUATE_INSTANCES, EvaluateInstancesConfig
from methods.mrca.stages.evaluate import EVALUATE, EvaluateConfig
from tests.unit.mrca_stage_inputs import make_inputs

SIZES = {"short_side_px": 64, "long_side_px": 96, "batch_size": 2}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("inputs"))


def run(stage, inputs: Inputs, config, out: Path):
    out.mkdir()
    return stage.run(inputs, config, LocalContext(out)), json.loads((out / DETECTIONS_FILE).read_text())


def test_the_common_stage_needs_data_and_a_segmenter_only(inputs, tmp_path) -> None:
    roles = Inputs({role: inputs.roles[role] for role in ("data", "model")})
    record, detections = run(EVALUATE_INSTANCES, roles, EvaluateInstancesConfig(**SIZES), tmp_path / "common")
    val = json.loads((inputs.folder("data") / "val.json").read_text())
    assert record["num_images"] == len(val["images"]) == 11
    assert record["num_detections"] == len(detections) > 0
    assert set(record) == {
        *("num_images", "num_detections", "split"),
        *("metrics_box", "class_ap_box", "metrics_mask", "class_ap_mask", "resamples"),
    }
    assert len(record["class_ap_mask"]) == len(val["categories"])
    assert run(EVALUATE, inputs, EvaluateConfig(**SIZES), tmp_path / "mrca") == (record, detections)


def test_resamples_are_the_official_numbers_of_the_images_drawn(inputs, tmp_path, monkeypatch) -> None:
    roles = Inputs({role: inputs.roles[role] for role in ("data", "model")})
    given = np.array([3, 0, 1, 1, 0, 2, 1, 0, 1, 1, 1], np.float64)
    monkeypatch.setattr(resamples, "draw_weights", lambda num_images, draws: given[:num_images])
    record, _ = run(EVALUATE_INSTANCES, roles, EvaluateInstancesConfig(**SIZES), tmp_path / "out")
    for kind, iou_type in (("box", "bbox"), ("mask", "segm")):
        scores = evaluate_lvis(inputs.folder("data") / "val.json", tmp_path / "out" / DETECTIONS_FILE, iou_type)
        expected = {name: value if value is None else 100 * value for name, value in scores.metrics(given).items()}
        assert record["resamples"][7][f"metrics_{kind}"] == pytest.approx(expected, abs=5e-5)


def test_a_split_is_an_annotation_file_and_feedback_the_held_out_images(inputs, tmp_path) -> None:
    train, _ = run(EVALUATE_INSTANCES, inputs, EvaluateInstancesConfig(split="train", **SIZES), tmp_path / "train")
    feedback, _ = run(EVALUATE, inputs, EvaluateConfig(split="feedback", **SIZES), tmp_path / "feedback")
    assert train["num_images"] == 24
    assert 0 < feedback["num_images"] < 24
    assert (train["split"], feedback["split"]) == ("train", "feedback")


def test_the_papers_stage_is_known_by_the_same_document() -> None:
    """Finished cells are found again by name, version and config."""
    assert (EVALUATE.name, EVALUATE.version, EVALUATE.config_type) == ("mrca_evaluate", 1, EvaluateConfig)
    expected = '{"split":"val","short_side_px":800,"long_side_px":1333,"batch_size":1,"batch_by_size":false}'
    assert EvaluateConfig().model_dump_json() == expected
    with pytest.raises(ValueError, match="'val' or 'feedback'"):
        EvaluateConfig(split="train")


def test_other_networks_are_refused(tmp_path) -> None:
    model = ConvolutionalSegmenter(ConvolutionalConfig(num_classes=3, widths=(8, 8)), torch.Generator().manual_seed(0))
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"config.json names the kind 'convolutional', which is no instance segmenter"):
        load_segmenter(tmp_path)


def test_images_of_one_size_share_batches(inputs, tmp_path, monkeypatch) -> None:
    numbers, detect = [], CenterNet2.detect

    def counted(self, image_NCHW, *rest, **named):
        numbers.append(len(image_NCHW))
        return detect(self, image_NCHW, *rest, **named)

    monkeypatch.setattr(CenterNet2, "detect", counted)
    found = {}
    for by_size in (False, True):
        config = EvaluateInstancesConfig(split="train", batch_by_size=by_size, **SIZES | {"batch_size": 3})
        record, detections = run(EVALUATE_INSTANCES, inputs, config, tmp_path / str(by_size))
        found[by_size] = numbers.copy(), record, {(one["image_id"], one["category_id"]) for one in detections}
        numbers.clear()
    images = json.loads((inputs.folder("data") / "train.json").read_text())["images"]
    of_size = Counter((image["height"], image["width"]) for image in images)
    assert len(found[True][0]) == sum(-(-count // 3) for count in of_size.values()) < len(found[False][0])
    assert sum(found[True][0]) == sum(found[False][0]) == len(images)
    assert found[True][1]["num_detections"] == found[False][1]["num_detections"]
    assert found[True][2] == found[False][2]


def test_batches_hold_neighbours_of_one_size() -> None:
    words = ["ab", "cd", "ef", "g", "hi", "jk", "lmn"]
    assert list(batches_of_one_size(words, len, 2)) == [["ab", "cd"], ["ef"], ["g"], ["hi", "jk"], ["lmn"]]
    assert list(batches_of_one_size([], len, 2)) == []
