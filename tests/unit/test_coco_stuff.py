"""COCO-Stuff with 171 classes: which number is which class, and what is wrong with files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.open_labelled import open_labelled_images
from tests.unit.labelled_data import refusal

DROPPED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One image of the first, a middle, the last class, and what is not rated."""
    for split in ("train2017", "val2017"):
        for folder in (tmp_path / split, tmp_path / "stuffthingmaps" / split):
            folder.mkdir(parents=True)
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / split / "000000000001.jpg")
        write(tmp_path, [[0, 12], [181, 255]], split)
    (tmp_path / "labels.txt").write_text("0: unlabeled\n" + "".join(f"{k}: class {k}\n" for k in range(1, 183)))
    return tmp_path


def write(folder: Path, number_HW, split: str = "train2017") -> None:
    Image.fromarray(np.array(number_HW, np.uint8)).save(folder / "stuffthingmaps" / split / "000000000001.png")


def test_the_dropped_classes_leave_no_gap(data: Path) -> None:
    images = open_labelled_images(data, "val2017")
    assert len(images.class_names) == 171
    assert set(images.class_names) == {f"class {k}" for k in range(1, 183) if k not in DROPPED}
    label_HW = images[0][1]
    assert label_HW.tolist() == [[0, 11], [170, 255]]
    assert [images.class_names[label] for label in (0, 11, 170)] == ["class 1", "class 13", "class 182"]


@pytest.mark.parametrize("number", [11, 90, 182])
def test_numbers_that_mean_nothing_are_refused(data: Path, number: int) -> None:
    write(data, [[number, 0], [0, 0]])
    assert f"holds label {number} at row 0, column 0" in refusal(lambda: open_labelled_images(data, "train2017"))


def test_what_is_missing_is_one_sentence(data: Path) -> None:
    assert "the splits there are train2017, val2017" in refusal(lambda: open_labelled_images(data, "test2017"))
    (data / "labels.txt").write_text("1: person\n")
    assert "does not name class 2; take labels.txt of" in refusal(lambda: open_labelled_images(data, "val2017"))
    (data / "labels.txt").unlink()
    assert "take labels.txt of the repository nightrome/cocostuff" in refusal(
        lambda: open_labelled_images(data, "val2017")
    )
    (data / "stuffthingmaps" / "train2017" / "000000000001.png").unlink()
    assert "000000000001.jpg has no labels" in refusal(lambda: open_labelled_images(data, "train2017"))
    (data / "val2017" / "000000000001.jpg").unlink()
    assert "unpack val2017.zip of COCO there" in refusal(lambda: open_labelled_images(data, "val2017"))
