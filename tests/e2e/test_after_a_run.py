"""What a user does with a finished run: look, list, compare, pack, unpack, tidy up; on one shared smoke run, which stays as it is."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.smoke_runs import REPOSITORY, report_below, shared_run

PAPER = "mrca"
PLAN = (PAPER, "--tier", "smoke", "--seeds", "1")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_run(PAPER, tmp_path_factory)


def segrepro(*words: str | Path) -> str:
    command = [sys.executable, "-m", "reproductions.cli", *map(str, words)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def a_cell_of_the_results(folder: Path) -> str:
    with (report_below(folder / "out" / PAPER) / "results.csv").open() as file:
        return next(row["cell"] for row in csv.DictReader(file) if row["value"])


def test_an_id_of_the_results_leads_to_the_run_behind_it(folder: Path) -> None:
    cell, store = a_cell_of_the_results(folder), ("--store", folder / "store")
    told = segrepro("status", cell, *store)
    assert re.search(r"^state +done$", told, re.MULTILINE)
    [place] = re.findall(r"^folder +(.*)$", told, re.MULTILINE)
    assert json.loads((Path(place) / "cell.json").read_text())["id"] == cell
    assert "1 attempt(s)" in segrepro("logs", cell[:10], *store)
    assert "mrca-smoke" in segrepro("why", cell[:10], *store)
    counted = segrepro("status", "--json", *store)
    assert json.loads(counted)["mrca-smoke"]["done"] == len(list((folder / "store" / "cells").glob("*/*")))


def test_one_seed_is_the_plain_request_of_so_many_arms(folder: Path) -> None:
    page = (folder / "out" / PAPER / "smoke" / "report.md").read_text()
    assert "Not the plain request" not in page
    assert ", 1 seed" in page


@pytest.mark.exhaustive
def test_packed_and_unpacked_it_is_the_same_report_without_a_run(folder: Path, tmp_path: Path) -> None:
    told = segrepro("export", *PLAN, "--store", folder / "store", "--to", tmp_path / "s.tar")
    assert re.search(r"s\.tar: \d+ cells, [\d,]+ bytes, SHA-256 [0-9a-f]{64}", told)
    store = tmp_path / "store"
    told = segrepro("import", tmp_path / "s.tar", "--store", store, "--out", tmp_path / "out")
    assert "every file is as its manifest says" in told
    assert "0 missing" in segrepro("plan", *PLAN, "--store", store)
    segrepro("report", *PLAN, "--store", store, "--out", tmp_path / "again")
    ours = (report_below(tmp_path / "again" / PAPER) / "results.csv").read_bytes()
    assert ours == (report_below(folder / "out" / PAPER) / "results.csv").read_bytes()
    page = segrepro("compare", folder / "store", store)
    assert "Nothing: the same request." in page
    assert "the same runs" in page
    assert "there is nothing to remove" in segrepro("gc", "--store", store)


def test_two_requests_with_one_differing_setting_leave_two_reports(folder: Path, tmp_path: Path) -> None:
    """The second trains other cells of one arm only; what the arms share is linked from the first run's store."""
    store = tmp_path / "store"
    subprocess.run(["cp", "-r", folder / "store", store], check=True)
    words = ("--arms", "no_aug", "--store", store, "--out", tmp_path / "out")
    segrepro("run", *PLAN, *words, "--in-process")
    segrepro("run", *PLAN, *words, "--in-process", "--set", "no_aug_iterations=5")
    plain, changed = sorted((tmp_path / "out" / PAPER).iterdir(), key=lambda place: len(place.name))
    assert "no_aug_iterations=5" in changed.name
    page = segrepro("compare", plain, changed)
    assert re.search(r"\| no_aug_iterations +\| \d+ +\| 5 ", page)
    assert re.search(r"\| no_aug +\| AP_mask .*not resolved", page)
    assert {path.name for path in plain.iterdir()} == {path.name for path in changed.iterdir()}


@pytest.mark.parametrize("form", ["coco", "fiftyone"])
def test_predictions_of_an_evaluation_are_written_for_other_tools(folder: Path, tmp_path: Path, form: str) -> None:
    cell, store = a_cell_of_the_results(folder), ("--store", folder / "store")
    told = segrepro("export-predictions", cell, "--to", tmp_path / "to", "--format", form, *store)
    images = json.loads((tmp_path / "to" / ("images.json" if form == "coco" else "labels.json")).read_text())["images"]
    assert f"predictions for {len(images)} images" in told
    if form == "fiftyone":
        assert all((tmp_path / "to" / "data" / image["file_name"]).is_file() for image in images)
