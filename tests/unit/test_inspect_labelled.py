"""Looks at data for semantic segmentation: whole sets pass, and each way to break one is one clear sentence.

VOC 2012 itself is not on a test machine: that its lists have the published lengths cannot be tested here.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.miniature.voc_view import DrawVocConfig, draw_voc
from methods.common.stage import Inputs, LocalContext
from reproductions.requirements import inspect_labelled
from reproductions.requirements.inspect_labelled import VOC_2012_AUG, labelled_folder, voc_folder
from reproductions.requirements.inspection import Inspection, inspect_place
from tests.unit.inspected import Break, cut, problem

LISTS = {"trainaug": 45, "val": 9}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_voc(Inputs(), DrawVocConfig(num_train=45, num_val=9), LocalContext(folder))
    return folder


@pytest.fixture
def voc(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "voc"))


def look(folder: Path) -> Inspection:
    return inspect_place(folder, lambda place: voc_folder(place, LISTS))


def test_whole_data(voc: Path) -> None:
    found = look(voc)
    assert (found.state, found.problems) == ("ok", ())
    assert len(found.notes) == 1
    assert labelled_folder(voc).state == "ok", "VOC's layout is one of those that own data may have"


def test_drawn_data_are_not_voc_2012(voc: Path) -> None:
    assert VOC_2012_AUG == {"trainaug": 10_582, "val": 1_449}
    told = " ".join(voc_folder(voc).problems)
    assert "trainaug.txt lists 45 images where the published list has 10,582" in told
    assert "val.txt lists 9 images where the published list has 1,449" in told


def test_val_in_training_is_told(voc: Path) -> None:
    lists = voc / "ImageSets" / "Segmentation"
    names = (lists / "trainaug.txt").read_text() + "val_000003\nval_000005\n"
    (lists / "trainaug.txt").write_text("".join(names.splitlines(keepends=True)[2:]))  # as long as published
    assert "trainaug.txt lists 2 of the images of val.txt" in problem(look(voc))
    assert voc_folder(voc, {"trainaug_leaky": 52, "val": 9}).state == "ok", "this list says so by its name"


DAMAGE: list[tuple[Break, list[str]]] = [
    (lambda f: shutil.rmtree(f / "JPEGImages"), ["no data set for semantic segmentation", "docs/own-data.md"]),
    (lambda f: (f / "ImageSets/Segmentation/trainaug.txt").unlink(), ["no list", "trainaug.txt", "10,582 images"]),
    (lambda f: (f / "JPEGImages/train_000007.png").unlink(), ["'train_000007'", "missing: 1 of 45"]),
    (lambda f: shutil.rmtree(f / "SegmentationClass"), ["SegmentationClass"]),
    (lambda f: cut(f / "SegmentationClass/train_000000.png", 20), ["train_000000.png is truncated"]),
    (lambda f: cut(f / "SegmentationClass/train_000030.png", 20), ["train_000030.png is truncated"]),
    (lambda f: (f / "JPEGImages/val_000004.png").write_bytes(b"none"), ["val_000004.png is not a picture"]),
    (lambda f: Image.new("RGB", (64, 64)).save(f / "SegmentationClass/val_000004.png"), ["val_000004.png is RGB"]),
    (lambda f: (f / "classes.txt").write_text("background\n"), ["holds label", "only the labels 0 to 0"]),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGE)
def test_damaged_voc(voc: Path, damage: Break, words: list[str]) -> None:
    damage(voc)
    found = look(voc)
    assert found.state == "damaged"
    assert all("\n" not in sentence for sentence in found.problems)
    for word in words:
        assert word in found.problems[0]


def test_files_are_sampled_from_the_whole_list(voc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_labelled, "_LOOKED_INTO", 3)  # images 0, 15, 30 of 45
    cut(voc / "SegmentationClass" / "train_000029.png", 20)
    assert look(voc).state == "ok"
    cut(voc / "SegmentationClass" / "train_000030.png", 20)
    assert "train_000030.png" in problem(look(voc))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        for place in ("images", "labels"):
            (tmp_path / split / place).mkdir(parents=True)
        Image.new("RGB", (6, 5)).save(tmp_path / split / "images" / "a.jpg")
        Image.fromarray(np.eye(5, 6, dtype=np.uint8)).save(tmp_path / split / "labels" / "a.png")
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    return tmp_path


def test_own_data(own: Path) -> None:
    assert labelled_folder(own).state == "ok"
    (own / "val" / "labels" / "a.png").unlink()
    assert "a.jpg has no labels" in problem(inspect_place(own, labelled_folder))
    assert labelled_folder(own, ["train"]).state == "ok"
    assert "no split 'test'" in problem(labelled_folder(own, ["test"]))
    (own / "classes.txt").write_text("sky\nsky\n")
    assert "names 'sky' twice" in problem(labelled_folder(own, ["train"]))


def test_a_fault_of_all_splits_is_told_once(own: Path) -> None:
    (own / "classes.txt").unlink()
    assert "classes.txt cannot be read" in problem(labelled_folder(own))


def test_another_data_set_is_told_once(own: Path, tmp_path: Path) -> None:
    shutil.rmtree(own / "train")
    shutil.rmtree(own / "val")
    assert "is no data set for semantic segmentation" in problem(voc_folder(tmp_path))


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert inspect_place(tmp_path / "absent", voc_folder).state == "missing"
    (tmp_path / "file").write_text("")
    assert "is not a folder" in problem(inspect_place(tmp_path / "file", labelled_folder))
