"""Cityscapes and ImageNet-S as data for semantic segmentation, and a part of any list; by files written here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS, LABELS
from methods.common.datasets.imagenet_s import open_imagenet_s
from methods.common.datasets.limited import LimitedImages
from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.errors import InputError
from methods.common.growth import identity_document
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.common.stages.training_sources import RealSource
from reproductions.harness.cell import canonical_json
from tests.unit.labelled_data import refusal


def write_street(folder: Path, label_HW: np.ndarray) -> None:
    """Write one frame of each split."""
    height, width = label_HW.shape
    for split, city in (("train", "aachen"), ("val", "ulm")):
        images, truth = folder / "leftImg8bit" / split / city, folder / "gtFine" / split / city
        images.mkdir(parents=True)
        truth.mkdir(parents=True)
        stem = f"{city}_000000_000000"
        Image.fromarray(np.full((height, width, 3), 9, np.uint8)).save(images / f"{stem}_leftImg8bit.png")
        Image.fromarray(label_HW.astype(np.uint8)).save(truth / f"{stem}_gtFine_labelIds.png")


def test_the_nineteen_classes_are_those_of_the_training_ids(tmp_path: Path) -> None:
    ids = [label.id for label in LABELS if label.id >= 0]
    write_street(tmp_path, np.array([ids]))
    data = open_labelled_images(tmp_path, "val")
    assert data.class_names == tuple(label.name for label in EVALUATED_LABELS)
    wanted = [label.train_id if not label.ignored else 255 for label in LABELS if label.id >= 0]
    assert data[0][1].tolist() == [wanted]
    assert data.name(0) == "ulm_000000_000000"


def test_groups_merge_people_and_vehicles_and_leave_two_wheelers_out(tmp_path: Path) -> None:
    names = [
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
        "road",
        "sky",
        "caravan",
        "static",
    ]
    by_name = {label.name: label.id for label in LABELS}
    write_street(tmp_path, np.array([[by_name[name] for name in names]]))
    data = open_labelled_images(tmp_path, "train", "groups")
    assert data.class_names == ("background", "human", "vehicle")
    assert data[0][1].tolist() == [[1, 1, 2, 2, 2, 2, 255, 255, 0, 0, 255, 255]]


def test_a_split_or_labels_that_are_not_there_are_told(tmp_path: Path) -> None:
    write_street(tmp_path, np.zeros((2, 2)))
    assert "no pictures of the split 'test'; the splits there are train, val" in refusal(
        lambda: open_labelled_images(tmp_path, "test")
    )
    next((tmp_path / "gtFine/val").rglob("*.png")).unlink()
    assert "has no labels" in refusal(lambda: open_labelled_images(tmp_path, "val"))


def write_category(folder: Path, wnid: str, id_HW: np.ndarray) -> None:
    images, masks = folder / "validation" / wnid, folder / "validation-segmentation" / wnid
    images.mkdir(parents=True)
    masks.mkdir(parents=True)
    height, width = id_HW.shape
    Image.fromarray(np.full((height, width, 3), 9, np.uint8)).save(images / "one.JPEG", "JPEG")
    rgb_HW3 = np.stack((id_HW % 256, id_HW // 256, np.zeros_like(id_HW)), -1)
    Image.fromarray(rgb_HW3.astype(np.uint8)).save(masks / "one.png")


def test_imagenet_s_numbers_categories_by_their_wordnet_ids(tmp_path: Path) -> None:
    write_category(tmp_path, "n02000000", np.array([[0, 2, 1000]]))
    write_category(tmp_path, "n01000000", np.array([[1, 1, 0]]))
    data = open_labelled_images(tmp_path, "validation")
    assert data.class_names == ("other", "n01000000", "n02000000")
    assert [data.name(index) for index in range(len(data))] == ["n01000000/one", "n02000000/one"]
    assert data[0][1].tolist() == [[1, 1, 0]]
    assert data[1][1].tolist() == [[0, 2, 255]]


def test_imagenet_s_refuses_ids_of_another_subset(tmp_path: Path) -> None:
    write_category(tmp_path, "n01000000", np.array([[300, 0]]))
    assert "holds id 300, but there are 1 categories" in refusal(lambda: open_imagenet_s(tmp_path, "validation"))
    assert "no masks of the split 'train'; the splits there are validation" in refusal(
        lambda: open_imagenet_s(tmp_path, "train")
    )


class _Named:
    """Images that are told apart by name."""

    class_names = ("background", "coin")

    def __len__(self) -> int:
        return 20

    def name(self, index: int) -> str:
        return f"image{index}"

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.full((1, 1, 3), index, np.uint8), np.zeros((1, 1), np.uint8)


def test_a_part_of_a_list_lies_within_a_larger_part() -> None:
    few, more = LimitedImages(_Named(), 4), LimitedImages(_Named(), 9)
    names = [[part.name(index) for index in range(len(part))] for part in (few, more)]
    assert [len(part) for part in names] == [4, 9]
    assert set(names[0]) < set(names[1])
    assert few[0][0].item(0) == int(few.name(0).removeprefix("image"))
    with pytest.raises(InputError, match="max_images is 21"):
        LimitedImages(_Named(), 21)


def test_settings_that_came_later_leave_what_is_stored_as_it_is() -> None:
    assert "max_images" not in canonical_json(identity_document(RealSource()))
    assert "cityscapes_classes" not in canonical_json(identity_document(EvaluateSemanticConfig()))
    assert "max_images" in canonical_json(identity_document(RealSource(max_images=3)))
