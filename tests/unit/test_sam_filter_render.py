"""``segrepro render``: folders like the published ones, going on after an interruption, mistakes in a sentence."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from methods.common.errors import InputError
from methods.sam_filter.drawn_folders import DrawnFolder, write_drawn_folder
from methods.sam_filter.semseg_fdsl import SemSegFdsl, SemSegFdslConfig
from methods.sam_filter.visual_atoms import VisualAtoms, VisualAtomsConfig

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = ("--size", "64", "--scale", "0.15", "--shapes", "4")


def segrepro(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reproductions.cli", "render", *map(str, words)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def small(folder: Path, num_images: int = 6) -> DrawnFolder:
    config = SemSegFdslConfig(contour="VA", size_px=64, shape_scale=0.15, shapes_per_image=4, num_categories=5)
    return DrawnFolder("semsegfdsl", config, 3, num_images, folder)


def test_a_folder_of_pictures_and_masks(tmp_path: Path) -> None:
    assert write_drawn_folder(small(tmp_path)) == 6
    drawn = SemSegFdsl(small(tmp_path).config, 6, seed=3)  # type: ignore[arg-type]
    for index in range(6):
        image = cv2.imread(str(tmp_path / f"image/{index:06d}.png"), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(tmp_path / f"mask/{index:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert image is not None
        assert (image == drawn[index][0]).all()
        assert (mask == drawn[index][1]).all()
    rows = dict(csv.reader((tmp_path / "param/00002.csv").read_text().splitlines()))
    category = drawn.categories[1]
    assert rows["Color_Gray"] == "2"
    assert int(rows["Vertex"]) == category.num_vertices
    assert float(rows["Perlin_noise"]) == category.noise_strength
    assert (int(rows["Wave_1"]), int(rows["Wave_2"])) == category.frequencies
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "image", "mask", "param"]


def test_a_folder_a_category_of_atoms(tmp_path: Path) -> None:
    config = VisualAtomsConfig(num_categories=3, size_px=64, shape_scale=0.1)
    write_drawn_folder(DrawnFolder("visualatoms", config, 0, 7, tmp_path))
    drawn = VisualAtoms(config, 7)
    folders = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    assert [(path.name, len(list(path.iterdir()))) for path in folders] == [("00000", 3), ("00001", 2), ("00002", 2)]
    path = tmp_path / f"00001/vertex_{drawn.categories[1].num_vertices:04d}_instance_0001.png"
    assert (cv2.imread(str(path)) == drawn[4][0]).all()
    table = list(csv.DictReader((tmp_path / "categories.csv").read_text().splitlines()))
    assert [int(row["Line_num"]) for row in table] == [one.num_rings for one in drawn.categories]


def test_processes_and_order_do_not_change_a_file(tmp_path: Path) -> None:
    write_drawn_folder(small(tmp_path / "one", 24))
    write_drawn_folder(small(tmp_path / "two", 10))
    assert write_drawn_folder(small(tmp_path / "two", 24), num_processes=2) == 14
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_killed_run_goes_on_to_the_same_files(tmp_path: Path) -> None:
    words = ["segrcdb", "--images", "40", "--processes", "1", "--size", "256"]
    command = [sys.executable, "-m", "reproductions.cli", "render", *words, "--out", str(tmp_path / "killed")]
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        while process.poll() is None and len(list(tmp_path.glob("killed/mask/*.png"))) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = len(list(tmp_path.glob("killed/mask/*.png")))
    assert 2 <= done < 40
    for part in tmp_path.glob("killed/**/.*.part"):  # old enough to be cleared away
        os.utime(part, (0, 0))
    assert segrepro(*words, "--out", tmp_path / "killed").returncode == 0
    assert segrepro(*words, "--out", tmp_path / "whole").returncode == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_second_run_draws_nothing(tmp_path: Path) -> None:
    first = segrepro("segrcdb", "--images", 3, "--out", tmp_path, *SMALL)
    assert first.stdout == f"{tmp_path}: 3 pictures, 3 of them drawn now\n"
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    again = segrepro("segrcdb", "--images", 3, "--out", tmp_path, *SMALL)
    assert again.stdout == f"{tmp_path}: 3 pictures, 0 of them drawn now\n"
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert len(list((tmp_path / "param").iterdir())) == 254
    assert json.loads((tmp_path / "dataset.json").read_text())["mask_mode"] == "M1"


DOCUMENTED = re.findall(r"^segrepro render (.*)$", (REPOSITORY / "docs/drawn-datasets.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", DOCUMENTED)
def test_documented_commands_draw(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    words[words.index("--images") + 1] = "1"
    words[words.index("--out") + 1] = str(tmp_path / "out")
    done = segrepro(*words)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("out/**/*.png"))


def test_three_commands_are_documented() -> None:
    assert {command.split()[0] for command in DOCUMENTED} == {"segrcdb", "semsegfdsl", "visualatoms"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("segrcdb", "--images", "0"), "--images 0: give a whole number from 1"),
        (("segrcdb", "--images", "2", "--mask", "M4"), "--mask M4 should be 'M1', 'M2' or 'M3'"),
        (("semsegfdsl", "--images", "2", "--contour", "XX"), "--contour XX should be 'RC', 'VA' or 'RC+VA'"),
        (("semsegfdsl", "--images", "2", "--noise", "N3"), "mask noise N3 resizes areas, and M1 has only lines"),
        (("visualatoms", "--images", "2", "--size", "3"), "--size 3 should be greater than or equal to 16"),
        (("visualatoms", "--images", "2", "--seed", "-1"), "--seed -1: give a whole number from 0"),
    ],
)
def test_mistakes_on_the_command_line(words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = segrepro(*words, "--out", tmp_path / "new")
    assert done.returncode == 2
    assert done.stderr.startswith(f"segrepro: {sentence}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_folders_that_hold_something_else(tmp_path: Path) -> None:
    own = tmp_path / "own"
    write_drawn_folder(small(own))
    before = contents(own)
    other = small(own).config.model_copy(update={"mask_mode": "M2"})
    with pytest.raises(InputError, match="holds another data set: mask_mode is 'M1' there and 'M2' here"):
        write_drawn_folder(DrawnFolder("semsegfdsl", other, 3, 6, own))
    with pytest.raises(InputError, match="holds another data set: seed is 3 there and 4 here"):
        write_drawn_folder(DrawnFolder("semsegfdsl", small(own).config, 4, 6, own))
    with pytest.raises(InputError, match=r"holds image/000004\.png, which is not among the 4 pictures asked for"):
        write_drawn_folder(small(own, 4))
    assert contents(own) == before
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"not empty and has no sound dataset\.json"):
        write_drawn_folder(small(foreign))
    with pytest.raises(InputError, match="is a file; give a folder"):
        write_drawn_folder(small(foreign / "thesis.txt"))
    (own / "dataset.json").write_text("[1]")
    with pytest.raises(InputError, match="holds another data set"):
        write_drawn_folder(small(own))


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("methods.sam_filter.drawn_folders.write_atomic", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\); make room"):
        write_drawn_folder(small(tmp_path / "new"))


def test_masks_are_small_and_exact(tmp_path: Path) -> None:
    write_drawn_folder(small(tmp_path))
    mask = cv2.imread(str(tmp_path / "mask/000000.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert (mask.ndim, mask.dtype) == (2, np.uint8)
    assert (tmp_path / "mask/000000.png").stat().st_size < mask.size
