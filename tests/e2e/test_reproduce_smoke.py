"""Every arm of MRCA from plan to report at tier smoke, as a user runs it; killed and gone on, the numbers are the same."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = [sys.executable, "-m", "reproductions.cli", "run", "mrca", "--tier", "smoke", "--seeds", "1"]
ARMS = ["no_aug", "no_aug_double", "xpaste", "xpaste_equal_pool", "mrca"]

pytestmark = pytest.mark.slow


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=540, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("smoke")
    done = run("--store", str(folder / "store"), "--out", str(folder / "out"))
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "store", folder / "out" / "mrca" / "smoke"


def test_the_report_holds_every_arm_and_says_that_smoke_means_nothing(finished: tuple[Path, Path]) -> None:
    _, out = finished
    page = (out / "report.md").read_text()
    assert "numbers are meaningless" in page
    rows = list(csv.DictReader((out / "results.csv").open()))
    assert {row["arm"] for row in rows} >= set(ARMS)
    for row in rows:
        if row["arm"] in ARMS:
            assert row["n"] == ("1" if row["ours_mean"] else "0")  # a group may have no class in so small a val split
            assert row["cells"]
    for figure in re.findall(r"\]\((figure_[a-z_0-9]+\.png)\)", page):
        assert (out / figure).stat().st_size > 5_000
    assert "figure_" in page


def test_every_result_in_the_report_is_the_stored_evaluation(finished: tuple[Path, Path]) -> None:
    store, out = finished
    stored = {}
    for path in (store / "cells" / "mrca_evaluate").glob("*/cell.json"):
        stored[json.loads(path.read_text())["id"]] = json.loads((path.parent / "result.json").read_text())
    records = json.loads((out / "records.json").read_text())
    assert len(records["results"]) == len(ARMS)
    for result in records["results"]:
        evaluation = stored[result["cells"][0]]
        for metric, value in result["metrics"].items():
            name, kind = metric.split("_")
            assert value == evaluation[f"metrics_{kind}"][name]
    rows = [row for row in csv.DictReader((out / "results.csv").open()) if row["cells"] and row["ours_mean"]]
    assert rows
    by_arm = {result["arm"]: result["metrics"] for result in records["results"]}
    for row in rows:
        assert float(row["ours_mean"]) == pytest.approx(by_arm[row["arm"]][row["metric"]], abs=5e-3)


def test_a_second_call_makes_nothing_and_gives_the_same_files(finished: tuple[Path, Path]) -> None:
    store, out = finished
    before = (out / "results.csv").read_bytes()
    start = time.monotonic()
    done = run("--store", str(store), "--out", str(out.parents[1]))
    assert done.returncode == 0
    assert "] seed0" not in done.stdout  # no cell was made
    assert (out / "results.csv").read_bytes() == before
    assert time.monotonic() - start < 120


def test_killed_again_and_again_it_ends_with_the_same_results(finished: tuple[Path, Path], tmp_path: Path) -> None:
    _, out = finished
    words = [*RUN, "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "SEGREPRO_CHECKPOINT_EVERY_S": "0"}
    for wanted in (3, 14):
        process = subprocess.Popen(
            words, cwd=REPOSITORY, stdout=subprocess.DEVNULL, start_new_session=True, env=environment
        )
        deadline = time.monotonic() + 400
        while len(list((tmp_path / "store" / "cells").glob("*/*/seal.json"))) < wanted and process.poll() is None:
            assert time.monotonic() < deadline, "no progress"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = run("--store", str(tmp_path / "store"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "out" / "mrca" / "smoke" / "results.csv").read_bytes() == (out / "results.csv").read_bytes()
