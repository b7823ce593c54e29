"""A few classes that data sets share: labels by hand, the mean over three, prompts of these classes alone, and what a table prints of them."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from methods.common.datasets.cityscapes_semantic import classes_of
from methods.common.datasets.label_conventions import ADE20K, VOC_2012
from methods.common.datasets.voc import write_labels
from methods.common.errors import InputError
from methods.common.miniature.ade20k_view import DrawAde20kConfig
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.stuff_drawing import class_names
from methods.common.miniature.voc_view import DrawVocConfig, draw_voc
from methods.common.seeds import Seeds
from methods.common.segmenters.deeplab.model import DeepLab
from methods.common.segmenters.deeplab.presets import deeplab_miniature
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.export_predictions import export_coco
from methods.diffumask_robust.class_set import BUS_CAR_PERSON, CAR_PERSON_MOTORBIKE, ClassSet, SharedClass
from methods.diffumask_robust.class_set_images import label_table, open_class_set
from methods.diffumask_robust.stages.evaluate_class_set import EvaluateClassSetConfig, evaluate_class_set, mean_iou
from methods.diffumask_robust.stages.prompts import PromptsConfig, SubclassPrompts, make_prompts
from methods.diffumask_robust.stages.sources import ClassSetSource
from reproductions.diffumask_robust.collect import Collector
from reproductions.diffumask_robust.recipe_data_sets import STAND_INS

CITYSCAPES = classes_of("19").names


@pytest.mark.parametrize(
    ("names", "classes", "wanted"),
    [
        (VOC_2012.class_names, CAR_PERSON_MOTORBIKE, {7: 1, 15: 2, 14: 3}),
        (VOC_2012.class_names, BUS_CAR_PERSON, {6: 1, 7: 2, 15: 3}),
        (CITYSCAPES, CAR_PERSON_MOTORBIKE, {13: 1, 11: 2, 12: 2, 17: 3}),  # by training id; riders are persons
        (CITYSCAPES, BUS_CAR_PERSON, {15: 1, 13: 2, 11: 3, 12: 3}),
        (
            ADE20K.class_names,
            CAR_PERSON_MOTORBIKE,
            {20: 1, 12: 2, 116: 3},
        ),  # scene parsing's 21, 13 and 117, counted from 0
        (ADE20K.class_names, BUS_CAR_PERSON, {80: 1, 20: 2, 12: 3}),
    ],
)
def test_labels_of_a_class_set_by_the_ids_of_each_data_set(
    names: tuple[str, ...], classes: ClassSet, wanted: dict[int, int]
) -> None:
    table = label_table(names, classes, "here")
    assert {label: int(table[label]) for label in range(len(names)) if table[label]} == wanted
    assert table[255] == 255


def save(folder: Path, name: str, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((2, 5, 3), 70, np.uint8)).save(folder / f"{name}{suffix}")


def labels(folder: Path, name: str, rows: list[list[int]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_labels(folder / f"{name}.png", np.array(rows, np.uint8))


def test_files_of_three_layouts_are_read_as_the_same_classes(tmp_path: Path) -> None:
    """Car, person, motorbike and background, in each data set's own numbers; what is not rated there is not rated here."""
    voc, street, scenes = (tmp_path / name for name in ("voc", "street", "scenes"))
    save(voc / "JPEGImages", "a", ".jpg")
    labels(voc / "SegmentationClass", "a", [[7, 15, 14, 0, 255], [2, 6, 19, 7, 15]])  # bicycle, bus, train
    (voc / "ImageSets" / "Segmentation").mkdir(parents=True)
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("a\n")
    save(street / "leftImg8bit" / "val" / "b", "b_1_2_leftImg8bit")
    truth = [[26, 24, 32, 7, 0], [25, 33, 27, 29, 3]]  # rider, bicycle, truck, caravan, out of the region
    labels(street / "gtFine" / "val" / "b", "b_1_2_gtFine_labelIds", truth)
    save(scenes / "images" / "validation", "ADE_val_1")
    labels(scenes / "annotations" / "validation", "ADE_val_1", [[21, 13, 117, 1, 0], [128, 103, 81, 150, 84]])
    wanted = {
        voc: [[1, 2, 3, 0, 255], [0, 0, 0, 1, 2]],
        street: [[1, 2, 3, 0, 255], [2, 0, 0, 255, 255]],
        scenes: [[1, 2, 3, 0, 255], [0, 0, 0, 0, 0]],
    }
    for folder, rows in wanted.items():
        split = "validation" if folder == scenes else "val"
        source = ClassSetSource(split=split, classes=CAR_PERSON_MOTORBIKE)
        images = source.open(Inputs({"data": [folder]}), Seeds())
        assert images.class_names == ("background", "car", "person", "motorbike")
        assert len(images) == 1
        image_HW3, label_HW = images[0]
        assert label_HW.tolist() == rows
        assert label_HW.dtype == np.uint8
        assert image_HW3.shape == (2, 5, 3)
    assert open_class_set(street, "val", BUS_CAR_PERSON)[0][1].tolist() == [[2, 3, 0, 0, 255], [3, 0, 0, 255, 255]]


def test_a_data_set_without_one_of_the_classes_is_refused() -> None:
    with pytest.raises(
        InputError, match="/data/few has no class called 'motorbike' or 'motorcycle' or 'minibike', which"
    ):
        label_table(("background", "car", "person"), CAR_PERSON_MOTORBIKE, "/data/few")


def test_a_name_has_one_meaning() -> None:
    car, person = (SharedClass(name=name, called=(name,)) for name in ("car", "person"))
    with pytest.raises(ValidationError, match="'car' stands twice"):
        ClassSet(classes=(car, SharedClass(name="van", called=("van", "car"))))
    with pytest.raises(ValidationError, match="'person' stands twice"):
        ClassSet(classes=(person, SharedClass(name="person", called=("rider",))))
    with pytest.raises(ValidationError, match="'background' is what no class of the set is"):
        ClassSet(classes=(car, SharedClass(name="rest", called=("background",))))


def test_every_miniature_view_has_what_stands_in_for_the_three() -> None:
    coin, lifebelt, banana = CATEGORY_NAMES[:3]
    assert STAND_INS.names == (coin, lifebelt, banana)
    scenes = class_names(DrawAde20kConfig(num_things=3))
    for names, wanted in (
        (("background", coin, lifebelt, banana), [0, 1, 2, 3]),
        (scenes, [0] * (len(scenes) - 3) + [1, 2, 3]),
        (CITYSCAPES, [{"car": 1, "person": 2, "rider": 2, "motorcycle": 3}.get(name, 0) for name in CITYSCAPES]),
    ):
        assert label_table(tuple(names), STAND_INS, "here")[: len(names)].tolist() == wanted


# -- scores --------------------------------------------------------------------------------------------------------------------


def test_the_mean_is_of_the_classes_without_background() -> None:
    iou = {"background": 95.0, "car": 10.0, "person": 20.0, "motorbike": 60.0}
    assert mean_iou(iou, ("car", "person", "motorbike")) == 30.0
    assert mean_iou({**iou, "motorbike": None}, ("car", "person", "motorbike")) is None


def test_an_evaluation_scores_the_classes_by_its_own_table_of_pixels(tmp_path: Path) -> None:
    """A fourth category of the data is background; the mean follows from the written table of pixels."""
    data, out = tmp_path / "data", tmp_path / "out"
    for folder in (data, out):
        folder.mkdir()
    draw_voc(Inputs(), DrawVocConfig(num_train=1, num_val=12, num_categories=4), LocalContext(data, Seeds(data=3)))
    DeepLab(deeplab_miniature(4), torch.Generator().manual_seed(1)).save_pretrained(tmp_path / "model")
    config = EvaluateClassSetConfig(classes=STAND_INS, short_side_px=40, max_long_side_px=160)
    record = evaluate_class_set(Inputs({"data": [data], "model": [tmp_path]}), config, LocalContext(out))
    assert list(record["iou"]) == ["background", *CATEGORY_NAMES[:3]]
    pixels = np.array(json.loads((out / "confusion.json").read_text())["pixels"], float)
    iou = np.diag(pixels) / (pixels.sum(0) + pixels.sum(1) - np.diag(pixels))
    assert record["miou_of_classes"] == pytest.approx(100 * iou[1:].mean())
    assert abs(record["miou_of_classes"] - record["miou"]) > 1
    assert len(record["resamples"]) == 100
    one = record["resamples"][7]
    assert one["miou_of_classes"] == pytest.approx(np.mean([one["iou"][name] for name in CATEGORY_NAMES[:3]]))
    truth = pixels.sum(1)
    drawn = open_class_set(data, "val", STAND_INS)
    assert truth.tolist() == [sum(int((drawn[k][1] == label).sum()) for k in range(12)) for label in range(4)]
    assert export_coco(out, config, Inputs({"data": [data]}), tmp_path / "coco") == 12
    listed = json.loads((tmp_path / "coco" / "images.json").read_text())["categories"]
    assert [one["name"] for one in listed] == list(record["iou"]), "what is handed on has the names of the class set"


METRICS = ("miou", "miou_3_classes", "miou_bird_dog", "iou_car", "iou_person", "iou_motorbike")


def test_the_mean_of_three_classes_is_of_networks_that_know_only_these() -> None:
    """Never compared with a mean over all classes of VOC (corrections to diffumask_headline.csv)."""
    asked = SimpleNamespace(metric_ids=METRICS)
    iou = {"background": 95.0, "car": 10.0, "person": 20.0, "motorbike": 60.0}
    found = Collector.metrics(asked, {"miou": 46.25, "iou": iou, "miou_of_classes": 30.0})  # type: ignore[arg-type]
    assert found == {"miou_3_classes": 30.0, "iou_car": 10.0, "iou_person": 20.0, "iou_motorbike": 60.0}
    of_all = Collector.metrics(asked, {"miou": 46.25, "iou": iou})  # type: ignore[arg-type]
    assert of_all == {"miou": 46.25, "iou_car": 10.0, "iou_person": 20.0, "iou_motorbike": 60.0}


# -- prompts -------------------------------------------------------------------------------------------------------------------


def test_only_the_classes_of_the_set_are_asked_for_and_no_data_is_opened(tmp_path: Path) -> None:
    names = (CATEGORY_NAMES[2], CATEGORY_NAMES[0])
    prompts = SubclassPrompts(max_subclasses=0, class_names=names)
    config = PromptsConfig(prompts=prompts, lexicon="miniature", num_prompts=6)
    record = make_prompts(Inputs({"generator": [CHECKPOINTS / "stable_diffusion"]}), config, LocalContext(tmp_path))
    assert json.loads((tmp_path / "classes.json").read_text()) == ["background", *names]
    assert record["images_per_class"] == dict.fromkeys(sorted(names), 3)
    lines = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    for line in lines:
        [[label, start, end]] = line["spans"]
        assert line["text"][start:end] == names[label - 1]
