"""Exports of annotation tools and well-known layouts run to the end as they come, with a class that has no cut-outs."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.export_layouts import LABELLED, TOOLS, cutouts
from tests.e2e.in_process import segrepro
from tests.e2e.smoke_runs import report_below

QUICK = "roboflow"
"""The layout that every run of the suite tries."""


def run(paper: str, data: Path, folder: Path, *words: str) -> Path:
    place = ["--data", str(data), "--store", str(folder / "store"), "--out", str(folder / "out")]
    done = segrepro("run", paper, "--tier", "smoke", "--seeds", "1", "--in-process", *place, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    return report_below(folder / "out" / f"own-{data.name}" / paper)


@pytest.mark.parametrize(
    "tool", [pytest.param(tool, marks=[] if tool == QUICK else pytest.mark.exhaustive) for tool in TOOLS]
)
def test_exports_of_instances_run_as_they_come(tool: str, tmp_path: Path) -> None:
    data, objects = TOOLS[tool].write(tmp_path / tool), cutouts(tmp_path / "cutouts")
    report = run("mrca", data, tmp_path, "--objects", str(objects), "--arms", "xpaste")
    assert {row["arm"] for row in csv.DictReader((report / "results.csv").open())} == {"xpaste"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("write", LABELLED, ids=lambda write: write.__name__)
def test_layouts_of_labels_run_as_they_come(write: Callable[[Path], Path], tmp_path: Path) -> None:
    report = run("sam_filter", write(tmp_path / write.__name__), tmp_path, "--arms", "scratch")
    assert {row["arm"] for row in csv.DictReader((report / "results.csv").open())} == {"scratch"}
