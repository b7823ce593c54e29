"""Looks at WordNet's files: the right version passes, anything else is one clear sentence."""

from pathlib import Path

import pytest

from reproductions.requirements import inspect_wordnet
from reproductions.requirements.inspect_wordnet import wordnet_folder
from reproductions.requirements.inspection import inspect_place
from reproductions.requirements.published_data import WORDNET_30
from tests.unit.small_wordnet import Entry, write_wordnet


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ids = write_wordnet(tmp_path / "wordnet", {"dog": Entry(("dog",)), "cat": Entry(("cat",))})
    monkeypatch.setattr(inspect_wordnet, "_KNOWN", {ids["dog"]: "dog", ids["cat"]: "cat"})
    return tmp_path / "wordnet"


def test_the_right_files_pass(folder: Path) -> None:
    assert inspect_place(folder, wordnet_folder).state == "ok"


def test_missing_files_other_words_and_other_places_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect_place(folder / "absent", wordnet_folder).state == "missing"
    data = (folder / "data.noun").read_text()
    (folder / "data.noun").write_text(data.replace("cat 0", "cow 0"))
    (problem,) = inspect_place(folder, wordnet_folder).problems
    assert "begins with 'cow' instead of 'cat': another version" in problem
    (folder / "data.noun").write_text("\n" + data)
    assert "take the files of WordNet 3.0" in inspect_place(folder, wordnet_folder).problems[0]
    (folder / "index.noun").unlink()
    assert "index.noun is missing" in inspect_place(folder, wordnet_folder).problems[0]


def test_how_to_get_it_names_the_place() -> None:
    assert all("data/word net" in step for step in WORDNET_30.steps(Path("data/word net"))[:2])
