"""Evaluation of semantic segmenters: its numbers by hand, its files, and what it refuses."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from methods.common.datasets.images import size_at_test
from methods.common.datasets.label_conventions import LabelConvention
from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.voc import write_labels
from methods.common.errors import InputError
from methods.common.growth import identity_document
from methods.common.metrics import resamples
from methods.common.metrics.label_maps.confusion import add_confusion
from methods.common.metrics.label_maps.semantic import evaluate_semantic as evaluate_folders
from methods.common.segmenters.semantic import segmenters
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter
from methods.common.segmenters.semantic.prediction import predict_labels
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.evaluate_semantic import (
    EVALUATE_SEMANTIC,
    EvaluateSemanticConfig,
    evaluate_semantic,
    percentages,
    sample_indices,
)
from methods.sam_filter.stages.evaluate import EVALUATE

NAMES = ("ground", "red", "green")
SMALL = EvaluateSemanticConfig(short_side_px=16, max_long_side_px=64)


class ByColour(torch.nn.Module):
    """Names a pixel by its red channel: label = red / 50."""

    num_classes = 3
    seen: list[tuple[int, ...]]

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def scores(self, image_N3HW: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(image_N3HW.shape))
        levels = torch.arange(3.0)[:, None, None] * 50
        return -(image_N3HW[:, :1] - levels).abs()


def write_data(folder: Path, truths: list[np.ndarray], predictions: list[np.ndarray], split: str = "val") -> Path:
    """Own data whose images show, in red, what ``ByColour`` is to predict."""
    for name in ("images", "labels"):
        (folder / split / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(NAMES))
    for index, (truth_HW, prediction_HW) in enumerate(zip(truths, predictions, strict=True)):
        image_HW3 = np.stack([prediction_HW * 50] * 3, -1).astype(np.uint8)
        Image.fromarray(image_HW3).save(folder / split / "images" / f"{index}.png")
        write_labels(folder / split / "labels" / f"{index}.png", truth_HW)
    return folder


@pytest.fixture
def by_colour(monkeypatch) -> ByColour:
    model = ByColour()
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: model)
    return model


def run(data: Path, out: Path, config: EvaluateSemanticConfig = SMALL):
    out.mkdir()
    return evaluate_semantic(Inputs({"data": [data], "model": [out]}), config, LocalContext(out))


def maps(seed: int, sizes: list[tuple[int, int]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    truths = [rng.choice(np.array([0, 1, 2, 255], np.uint8), size) for size in sizes]
    return truths, [rng.integers(0, 3, size, dtype=np.uint8) for size in sizes]


def test_the_numbers_are_those_of_one_matrix_over_all_images(tmp_path, by_colour) -> None:
    truth = np.array([[0, 0, 1, 1], [0, 255, 1, 255]] * 8, np.uint8).repeat(4, 1)
    prediction = np.array([[0, 1, 1, 1], [0, 2, 0, 2]] * 8, np.uint8).repeat(4, 1)
    record = run(
        write_data(tmp_path / "data", [truth, truth[:, :16]], [prediction, prediction[:, :16]]), tmp_path / "o"
    )
    # Of six rated pixels in each cell of the pattern: ground 2 right, 1 missed, 1 too many; red 2 right, 1 and 1.
    assert record["iou"] == {"ground": pytest.approx(50.0), "red": pytest.approx(50.0), "green": None}
    assert record["miou"] == pytest.approx(50.0)
    assert record["pixel_accuracy"] == pytest.approx(100 * 4 / 6)
    assert record["num_images"] == 2


def test_it_agrees_with_the_metric_on_folders(tmp_path, by_colour) -> None:
    truths, predictions = maps(0, [(16, 20), (16, 20), (24, 16)])
    data = write_data(tmp_path / "data", truths, predictions)
    (tmp_path / "predicted").mkdir()
    for index, prediction_HW in enumerate(predictions):
        write_labels(tmp_path / "predicted" / f"{index}.png", prediction_HW)
    expected = evaluate_folders(data / "val/labels", tmp_path / "predicted", LabelConvention(3, class_names=NAMES))
    record = run(data, tmp_path / "out")
    assert record["miou"] == pytest.approx(100 * expected.metrics()["mIoU"], rel=1e-12)
    assert record["pixel_accuracy"] == pytest.approx(100 * expected.metrics()["pixel_accuracy"], rel=1e-12)
    rows = list(csv.DictReader((tmp_path / "out/per_class.csv").open()))
    for row, wanted in zip(rows, expected.per_class(), strict=True):
        assert row["class"] == wanted["name"]
        assert float(row["iou_percent"]) == pytest.approx(100 * wanted["IoU"], rel=1e-12)
        assert [int(row[name]) for name in ("right_px", "truth_px", "predicted_px")] == [
            wanted[name] for name in ("right_px", "ground_truth_px", "predicted_px")
        ]
    confusion = json.loads((tmp_path / "out/confusion.json").read_text())
    assert confusion["classes"] == list(NAMES)
    assert np.sum(confusion["pixels"]) == sum((truth != 255).sum() for truth in truths)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_matrices_add_up_and_perfect_predictions_score_100(seed) -> None:
    (truth, other), (prediction, _) = maps(seed, [(9, 11), (5, 6)])
    confusion = np.zeros((3, 3), np.int64)
    add_confusion(confusion, truth, prediction, 255)
    expected = np.zeros((3, 3), np.int64)
    for true, predicted in zip(truth.flat, prediction.flat, strict=True):
        if true != 255:
            expected[true, predicted] += 1
    assert np.array_equal(confusion, expected)
    perfect = np.zeros((3, 3), np.int64)
    add_confusion(perfect, other, np.where(other == 255, 1, other).astype(np.uint8), 255)
    assert percentages(perfect, NAMES)["miou"] in (pytest.approx(100.0), None)


def test_nothing_rated_has_no_score() -> None:
    found = percentages(np.zeros((3, 3), np.int64), NAMES)
    assert found == {"miou": None, "pixel_accuracy": None, "iou": dict.fromkeys(NAMES)}


def test_batches_hold_one_size_and_change_nothing(tmp_path, by_colour) -> None:
    truths, predictions = maps(1, [(16, 20)] * 3 + [(16, 18)] * 2)
    data = write_data(tmp_path / "data", truths, predictions)
    one = run(data, tmp_path / "one")
    assert [shape[0] for shape in by_colour.seen] == [1] * 5
    by_colour.seen.clear()
    assert run(data, tmp_path / "two", SMALL.model_copy(update={"batch_size": 2})) == one
    assert by_colour.seen == [(2, 3, 16, 20), (1, 3, 16, 20), (2, 3, 16, 18)]


def test_images_are_scaled_and_scores_scaled_back(tmp_path, by_colour) -> None:
    truth = np.zeros((40, 60), np.uint8)
    truth[:, 30:] = 2
    record = run(write_data(tmp_path / "data", [truth], [truth]), tmp_path / "out")
    assert by_colour.seen == [(1, 3, 16, 24)]
    assert record["num_images"] == 1
    assert record["iou"]["ground"] > 90


@pytest.mark.parametrize(
    ("size", "expected"), [((375, 500), (512, 683)), ((500, 375), (683, 512)), ((100, 1000), (205, 2048))]
)
def test_the_short_side_is_512_and_the_long_at_most_2048(size, expected) -> None:
    assert size_at_test(*size, 512, 2048) == expected


def test_samples_are_spread_and_show_truth_and_prediction(tmp_path, by_colour) -> None:
    assert sample_indices(10, 4) == [0, 2, 5, 7]
    assert sample_indices(2, 5) == [0, 1]
    assert sample_indices(5, 0) == []
    truths, predictions = maps(2, [(16, 16)] * 4)
    data = write_data(tmp_path / "data", truths, predictions)
    run(data, tmp_path / "out", SMALL.model_copy(update={"num_samples": 2, "batch_size": 3}))
    folder = tmp_path / "out/samples"
    assert len(list(folder.iterdir())) == 6
    for number, index in enumerate((0, 2)):
        assert np.array_equal(read_labels(folder / f"{number:02d}_truth.png"), truths[index])
        assert np.array_equal(read_labels(folder / f"{number:02d}_predicted.png"), predictions[index])
        assert np.array_equal(
            np.asarray(Image.open(folder / f"{number:02d}_image.png"))[..., 0], predictions[index] * 50
        )


def test_a_trained_segmenter_is_read_and_progress_told(tmp_path) -> None:
    truths, predictions = maps(3, [(20, 20)] * 2)
    data = write_data(tmp_path / "data", truths, predictions)
    model = ConvolutionalSegmenter(ConvolutionalConfig(num_classes=3, widths=(8, 8)), torch.Generator().manual_seed(0))
    model.eval().save_pretrained(tmp_path / "cell/model")
    (tmp_path / "out").mkdir()
    context = LocalContext(tmp_path / "out")
    record = evaluate_semantic(Inputs({"data": [data], "model": [tmp_path / "cell"]}), SMALL, context)
    expected = np.zeros((3, 3), np.int64)
    for truth_HW, prediction_HW in zip(truths, predictions, strict=True):
        image_HW3 = np.stack([prediction_HW * 50] * 3, -1).astype(np.uint8)
        add_confusion(expected, truth_HW, predict_labels(model, [image_HW3], 16, 64, torch.device("cpu"))[0], 255)
    assert json.loads((tmp_path / "out/confusion.json").read_text())["pixels"] == expected.tolist()
    assert record["miou"] == percentages(expected, NAMES)["miou"]
    assert [done[:3] for done in context.history] == [(1, 2, "images"), (2, 2, "images")]


def test_resamples_are_the_numbers_of_the_images_drawn(tmp_path, by_colour, monkeypatch) -> None:
    truths, predictions = maps(6, [(16, 20)] * 3)
    data = write_data(tmp_path / "data", truths, predictions)
    monkeypatch.setattr(resamples, "draw_weights", lambda num_images, draws: np.array([2.0, 0.0, 1.0])[:num_images])
    record = run(data, tmp_path / "out")
    expected = np.zeros((3, 3), np.int64)
    for index in (0, 0, 2):
        add_confusion(expected, truths[index], predictions[index], 255)
    assert record["resamples"][9]["miou"] == pytest.approx(percentages(expected, NAMES)["miou"], abs=5e-5)
    assert record["resamples"][9]["iou"] == pytest.approx(percentages(expected, NAMES)["iou"], abs=5e-5)


def test_other_classes_are_refused(tmp_path, by_colour) -> None:
    truths, predictions = maps(4, [(16, 16)])
    data = write_data(tmp_path / "data", truths, predictions)
    by_colour.num_classes = 21
    with pytest.raises(
        InputError, match=r"data has 3 classes, the segmenter in .*/model 21; evaluate it on data of its"
    ):
        run(data, tmp_path / "out")


def test_it_is_a_stage_of_its_own_and_the_papers(tmp_path, by_colour) -> None:
    data = write_data(tmp_path / "data", *maps(5, [(16, 20)]))
    expected = run(data, tmp_path / "out")
    for stage, name in ((EVALUATE_SEMANTIC, "evaluate_semantic"), (EVALUATE, "sam_filter_evaluate")):
        assert (stage.name, stage.version, stage.config_type) == (name, 1, EvaluateSemanticConfig)
        (tmp_path / name).mkdir()
        inputs = Inputs({"data": [data], "model": [tmp_path]})
        assert stage.run(inputs, SMALL, LocalContext(tmp_path / name)) == expected


class BySide(torch.nn.Module):
    """Class 1 scores as many points as the image is wide at its left column, class 0 always 40 points, and class 2 more to the right."""

    num_classes = 3

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []

    def scores(self, image_N3HW: torch.Tensor) -> torch.Tensor:
        number, _, height, width = image_N3HW.shape
        self.widths.append(width)
        scores = torch.zeros(number, 3, height, width)
        scores[:, 0] = 40.0
        scores[:, 1] = float(width)
        scores[:, 2, :, width // 2 :] = 50.0
        return scores


def test_looks_at_several_scales_and_the_mirror_are_added():
    """By hand: at 16 and 32 px class 0 has 80 points and class 1 48; class 2 has 100 on the right, and half of that in the mean once mirrored looks count."""
    image_HW3, cpu = np.zeros((16, 16, 3), np.uint8), torch.device("cpu")

    def labels(scales: tuple[float, ...], mirrored: bool) -> tuple[list[int], list[int]]:
        model = BySide()
        (label_HW,) = predict_labels(model, [image_HW3], 16, 64, cpu, scales, mirrored)
        assert (label_HW == label_HW[:1]).all()
        return label_HW[0, [1, 14]].tolist(), model.widths

    assert labels((1.0,), False) == ([0, 2], [16])
    assert labels((1.0, 2.0), False) == ([0, 2], [16, 32])
    assert labels((4.0,), False) == ([1, 1], [64])
    assert labels((1.0, 2.0), True) == ([0, 0], [16, 16, 32, 32])
    assert labels((1.0,), True) == ([0, 0], [16, 16])
    with pytest.raises(ValidationError, match="scales"):
        EvaluateSemanticConfig(scales=())


def test_the_longest_side_limits_all_scales_alike():
    """A release has one limit for all looks, so the small ones of a long image are not cut short."""
    model = BySide()
    image_HW3 = np.zeros((8, 40, 3), np.uint8)
    predict_labels(model, [image_HW3], 16, 40, torch.device("cpu"), (0.5, 1.0, 2.0))
    assert model.widths == [40, 80, 80]


def test_one_look_is_what_it_was(tmp_path):
    """The neutral values change neither identity nor result."""
    assert identity_document(SMALL) == identity_document(EvaluateSemanticConfig(**SMALL.model_dump()))
    assert not {"scales", "mirrored"} & identity_document(SMALL).keys()
    several = SMALL.model_copy(update={"scales": (1.0, 2.0), "mirrored": True})
    assert {"scales", "mirrored"} <= identity_document(several).keys()


def test_the_stage_passes_scales_and_mirror_on(tmp_path, by_colour):
    truths, predictions = maps(0, [(16, 16)])
    data = write_data(tmp_path / "data", truths, predictions)
    run(data, tmp_path / "out", SMALL.model_copy(update={"scales": (0.5, 1.0), "mirrored": True}))
    assert [shape[-1] for shape in by_colour.seen] == [8, 8, 16, 16]
