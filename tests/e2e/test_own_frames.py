"""Instance synthesis on data of one's own, as a user runs it: COCO's layout, Cityscapes' layout, and what is refused."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from methods.common.miniature.street_view import DrawCityscapesConfig, draw_cityscapes
from methods.common.stage import Inputs, LocalContext
from reproductions.instance_synthesis.claims import CLASSES
from tests.e2e.in_process import segrepro
from tests.e2e.smoke_runs import report_below

ARMS = "real,zoom,copy_paste"
"""Those that need no generator."""


def run(data: Path, folder: Path, *words: str, arms: str = ARMS) -> subprocess.CompletedProcess[str]:
    command = ["run", "instance_synthesis", "--tier", "smoke", "--seeds", "1", "--in-process", "--arms", arms]
    place = ["--data", str(data), "--store", str(folder / "store"), "--out", str(folder / "out")]
    return segrepro(*command, *place, *words)


def report_of(data: Path, folder: Path) -> Path:
    done = run(data, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return report_below(folder / "out" / f"own-{data.name}" / "instance_synthesis")


def check(report: Path, classes: str, counted: set[str]) -> None:
    rows = list(csv.DictReader((report / "results.csv").open()))
    assert {row["arm"] for row in rows} == set(ARMS.split(","))
    assert {row["metric"] for row in rows} == {"AP", "AP50", *(f"instances_{name}" for name in counted)}
    page = (report / "report.md").read_text()
    assert "| R + Z: zoom only |" in page
    assert "FID" not in page, "columns without a number are left out"
    assert (report / "figure_focused.png").is_file()
    assert classes in (report / "records.json").read_text()


def subset_of_lvis(source: Path, folder: Path, per_split: int) -> Path:
    """The first images of a data set with annotations, of all its classes."""
    for split in ("train", "val"):
        document = json.loads((source / f"{split}.json").read_text())
        images = document["images"][:per_split]
        kept = {image["id"] for image in images}
        (folder / split).mkdir(parents=True)
        for image in images:
            shutil.copy(source / image["file_name"], folder / image["file_name"])
        document["images"] = images
        document["annotations"] = [one for one in document["annotations"] if one["image_id"] in kept]
        (folder / f"{split}.json").write_text(json.dumps(document))
    return folder


def test_drawn_objects_on_street_photographs_in_cocos_layout(shared: Path, tmp_path: Path) -> None:
    """Emoji on photographs of streets, which docs/own-data.md shows for MRCA; their file is LVIS', which is a COCO file, too."""
    data = subset_of_lvis(shared / "data" / "emoji_lvis", tmp_path / "emoji", 8)
    check(report_of(data, tmp_path), "skunk", {"bus", "total"})


def test_frames_in_cityscapes_layout(tmp_path: Path) -> None:
    (tmp_path / "streets").mkdir()
    draw_cityscapes(Inputs(), DrawCityscapesConfig(num_train=6, num_val=2), LocalContext(tmp_path / "streets"))
    check(report_of(tmp_path / "streets", tmp_path), "person", {*CLASSES, "total"})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "has no train.json"),
        (("--objects", "/nowhere"), "--objects has no meaning for instance_synthesis"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(words, told, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "empty", tmp_path, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert any(line.startswith("segrepro:") and told in line for line in done.stderr.splitlines()), done.stderr
