"""Every arm of MRCA from plan to report at tier smoke, as a user runs it; killed and gone on, the numbers are the same."""

import csv
import json
import re
from pathlib import Path

import pytest

from reproductions.mrca import arms
from tests.e2e.smoke_runs import kill_after, report_below, reproduce, rows_of, run_again, shared_run

PAPER = "mrca"
ARMS = [arm.id for arm in arms.ARMS if arm.id != "mrca_given_pool"]
"""All but the one that needs a user's own objects."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_run(PAPER, tmp_path_factory)


@pytest.fixture(scope="module")
def out(folder: Path) -> Path:
    return report_below(folder / "out" / PAPER)


def test_the_report_holds_every_arm_and_says_that_smoke_means_nothing(out: Path) -> None:
    page = (out / "report.md").read_text()
    assert "numbers are meaningless" in page
    rows = list(csv.DictReader((out / "summary.csv").open()))
    assert {row["arm"] for row in rows} >= set(ARMS)
    for row in rows:
        if row["arm"] in ARMS:
            assert row["n"] == ("1" if row["ours_mean"] else "0")  # a group may have no class in so small a val split
            assert row["cells"]
    for figure in re.findall(r"\]\((figure_[a-z_0-9]+\.png)\)", page):
        assert (out / figure).stat().st_size > 5_000
    assert "figure_" in page


def test_every_result_in_the_report_is_the_stored_evaluation(folder: Path, out: Path) -> None:
    stored = {}
    for path in (folder / "store" / "cells" / "mrca_evaluate").glob("*/cell.json"):
        stored[json.loads(path.read_text())["id"]] = json.loads((path.parent / "result.json").read_text())
    records = json.loads((out / "records.json").read_text())
    assert len(records["results"]) == len(ARMS)
    for result in records["results"]:
        evaluation = stored[result["cells"][0]]
        for metric, value in result["metrics"].items():
            name, kind = metric.split("_")
            assert value == evaluation[f"metrics_{kind}"][name]
    rows = [row for row in csv.DictReader((out / "summary.csv").open()) if row["cells"] and row["ours_mean"]]
    assert rows
    by_arm = {result["arm"]: result["metrics"] for result in records["results"]}
    for row in rows:
        assert float(row["ours_mean"]) == pytest.approx(by_arm[row["arm"]][row["metric"]], abs=5e-3)


def test_a_second_call_makes_nothing_and_gives_the_same_files(folder: Path, out: Path) -> None:
    before = (out / "results.csv").read_bytes()
    done = run_again(PAPER, folder)
    assert done.returncode == 0
    assert "] seed0" not in done.stdout  # no cell was made
    assert (out / "results.csv").read_bytes() == before


def test_killed_again_and_again_an_arm_ends_with_the_same_results(out: Path, tmp_path: Path) -> None:
    """Among nine cells: generation, cut-outs, two trainings. What each stage does after a kill, tests/contracts tries."""
    for num_cells in (3, 7):
        kill_after(PAPER, tmp_path, num_cells, "xpaste")
    again = reproduce(PAPER, tmp_path, "xpaste")
    assert rows_of(again, "xpaste") == rows_of(out, "xpaste")
