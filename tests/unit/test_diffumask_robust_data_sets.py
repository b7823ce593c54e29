"""ImageNet-S and Cityscapes by 19 classes: views, labels, starts and scores, against numbers that were computed by themselves."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pyarrow import parquet
from pydantic import ValidationError

from methods.common.datasets.imagenet_s import open_imagenet_s
from methods.common.datasets.png_labels import read_labels
from methods.common.errors import InputError
from methods.common.growth import identity_document
from methods.common.metrics.label_maps.imagenet_s import evaluate_imagenet_s as evaluate_folders
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.imagenet_s_drawing import in_colours
from methods.common.miniature.imagenet_s_view import DrawImageNetSConfig, draw_imagenet_s
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.seeds import Seeds
from methods.common.segmenters.deeplab.model import DeepLab
from methods.common.segmenters.deeplab.presets import deeplab_miniature
from methods.common.segmenters.semantic.prediction import predict_labels
from methods.common.segmenters.semantic.segmenters import load_segmenter
from methods.common.segmenters.semantic.starting import backbone_prefix
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.export_predictions import export_coco
from methods.common.stages.training_sources import CityscapesSource, RealSource
from methods.common.wordnet import WordNet
from methods.diffumask_robust.co_training_config import CoTrainingConfig
from methods.diffumask_robust.crop_config import CropConfig
from methods.diffumask_robust.lexicon import build_lexicon
from methods.diffumask_robust.schedule import RobustRecipe
from methods.diffumask_robust.stages.evaluate_imagenet_s import EvaluateImageNetSConfig, evaluate_imagenet_s
from methods.diffumask_robust.stages.prompts import (
    AugmentedPrompts,
    DomainPrompts,
    GroupPrompts,
    PromptsConfig,
    make_prompts,
)
from methods.diffumask_robust.stages.sources import LabelledSource
from methods.diffumask_robust.stages.train_robust import TrainRobustConfig, train_robust
from reproductions.diffumask_robust.recipe_data_sets import STREET_19
from tests.unit.small_wordnet import Entry, write_wordnet
from tests.unit.test_diffumask_robust_stage_values import ramp, write_labels, write_pairs
from tests.unit.test_prompts import Words

SMALL = DrawImageNetSConfig(num_train=5, num_val=9, num_categories=5)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("imagenet_s")
    draw_imagenet_s(Inputs(), SMALL, LocalContext(out, Seeds(data=3)))
    return out


def test_each_picture_shows_the_category_of_its_folder_and_other(drawn: Path) -> None:
    images = open_imagenet_s(drawn, "validation")
    assert images.class_names == ("other", *sorted(CATEGORY_NAMES[:5]))
    assert len(images) == 9
    for index in range(9):
        name, label_HW = images.name(index).split("/")[0], images[index][1]
        assert set(np.unique(label_HW)) == {0, images.class_names.index(name), 255}
    assert len(open_imagenet_s(drawn, "train-semi")) == 5


def test_ids_stand_in_two_colours() -> None:
    names = ("moon", "coin")
    pixels = in_colours(np.array([[0, 1, 2, 255]], np.uint8), names)
    assert pixels.tolist() == [[[0, 0, 0], [2, 0, 0], [1, 0, 0], [1000 % 256, 3, 0]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training cell of a network with random weights."""
    out = tmp_path_factory.mktemp("model")
    DeepLab(deeplab_miniature(6), torch.Generator().manual_seed(1)).save_pretrained(out / "model")
    return out


def test_scores_are_those_of_the_evaluator_on_files(drawn: Path, model: Path, tmp_path: Path) -> None:
    """The same predictions, written as the evaluator reads them; its 50 categories are 5 here and 45 that never occur."""
    config = EvaluateImageNetSConfig(short_side_px=40, max_long_side_px=160)
    record = evaluate_imagenet_s(Inputs({"data": [drawn], "model": [model]}), config, LocalContext(tmp_path))
    images, network = open_imagenet_s(drawn, "validation"), load_segmenter(model / "model").eval()
    names = sorted(CATEGORY_NAMES[:5])
    for index in range(len(images)):
        (predicted_HW,) = predict_labels(network, [images[index][0]], 40, 160, torch.device("cpu"))
        file = tmp_path / "predicted" / f"{images.name(index)}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(in_colours(predicted_HW.astype(np.uint8), tuple(names))).save(file)
    wanted = evaluate_folders(drawn / "validation-segmentation", tmp_path / "predicted", 50).metrics()
    assert record["miou"] == pytest.approx(wanted["mIoU"] * 51 / 6)
    assert record["boundary_miou"] == pytest.approx(wanted["mBIoU"] * 51 / 6)
    assert (record["accuracy"], record["f_measure"]) == (wanted["Acc"], wanted["FMeasure"])
    assert record["miou_by_size"] == {size: wanted[size] for size in ("S", "MS", "ML", "L")}
    assert list(record["iou"]) == ["other", *names]
    assert len(record["resamples"]) == 100


def test_what_was_predicted_is_kept_with_the_scores_of_pictures(drawn: Path, model: Path, tmp_path: Path) -> None:
    config, inputs = EvaluateImageNetSConfig(short_side_px=40), Inputs({"data": [drawn], "model": [model]})
    record = evaluate_imagenet_s(inputs, config, LocalContext(tmp_path))
    images = open_imagenet_s(drawn, "validation")
    names = [images.name(index) for index in range(len(images))]
    scores = []
    for index, name in enumerate(names):
        predicted_HW, truth_HW = read_labels(tmp_path / "predictions" / f"{name}.png"), images[index][1]
        rated_HW = truth_HW != 255
        true, predicted = truth_HW[rated_HW], predicted_HW[rated_HW]
        of_label = [
            ((true == label) & (predicted == label)).sum() / ((true == label) | (predicted == label)).sum()
            for label in np.union1d(true, predicted)
        ]
        scores.append(100 * np.mean(of_label))
    kept = parquet.read_table(tmp_path / "per_image.parquet").to_pydict()
    assert kept["image"] == names
    assert kept["score"] == pytest.approx(scores)
    assert 100 * np.mean(kept["is_hit"]) == pytest.approx(record["accuracy"])
    assert np.mean(kept["f_measure"]) == pytest.approx(record["f_measure"])
    classes = parquet.read_table(tmp_path / "per_class.parquet").to_pydict()
    assert dict(zip(classes["class"], classes["iou"], strict=True)) == record["iou"]
    assert np.mean(classes["boundary_iou"]) == pytest.approx(record["boundary_miou"])
    shown = json.loads((tmp_path / "shown" / "shown.json").read_text())
    assert [one["image"] for one in shown[:3]] == [names[place] for place in np.argsort(scores, kind="stable")[:3]]
    assert export_coco(tmp_path, config, inputs, tmp_path / "coco") == len(names)


def test_evaluations_of_before_predictions_were_kept_stay(drawn: Path, model: Path, tmp_path: Path) -> None:
    config = EvaluateImageNetSConfig(short_side_px=40, kept_predictions_mib=0.0)
    assert "kept_predictions_mib" not in identity_document(config)
    inputs = Inputs({"data": [drawn], "model": [model]})
    evaluate_imagenet_s(inputs, config, LocalContext(tmp_path))
    with pytest.raises(InputError, match="kept no predictions; give kept_predictions_mib of its evaluation more room"):
        export_coco(tmp_path, config, inputs, tmp_path / "coco")


def test_a_network_of_another_subset_is_refused(drawn: Path, tmp_path: Path) -> None:
    DeepLab(deeplab_miniature(3), torch.Generator().manual_seed(1)).save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="has 5 categories beside other"):
        evaluate_imagenet_s(
            Inputs({"data": [drawn], "model": [tmp_path]}), EvaluateImageNetSConfig(), LocalContext(tmp_path)
        )


# -- words ---------------------------------------------------------------------------------------------------------------------


def test_a_class_named_by_its_synset_has_the_words_of_it(tmp_path: Path) -> None:
    entries = {
        "dog": Entry(("dog", "domestic dog"), ("pug",)),
        "pug": Entry(("pug", "pug-dog")),
        "cat": Entry(("cat",)),
    }
    ids = write_wordnet(tmp_path, entries)
    words = build_lexicon([ids["dog"], ids["cat"]], {}, WordNet(tmp_path)).classes
    assert words[ids["dog"]][:3] == (("dog",), ("domestic dog",), ("pug", "pug-dog"))
    assert words[ids["cat"]][:3] == (("cat",), (), ())
    assert words[ids["dog"]].synset == ids["dog"]


def test_other_is_no_class_to_be_asked_for(drawn: Path, tmp_path: Path) -> None:
    config = PromptsConfig(
        prompts=AugmentedPrompts(template="a photo of a {word}"),
        lexicon="miniature",
        split="validation",
        num_prompts=10,
    )
    inputs = Inputs({"data": [drawn], "generator": [CHECKPOINTS / "stable_diffusion"]})
    record = make_prompts(inputs, config, LocalContext(tmp_path))
    assert record["images_per_class"] == dict.fromkeys(sorted(CATEGORY_NAMES[:5]), 2)
    assert json.loads((tmp_path / "classes.json").read_text())[0] == "other"


def test_stuff_is_named_in_every_prompt_before_what_is_drawn(tmp_path: Path) -> None:
    prompts = DomainPrompts(
        template="{classes}",
        words={"road": ("coin",), "car": ("tent",), "bus": ("moon",)},
        shares={"coin": 0.1, "tent": 0.5, "moon": 0.5},
        always=("coin",),
        max_words=1,
    )
    config = PromptsConfig(prompts=prompts, lexicon="miniature", num_prompts=8)
    make_prompts(Inputs({"generator": [CHECKPOINTS / "stable_diffusion"]}), config, LocalContext(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert {line["text"] for line in lines} == {"coin and tent", "coin and moon"}
    assert all([span[0] for span in line["spans"]] in ([1, 2], [1, 3]) for line in lines)


def test_groups_take_turns_and_so_do_their_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thing a picture, read at its own word; persons and cars have DiffuMask's sub-classes, a bus is bare."""
    words = {"human": ("person",), "vehicle": ("car", "bus", "train")}
    config = PromptsConfig(prompts=GroupPrompts(words=words, bare_share=0, max_subclasses=1), num_prompts=12)
    monkeypatch.setattr("methods.diffumask_robust.stages.prompts._tokenizer", lambda inputs: Words())
    record = make_prompts(Inputs(), config, LocalContext(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert [line["spans"][0][0] for line in lines] == [1, 2] * 6
    read = [line["text"][slice(*line["spans"][0][1:])] for line in lines]
    assert read == ["person", "car", "person", "bus", "person", "train"] * 2
    assert {line["text"] for line, word in zip(lines, read, strict=True) if word == "bus"} == {"Photo of a bus"}
    assert all(line["text"].startswith("Photo of a person ") for line in lines[::2])
    assert {line["text"] for line in lines[1::6]}.isdisjoint({"Photo of a car"})
    assert record["images_per_class"] == {"human": 6, "vehicle": 6}
    assert json.loads((tmp_path / "classes.json").read_text()) == ["background", "human", "vehicle"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": {"tent": 0.5}}, "no share above 0 for the word 'coin'"),
        ({"shares": {"tent": 0.5, "coin": 0.0}}, "no share above 0 for the word 'coin'"),
        ({"always": ("moon",)}, "always names 'moon', which is a word of no class"),
    ],
)
def test_words_of_a_domain_that_do_not_fit_are_told(change: dict[str, object], message: str) -> None:
    words = {"words": {"road": ("coin",), "car": ("tent",)}, "shares": {"tent": 0.5, "coin": 0.5}}
    with pytest.raises(ValidationError, match=message):
        DomainPrompts.model_validate(words | change)


def test_the_street_of_19_classes_counts_them_as_the_evaluation_does() -> None:
    from methods.common.datasets.cityscapes_semantic import classes_of

    assert tuple(STREET_19.words) == classes_of("19").names
    assert set(STREET_19.always) <= set(STREET_19.shares)


# -- training ------------------------------------------------------------------------------------------------------------------


def test_without_background_classes_count_from_0_and_what_no_word_claims_is_ignored(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": ramp([0, 0, 0, 1])}, {"a": [1]})
    labels = {"a": np.array([[1, 2, 255, 0]])}
    folder = write_labels(tmp_path / "labels", labels, {"a": np.ones((1, 4), bool)})
    inputs = Inputs({"pairs": [pairs], "labels": [folder]})
    images = LabelledSource(has_background=False).open(inputs, Seeds())
    assert images.class_names == ("coin", "hoop")
    assert images[0][1].tolist() == [[0, 1, 255, 255]]
    with_one = LabelledSource().open(inputs, Seeds())
    assert with_one.class_names[0] == "background"
    assert with_one[0][1].tolist() == [[1, 2, 255, 0]]


@pytest.mark.parametrize(("start", "heads_alike"), [("trained", True), ("trained_backbone", False)])
def test_a_training_starts_from_another_ones_weights_without_the_class_layer(
    drawn: Path, model: Path, tmp_path: Path, start: str, heads_alike: bool
) -> None:
    """One step whose rate is next to nothing leaves the weights that it began with."""
    config = TrainRobustConfig(
        segmenter=deeplab_miniature(6),
        scheme="plain",
        training=CoTrainingConfig(
            recipe=RobustRecipe(iterations=1, batch_size=2, base_lr=1e-12, min_lr=0.0), colours=None
        ),
        crops=CropConfig(crop_px=32),
        source=RealSource(split="train-semi"),
        start=start,  # type: ignore[arg-type]
    )
    train_robust(Inputs({"data": [drawn], "start": [model]}), config, LocalContext(tmp_path))
    first = load_segmenter(model / "model").state_dict()
    found = load_segmenter(tmp_path / "model")
    prefix = backbone_prefix(found)
    for name, value in found.state_dict().items():
        if not name.endswith("weight") or value.dim() < 2:
            continue
        alike = torch.allclose(value, first[name], atol=1e-6)
        if name.startswith(prefix):
            assert alike, name
        elif name.startswith(found.class_layers):
            assert not alike, name
        else:
            assert alike == heads_alike, name


def test_a_part_of_the_street_is_drawn_by_name(tmp_path: Path) -> None:
    from methods.common.miniature.street_view import DrawCityscapesConfig, draw_cityscapes

    draw_cityscapes(Inputs(), DrawCityscapesConfig(num_train=4, num_val=1), LocalContext(tmp_path))
    inputs = Inputs({"data": [tmp_path]})
    assert len(CityscapesSource(classes="19", max_images=3).open(inputs, Seeds())) == 3
    assert len(CityscapesSource(classes="19").open(inputs, Seeds())) == 4
