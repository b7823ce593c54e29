"""ADE20K with its instances: what becomes a segment, what the prepared data say, and what is wrong with files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.ade20k_segments import STUFF, THINGS, list_scenes, read_scene
from methods.common.datasets.coco_panoptic import open_coco_panoptic
from methods.common.datasets.label_conventions import ADE20K
from methods.common.datasets.rle import decode_mask
from methods.common.metrics.detection.coco import evaluate_coco
from methods.common.stage import Inputs
from methods.common.stages.ade20k_segments import ADE20K_SEGMENTS, Ade20kSegmentsConfig
from tests.unit.labelled_data import refusal
from tests.unit.seggen_worlds import LocalContext, Stopped, StoppingContext, cell, files

WALL, SKY, FLOOR, BED, LAMP, FLAG = 1, 3, 4, 8, 37, 150
BED_AMONG_THINGS, LAMP_AMONG_THINGS = 1, 19


def write_scene(folder: Path, split: str, name: str, label_HW: np.ndarray, instance_HW3: np.ndarray) -> None:
    for kind, picture, ending in (
        ("images", np.repeat(label_HW[..., None], 3, axis=-1), "jpg"),
        ("annotations", label_HW, "png"),
        ("annotations_instance", instance_HW3, "png"),
    ):
        path = folder / kind / split / f"{name}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.astype(np.uint8)).save(path)


def instances(*parts: tuple[tuple[slice, slice], int, int]) -> np.ndarray:
    drawn = np.zeros((8, 10, 3), np.uint8)
    for place, category, number in parts:
        drawn[place] = (category, number, 99)  # what B holds means nothing
    return drawn


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two scenes: two beds side by side and a lamp on a wall over a floor, and one of sky and void alone."""
    label_HW = np.full((8, 10), WALL)
    label_HW[5:] = FLOOR
    label_HW[3:6, :6] = BED
    label_HW[0, 9] = 0
    label_HW[0, 0] = LAMP
    drawn = instances(
        ((slice(3, 6), slice(0, 3)), BED_AMONG_THINGS, 7),
        ((slice(3, 6), slice(3, 6)), BED_AMONG_THINGS, 2),
        ((slice(2, 4), slice(8, 10)), LAMP_AMONG_THINGS, 1),
    )
    write_scene(tmp_path / "data", "training", "ADE_train_00000001", label_HW, drawn)
    sky_HW = np.full((8, 10), SKY)
    sky_HW[:, :2] = 0
    write_scene(tmp_path / "data", "validation", "ADE_val_00000001", sky_HW, instances())
    return tmp_path / "data"


def prepare(data: Path, out: Path) -> dict:
    return ADE20K_SEGMENTS.run(Inputs({"data": [data]}), Ade20kSegmentsConfig(), LocalContext(out))


def test_a_hundred_classes_have_instances_and_fifty_have_none() -> None:
    assert (len(THINGS), len(STUFF)) == (100, 50)
    assert set(THINGS) | STUFF == set(range(1, 151))
    names = {ADE20K.name(number - 1) for number in STUFF}
    assert {"wall", "sky", "road", "skyscraper", "stairway", "house"} <= names
    told = {1: "bed", 4: "person", 9: "car", 19: "lamp", 83: "bicycle", 100: "flag"}
    assert {place: ADE20K.name(THINGS[place - 1] - 1) for place in told} == told


def test_instances_lie_over_stuff_and_things_without_one_are_void(data: Path) -> None:
    (files_,) = list_scenes(data, "training")
    segment_HW, segments = read_scene(files_)
    assert [(one.category_id, one.area_px, one.box) for one in segments] == [
        (WALL, 50 - 4 - 12 - 2, (0, 0, 10, 5)),
        (FLOOR, 30 - 6, (0, 5, 10, 3)),
        (LAMP, 4, (8, 2, 2, 2)),
        (BED, 9, (3, 3, 3, 3)),
        (BED, 9, (0, 3, 3, 3)),
    ]
    assert segment_HW[0, 0] == segment_HW[0, 9] == 0
    for one in segments:
        assert (segment_HW == one.id).sum() == one.area_px


def test_prepared_data_read_as_coco_s_do(data: Path, tmp_path: Path) -> None:
    record = prepare(data, cell(tmp_path, "out"))
    assert record == {"num_training_images": 1, "num_validation_images": 1, "num_segments": 6, "num_things": 3}
    train, val = (open_coco_panoptic(tmp_path / "out", split) for split in ("training", "validation"))
    assert train.class_names == ADE20K.class_names
    assert [index + 1 for index, thing in enumerate(train.is_thing) if thing] == list(THINGS)
    assert (train.name(0), train.image_id(0), val.image_id(0)) == ("ADE_train_00000001", 1, 2)
    sample = train[0]
    np.testing.assert_array_equal(sample.image_HW3, Image.open(data / "images/training/ADE_train_00000001.jpg"))
    expected_HW = np.full((8, 10), WALL - 1)
    expected_HW[5:] = FLOOR - 1
    expected_HW[3:6, :6] = BED - 1
    expected_HW[2:4, 8:] = LAMP - 1
    expected_HW[0, [0, 9]] = 255
    np.testing.assert_array_equal(sample.class_HW, expected_HW)
    assert (val[0].class_HW == np.where(np.arange(10) < 2, 255, SKY - 1)).all()


def test_things_have_outlines_that_are_scored(data: Path, tmp_path: Path) -> None:
    prepare(data, cell(tmp_path, "out"))
    path = tmp_path / "out" / "annotations" / "instances_training.json"
    document = json.loads(path.read_text())
    assert len(document["categories"]) == 100
    assert [one["category_id"] for one in document["annotations"]] == [LAMP, BED, BED]
    assert [int(decode_mask(one["segmentation"]).sum()) for one in document["annotations"]] == [4, 9, 9]
    keys = ("image_id", "category_id", "segmentation")
    found = [{**{key: one[key] for key in keys}, "score": 0.9} for one in document["annotations"]]
    (tmp_path / "found.json").write_text(json.dumps(found))
    assert evaluate_coco(path, tmp_path / "found.json", "segm").metrics()["AP"] == pytest.approx(1.0)


@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupted_preparation_goes_on(data: Path, tmp_path: Path, after: int) -> None:
    whole = prepare(data, cell(tmp_path, "whole"))
    with pytest.raises(Stopped):
        ADE20K_SEGMENTS.run(
            Inputs({"data": [data]}), Ade20kSegmentsConfig(), StoppingContext(cell(tmp_path, "out"), after)
        )
    assert prepare(data, tmp_path / "out") == whole
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_faulty_maps_are_one_sentence(data: Path, tmp_path: Path) -> None:
    label_HW = np.full((8, 10), WALL)

    def said(label_HW: np.ndarray, instance_HW3: np.ndarray) -> str:
        write_scene(data, "training", "ADE_train_00000001", label_HW, instance_HW3)
        return refusal(lambda: read_scene(list_scenes(data, "training")[0]))

    place = (slice(0, 2), slice(0, 2))
    assert "instance 3 is of class 101, but instances have the classes 1 to 100" in said(
        label_HW, instances((place, 101, 3))
    )
    two = instances((place, 1, 3), ((slice(4, 6), slice(0, 2)), 2, 3))
    assert "instance 3 has two classes; unpack the archive again" in said(label_HW, two)
    assert "holds label 151, but scene parsing has the labels 0 to 150" in said(label_HW + 150, instances())
    assert "ADE_train_00000001.png is 10x7 pixels, but its image" in said(label_HW, instances()[:7])
    (data / "annotations_instance" / "training" / "ADE_train_00000001.png").unlink()
    assert "unpack the archive of annotations_instance again" in refusal(lambda: list_scenes(data, "training"))
    assert "cannot be read" in refusal(lambda: list_scenes(tmp_path / "nothing", "training"))


def test_road_and_skyscraper_with_one_id_are_noticed(data: Path, tmp_path: Path) -> None:
    """The first preparation by MaskFormer gave both (140, 140, 140)."""
    prepare(data, cell(tmp_path, "out"))
    path = tmp_path / "out" / "annotations" / "panoptic_training.json"
    document = json.loads(path.read_text())
    gray = 140 + 256 * 140 + 65536 * 140
    for segment, category in zip(document["annotations"][0]["segments_info"][:2], (7, 49), strict=True):
        segment |= {"id": gray, "category_id": category}
    path.write_text(json.dumps(document))
    sentence = refusal(lambda: open_coco_panoptic(tmp_path / "out", "training"))
    assert (
        f"segment id {gray} stands twice; MaskFormer's first preparation of ADE20K gave road and skyscraper" in sentence
    )
