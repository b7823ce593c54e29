"""ADE20K's scene parsing: the miniature view and real samples, read as a data set and as own data; void is left out exactly once."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.label_census import check_labels
from methods.common.datasets.label_conventions import ADE20K
from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.miniature.ade20k_view import DRAW_ADE20K, DrawAde20kConfig, draw_ade20k
from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from tests.contracts.contexts import attempt, files_of

SMALL = DrawAde20kConfig(num_train=60, num_val=24, unlabelled_share=0.4)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("ade20k")
    return out, draw_ade20k(Inputs(), SMALL, LocalContext(out, Seeds(data=3)))


def stored(path: Path) -> np.ndarray:
    """The numbers in a label map, whose palette is for people."""
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("split", ["training", "train"])
def test_the_view_reads_back_with_void_and_backgrounds_as_classes(drawn: tuple[Path, dict], split: str) -> None:
    out, record = drawn
    data = open_labelled_images(out, split)
    assert data.class_names == (*BACKGROUNDS, *CATEGORY_NAMES[:12])
    assert len(data) == 60 == record["num_train_images"]
    void = []
    for index in range(60):
        image_HW3, label_HW = data[index]
        raw_HW = stored(out / "annotations" / "training" / f"{data.name(index)}.png")
        assert ((raw_HW == 0) == (label_HW == 255)).all()
        assert (raw_HW[raw_HW > 0] - 1 == label_HW[raw_HW > 0]).all()
        assert image_HW3.shape == (64, 64, 3)
        void.append((raw_HW == 0).mean())
    shown = sum(share > 0 for share in void)
    assert 0.2 * 60 < shown < 0.6 * 60, "about two of five images show something without a class"
    assert check_labels(data, "the view") == []


def test_training_is_long_tailed_and_validation_level(drawn: tuple[Path, dict]) -> None:
    out, _ = drawn
    counts = {}
    for split in ("training", "validation"):
        data = open_labelled_images(out, split)
        present = [set(np.unique(data[index][1]).tolist()) for index in range(len(data))]
        counts[split] = sorted(sum(label in one for one in present) for label in range(8, 20))
    assert counts["training"][-1] >= 8 * max(1, counts["training"][0])
    assert counts["validation"][-1] <= 4 * counts["validation"][0]


def test_at_dusk_the_same_scenes_look_darker(drawn: tuple[Path, dict], tmp_path: Path) -> None:
    out, _ = drawn
    draw_ade20k(Inputs(), SMALL.model_copy(update={"light": "dusk"}), LocalContext(tmp_path, Seeds(data=3)))
    day, dusk = open_labelled_images(out, "validation"), open_labelled_images(tmp_path, "validation")
    for index in range(24):
        (bright_HW3, label_HW), (dark_HW3, same_HW) = day[index], dusk[index]
        assert (label_HW == same_HW).all()
        assert dark_HW3.mean() < 0.7 * bright_HW3.mean()


def test_a_world_may_have_no_training_images(tmp_path: Path) -> None:
    few = DrawAde20kConfig(num_train=0, num_val=3)
    assert draw_ade20k(Inputs(), few, LocalContext(tmp_path))["num_train_images"] == 0
    assert not (tmp_path / "images" / "training").exists()
    assert len(open_labelled_images(tmp_path, "validation")) == 3


def test_a_killed_stage_ends_with_the_same_bytes(drawn: tuple[Path, dict], tmp_path: Path) -> None:
    out, record = drawn
    attempt(draw_ade20k, Inputs(), SMALL, tmp_path, seeds=Seeds(data=3), kill_at=9)
    assert draw_ade20k(Inputs(), SMALL, LocalContext(tmp_path, Seeds(data=3))) == record
    assert files_of(tmp_path) == files_of(out)
    assert DRAW_ADE20K.seed_axes == ("data",)


def test_real_annotations_without_a_list_of_classes_are_reduced_once(shared: Path, tmp_path: Path) -> None:
    samples = shared / "data" / "ade20k" / "sceneparsing"
    for kind in ("images", "annotations"):
        shutil.copytree(samples / kind, tmp_path / kind / "validation")
    shutil.copy(samples / "objectInfo150.txt", tmp_path)
    data = open_labelled_images(tmp_path, "val")
    assert data.class_names == ADE20K.class_names
    for index in range(len(data)):
        raw_HW = stored(tmp_path / "annotations" / "validation" / f"{data.name(index)}.png").astype(int)
        assert (data[index][1] == np.where(raw_HW == 0, 255, raw_HW - 1)).all()
