"""Data sets on disk: whole ones pass, and each way to break one is one clear sentence.

LVIS itself is not on a test machine: that the published counts are those of the real files cannot be tested here.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.stage import Inputs, LocalContext
from reproductions.requirements import inspect_lvis
from reproductions.requirements.inspect_lvis import LvisCounts, lvis_folder
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
    monkeypatch.setattr(inspect_lvis, "LVIS_V1", counts(own))
    assert scanned(own).state == "ok"


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
