"""Data sets on disk: whole ones pass, and each way to break one is one clear sentence.

LVIS itself is not on a test machine: that the published counts are those of the real files cannot be tested here.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reproductions.requirements.inspect_cutouts import cutouts_folder

from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.stage import Inputs, LocalContext
from reproductions.requirements import inspect_lvis
from reproductions.requirements.inspect_lvis import LvisCounts, lvis_folder, own_lvis_folder
from reproductions.requirements.inspection import Inspection, inspect_place
from tests.unit.inspected import Break, cut, problem


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_lvis(Inputs(), DrawLvisConfig(num_train_images=60, num_val_images=12), LocalContext(folder))
    return folder


@pytest.fixture
def own(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "own"))


def counts(folder: Path) -> dict[str, LvisCounts]:
    documents = {name: json.loads((folder / name).read_text()) for name in ("train.json", "val.json")}
    return {
        name: LvisCounts(*(len(content[kind]) for kind in ("images", "annotations", "categories")))
        for name, content in documents.items()
    }


def scanned(folder: Path) -> Inspection:
    """The inspection of LVIS v1, which scans and never parses."""
    return inspect_place(folder, lvis_folder)


def test_whole_data(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_lvis_folder(own) == Inspection("ok")
    monkeypatch.setattr(inspect_lvis, "LVIS_V1", counts(own))
    assert scanned(own).state == "ok"
    monkeypatch.setattr(inspect_lvis, "PARSED_BYTES", 100)
    found = own_lvis_folder(own)
    assert found.state == "ok"
    assert len(found.notes) == 2


@pytest.mark.parametrize("block_bytes", [13, 101, 1009, 10_007])
def test_no_record_is_lost_between_blocks(own: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    shutil.copy(own / "val.json", own / "train.json")  # small enough to be read in pieces of a few bytes
    monkeypatch.setattr(inspect_lvis, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(inspect_lvis, "LVIS_V1", counts(own))
    assert scanned(own).state == "ok"


def test_a_file_without_end_is_given_up(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_lvis, "_BLOCK_BYTES", 100)
    monkeypatch.setattr(inspect_lvis, "_LONGEST_RECORD_BYTES", 1000)
    monkeypatch.setattr(inspect_lvis, "LVIS_V1", {"train.json": counts(own)["train.json"]})
    (own / "train.json").write_text('{"a": "' + "x" * 5000 + '"}')
    assert "a record of more than" in problem(scanned(own))


def test_small_data_are_not_lvis_v1(own: Path) -> None:
    told = " ".join(scanned(own).problems)
    assert "train.json holds 60 images where LVIS v1 has 100,170" in told
    assert "annotations where LVIS v1 has 244,707" in told


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def _fewer_annotations(folder: Path) -> None:
    edit(folder / "train.json", lambda d: d["annotations"].pop())


def _remove_image(folder: Path) -> None:
    sorted((folder / "train2017").iterdir())[3].unlink()


EITHER: list[tuple[Break, list[str]]] = [
    (lambda f: (f / "train.json").unlink(), ["train.json", "missing"]),
    (lambda f: (f / "val.json").write_text(""), ["val.json", "empty"]),
    (lambda f: (f / "train.json").write_bytes(b"PK\x03\x04"), ["train.json", "not"]),
    (lambda f: (f / "train.json").write_bytes(bytes(1000)), ["train.json", "not"]),
    (lambda f: cut(f / "train.json", 1000), ["train.json"]),
    (lambda f: ((f / "train.json").unlink(), (f / "train.json").mkdir()), ["train.json", "folder where a file"]),
    (_remove_image, ["1 of the 60 images of train.json are not there, the first is train2017/"]),
    (lambda f: shutil.rmtree(f / "val2017"), ["12 of the 12 images of val.json", "there is no folder val2017/"]),
]


@pytest.mark.parametrize(("damage", "words"), EITHER)
def test_damaged_lvis_is_one_sentence(
    own: Path, monkeypatch: pytest.MonkeyPatch, damage: Break, words: list[str]
) -> None:
    monkeypatch.setattr(inspect_lvis, "LVIS_V1", counts(own))
    damage(own)
    sentence = problem(scanned(own))
    for word in words:
        assert word in sentence


def test_a_missing_record_of_lvis_is_counted(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_lvis, "LVIS_V1", counts(own))
    _fewer_annotations(own)
    assert "annotations where LVIS v1 has" in problem(scanned(own))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        *EITHER,
        (lambda f: edit(f / "train.json", lambda d: d["images"][0].update(width=-3)), ["train.json", "width"]),
        (lambda f: edit(f / "train.json", lambda d: d.pop("images")), ["train.json", "images"]),
        (lambda f: edit(f / "val.json", lambda d: d["annotations"].clear()), ["val.json lists no annotations"]),
        (
            lambda f: edit(f / "val.json", lambda d: d["images"][0].update(coco_url="", file_name="/etc/passwd")),
            ["1 of the 12", "/etc/passwd"],
        ),
        (
            lambda f: edit(f / "val.json", lambda d: d["images"][0].update(coco_url="", file_name="a\0b/c.jpg")),
            ["1 of the 12"],
        ),
        (lambda f: (f / "val.json").write_text('{"images": ' + "9" * 10_000 + "}"), ["val.json", "digits"]),
    ],
)
def test_damaged_own_data_are_one_sentence(own: Path, damage: Break, words: list[str]) -> None:
    damage(own)
    sentence = problem(inspect_place(own, own_lvis_folder))
    for word in words:
        assert word in sentence


def test_a_large_file_without_its_end(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_lvis, "PARSED_BYTES", 100)
    cut(own / "val.json", 3)
    assert "val.json is cut short" in problem(own_lvis_folder(own))


def test_images_are_found_wherever_the_reader_would_find_them(own: Path) -> None:
    def by_file_name(document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["file_name"] = image.pop("coco_url").rsplit("/", 1)[-1]

    for path in (own / "val2017").iterdir():
        path.rename(own / path.name)
    assert own_lvis_folder(own) == Inspection("ok"), "the last part of coco_url alone"
    edit(own / "val.json", by_file_name)
    assert own_lvis_folder(own) == Inspection("ok")


def write_cutouts(folder: Path, names: list[str]) -> Path:
    rgba_HW4 = np.zeros((20, 20, 4), np.uint8)
    rgba_HW4[4:16, 4:16] = (200, 30, 30, 255)
    for name in names:
        (folder / name).mkdir(parents=True)
        Image.fromarray(rgba_HW4).save(folder / name / "one.png")
    return folder


def test_cutouts(own: Path, tmp_path: Path) -> None:
    names = [category["name"] for category in json.loads((own / "train.json").read_text())["categories"]]
    folder = write_cutouts(tmp_path / "cutouts", names)
    assert cutouts_folder(folder, own / "train.json") == Inspection("ok")
    (folder / ".hidden").mkdir()
    (folder / "note.txt").write_text("not a class")
    assert cutouts_folder(folder, None) == Inspection("ok")
    assert cutouts_folder(folder, tmp_path / "no.json") == Inspection("ok"), "its own inspector tells"

    picture = folder / names[0] / "one.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-20])
    assert "cut short" in problem(cutouts_folder(folder, None))
    picture.write_bytes(b"no picture")
    assert "not a picture" in problem(cutouts_folder(folder, None))
    Image.new("RGB", (9, 9)).save(picture)
    assert "without transparency" in problem(cutouts_folder(folder, None))
    shutil.rmtree(folder / names[0])
    assert f"class {names[0]!r} has no cut-out" in problem(cutouts_folder(folder, own / "train.json"))
    write_cutouts(folder, ["no such class"])
    assert "no such class" in problem(cutouts_folder(folder, own / "train.json"))
    (tmp_path / "empty").mkdir()
    assert "no class folder" in problem(cutouts_folder(tmp_path / "empty", None))


def test_many_faulty_cutouts_do_not_flood_the_table(tmp_path: Path) -> None:
    folder = write_cutouts(tmp_path / "cutouts", [f"class {number}" for number in range(9)])
    for path in folder.glob("*/one.png"):
        path.write_bytes(b"")
    found = cutouts_folder(folder, None)
    assert len(found.problems) == 4
    assert found.problems[-1] == "6 more pictures are faulty"
