"""Working where the data lie: reports, stores and notes among them do not make other data of them."""

from pathlib import Path

from methods.common.datasets.own.read_files import is_read
from methods.common.files import MADE_HERE
from reproductions.harness.fingerprint import Fingerprints
from reproductions.harness.store import Store


def test_what_a_run_leaves_in_a_data_folder_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for name in ("train.json", "train/a.jpg", "classes.txt"):
        (tmp_path / name).write_text(name)

    def fingerprint() -> str:
        return Fingerprints().of(tmp_path, "data", is_read).fingerprint

    before = fingerprint()
    assert before == Fingerprints().of(tmp_path, "data").fingerprint, "as it was while every file counted"
    report = tmp_path / "reports" / "own" / "mrca"
    report.mkdir(parents=True)
    (report / MADE_HERE).touch()
    (report / "figure.png").write_text("a figure")
    store = Store.create(tmp_path / "store")
    (store.root / "cells" / "a.json").write_text("{}")
    for name in ("log.txt", "nohup.out", "train/notes.md"):
        (tmp_path / name).write_text("a note")
    assert fingerprint() == before
    (tmp_path / "train/b.png").write_text("another picture")
    assert fingerprint() != before
