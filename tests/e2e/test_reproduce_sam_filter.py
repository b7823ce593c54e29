"""Every arm of the SAM filter from plan to report at tier smoke, as a user runs it; killed and gone on, the numbers are the same."""

import csv
import json
import re
from pathlib import Path

import pytest

from reproductions.sam_filter.arms import ARMS
from reproductions.sam_filter.recipe import smoke
from tests.e2e.smoke_runs import kill_after, report_below, reproduce, rows_of, run_again, shared_run

PAPER = "sam_filter"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_run(PAPER, tmp_path_factory)


@pytest.fixture(scope="module")
def out(folder: Path) -> Path:
    return report_below(folder / "out" / PAPER)


def test_the_report_holds_every_arm_and_every_figure(out: Path) -> None:
    page = (out / "report.md").read_text()
    assert "numbers are meaningless" in page
    overlap = re.search(r"noise in drawn masks: N1, up to 4 px; IoU with the clean masks (0\.\d\d)", page)
    assert overlap is not None
    assert 0 < float(overlap[1]) < 1
    rows = list(csv.DictReader((out / "summary.csv").open()))
    assert {row["arm"] for row in rows if row["ours_mean"]} == {arm.id for arm in ARMS if arm.row}
    figures = set(re.findall(r"\]\((figure_[a-z_0-9]+\.png)\)", page))
    assert len(figures) >= 6
    for figure in figures:
        assert (out / figure).stat().st_size > 5_000


def test_every_result_is_the_stored_evaluation(folder: Path, out: Path) -> None:
    stored = {}
    for path in (folder / "store" / "cells" / "sam_filter_evaluate").glob("*/cell.json"):
        stored[json.loads(path.read_text())["id"]] = json.loads((path.parent / "result.json").read_text())
    records = json.loads((out / "records.json").read_text())
    assert len(records["results"]) == len([arm for arm in ARMS if arm.row])
    for result in records["results"]:
        assert result["metrics"]["miou"] == stored[result["cells"][0]]["miou"]
    assert {point["variant"] for point in records["points"]} == set(smoke().pilot_variants)


def test_selections_are_nested(folder: Path, out: Path) -> None:
    kept = {}
    for path in (folder / "store" / "cells" / "sam_filter_select").glob("*/cell.json"):
        config = json.loads(path.read_text())["config"]
        if config["rule"] == "score" and config["stratify"] == "none":
            kept[config["keep"]] = (path.parent / "selected.txt").read_text().split()
    assert sorted(kept) == [6, 12, 18]
    assert kept[18][:12] == kept[12]
    assert kept[12][:6] == kept[6]


@pytest.mark.exhaustive
def test_killed_and_called_again_an_arm_ends_with_the_same_results(out: Path, tmp_path: Path) -> None:
    """Among ten cells: pairs, masks, scores, a selection, a training. What each stage does after a kill, tests/contracts tries."""
    kill_after(PAPER, tmp_path, 5, "sam_20k")
    again = reproduce(PAPER, tmp_path, "sam_20k")
    assert rows_of(again, "sam_20k") == rows_of(out, "sam_20k")


def test_a_second_call_makes_nothing(folder: Path, out: Path) -> None:
    before = (out / "results.csv").read_bytes()
    done = run_again(PAPER, folder)
    assert done.returncode == 0
    assert "] seed0" not in done.stdout  # no cell was made
    assert (out / "results.csv").read_bytes() == before
