"""Bad data end a run with one clear sentence and exit code 2; what was finished stays."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.stage import Inputs, LocalContext
from reproductions.requirements.published_weights import MINIATURE_GENERATOR
from tests.e2e.in_process import REPOSITORY, segrepro


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set that is in order."""
    folder = tmp_path_factory.mktemp("data") / "sound"
    folder.mkdir()
    draw_lvis(Inputs(), DrawLvisConfig(num_train_images=60, num_val_images=12), LocalContext(folder))
    return folder


def words_of(data: Path, store: Path, *words: str, arms: str = "no_aug") -> list[str]:
    command = ["run", "mrca", "--tier", "smoke", "--seeds", "1", "--in-process", "--arms", arms, "--data", str(data)]
    return [*command, "--store", str(store), "--out", str(store / "out"), *words]


def run(data: Path, store: Path, *words: str, arms: str = "no_aug") -> subprocess.CompletedProcess[str]:
    return segrepro(*words_of(data, store, *words, arms=arms))


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence the user reads; everything else would be noise."""
    assert done.returncode == 2, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("segrepro:")]
    assert lines, done.stderr
    return lines[0]


def edit(data: Path, change: Callable[[dict[str, Any]], None], name: str = "train.json") -> None:
    document = json.loads((data / name).read_text())
    change(document)
    (data / name).write_text(json.dumps(document))


def _unknown_category(document: dict[str, Any]) -> None:
    document["annotations"][3]["category_id"] = 999


def _mask_outside(document: dict[str, Any]) -> None:
    document["annotations"][3]["segmentation"] = [[500.0, 500.0, 540.0, 500.0, 540.0, 540.0, 500.0, 540.0]]


def _not_lvis(document: dict[str, Any]) -> None:
    del document["annotations"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_unknown_category, ["train.json", "category_id", "999"]),
        (_mask_outside, ["train.json", "segmentation"]),
        (_not_lvis, ["train.json", "annotations"]),
    ],
)
def test_annotation_files(
    sound: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: list[str]
) -> None:
    data = shutil.copytree(sound, tmp_path / "data")
    edit(data, change)
    sentence = told(run(data, tmp_path / "store"))
    for word in words:
        assert word in sentence


def test_a_file_that_is_not_json(sound: Path, tmp_path: Path) -> None:
    data = shutil.copytree(sound, tmp_path / "data")
    (data / "train.json").write_text("{ nonsense")
    command = [sys.executable, "-m", "reproductions.cli", *words_of(data, tmp_path / "store")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert "is not readable JSON" in told(done)


def _first_image(data: Path) -> Path:
    return sorted((data / "train2017").iterdir())[0]


def test_a_missing_image(sound: Path, tmp_path: Path) -> None:
    data = shutil.copytree(sound, tmp_path / "data")
    name = _first_image(data).name
    _first_image(data).unlink()
    assert name in told(run(data, tmp_path / "store"))


@pytest.mark.parametrize("words", [[], ["--set", "split.check_images=decode"]])
def test_a_truncated_image(sound: Path, tmp_path: Path, words: list[str]) -> None:
    data = shutil.copytree(sound, tmp_path / "data")
    path = _first_image(data)
    path.write_bytes(path.read_bytes()[:200])
    sentence = told(run(data, tmp_path / "store", *words))
    assert path.name in sentence
    assert "truncated" in sentence


def test_a_generator_folder_that_is_none(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "readme.txt").write_text("nothing here")
    done = run(sound, tmp_path / "store", "--generator", str(tmp_path / "model"), arms="xpaste")
    assert "model_index.json" in told(done)
    assert not list((tmp_path / "store" / "cells").iterdir()), "before anything is made"


def test_an_empty_pool_after_filtering(sound: Path, tmp_path: Path) -> None:
    impossible = "--set", "xpaste.cutting.rule.filter.min_area_fraction=0.94"
    generator = "--generator", str(CHECKPOINTS / MINIATURE_GENERATOR.name)
    quick = "--set", "xpaste.generation.num_steps=2", "--set", "xpaste.objects_per_class=1"
    sentence = told(run(sound, tmp_path / "store", *impossible, *generator, *quick, arms="xpaste"))
    assert "empty" in sentence
    assert "threshold" in sentence
    assert list((tmp_path / "store" / "cells" / "mrca_split").iterdir())  # what was finished stays


def _cutouts(folder: Path, names: list[str]) -> Path:
    rgba_HW4 = np.zeros((20, 20, 4), np.uint8)
    rgba_HW4[4:16, 4:16] = (200, 30, 30, 255)
    for name in names:
        (folder / name).mkdir(parents=True)
        Image.fromarray(rgba_HW4).save(folder / name / "one.png")
    return folder


def test_a_mistake_in_the_cutouts_is_told_before_anything_trains(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "objects" / "no class").mkdir(parents=True)
    (tmp_path / "objects" / "no class" / "note.txt").write_text("no picture")
    sentence = told(run(sound, tmp_path / "store", "--objects", str(tmp_path / "objects"), arms="no_aug,xpaste"))
    assert "no cut-out" in sentence
    assert not list((tmp_path / "store" / "cells").iterdir())


def test_own_data_without_objects_or_at_tier_paper(sound: Path, tmp_path: Path) -> None:
    assert "name a folder of cut-outs with --objects or OBJECTS=, or a generator" in told(
        run(sound, tmp_path / "store", arms="no_aug,xpaste")
    )
    assert "run at --tier mini" in told(run(sound, tmp_path / "store", "--tier", "paper"))


def test_a_cutout_without_transparency(sound: Path, tmp_path: Path) -> None:
    names = [category["name"] for category in json.loads((sound / "train.json").read_text())["categories"]]
    objects = _cutouts(tmp_path / "objects", names)
    Image.new("RGB", (20, 20), "red").save(objects / names[0] / "one.png")
    assert "transparency" in told(run(sound, tmp_path / "store", "--objects", str(objects), arms="xpaste"))


def test_an_arm_that_needs_what_is_not_given(sound: Path, tmp_path: Path) -> None:
    assert "mrca_given_pool" in told(run(sound, tmp_path / "store", arms="mrca_given_pool"))
