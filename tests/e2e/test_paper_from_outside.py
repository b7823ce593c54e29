"""The worked example of CONTRIBUTING.md: a package of its own registers a paper, which runs like any other."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reports import load_results
from tests.e2e.smoke_runs import report_below

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "docs" / "examples" / "thin_masks"
MOST_LINES = 150


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package is built and installed, without any index."""
    place = tmp_path_factory.mktemp("site")
    words = [
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--target",
        str(place),
        str(EXAMPLE),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True, timeout=300)
    return place


def segrepro(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": "" if path is None else str(path)}
    command = [sys.executable, "-m", "reproductions.cli", *words]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=540, check=False
    )


def test_the_example_is_as_short_as_the_guide_says() -> None:
    lines = sum(len(path.read_text().splitlines()) for path in EXAMPLE.rglob("*") if path.suffix in (".py", ".toml"))
    assert lines <= MOST_LINES
    told = re.search(r"in (\d+) lines", (REPOSITORY / "CONTRIBUTING.md").read_text())
    assert told is not None
    assert int(told[1]) == lines


def test_it_runs_from_its_package_with_two_claims_and_a_figure(installed: Path, tmp_path: Path) -> None:
    place = ("--tier", "smoke", "--seeds", "2", "--store", str(tmp_path / "store"))
    done = segrepro("run", "thin_masks", *place, "--workers", "1", "--out", str(tmp_path / "out"), path=installed)
    assert done.returncode == 0, done.stderr
    folder = report_below(tmp_path / "out" / "thin_masks")
    text = (folder / "report.md").read_text()
    assert "What is a sloppy outline worth?" in text
    assert (folder / "figure_accuracy_convolutional.png").stat().st_size > 1000
    records = json.loads((folder / "records.json").read_text())
    assert [claim["id"] for claim in records["claims"]] == ["C1", "C2"]
    frame = load_results(folder)
    assert set(frame["arm"]) == {"exact", "thin"}
    assert set(frame["metric"]) == {"miou", "pixel_accuracy"}
    assert len(frame) == 8
    exact, thin = (frame[frame["arm"] == arm]["value"].tolist() for arm in ("exact", "thin"))
    assert exact != thin, "the masks must differ"

    planned = segrepro("plan", "thin_masks", *place, path=installed)
    assert "9 cells, 9 done, 0 missing" in planned.stdout
    cell = next((tmp_path / "store" / "cells" / "thin_masks_train").iterdir())
    told = segrepro("why", cell.name[:12], cell.name[:12], "--store", str(tmp_path / "store"), path=installed)
    assert told.returncode == 0, told.stderr


def test_without_its_package_the_paper_is_unknown() -> None:
    done = segrepro("plan", "thin_masks", "--tier", "smoke")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "segrepro: unknown paper 'thin_masks'; choose one of checkpoints, diffumask_robust, instance_synthesis, mrca, sam_filter, seggen"
    )
    assert len(done.stderr.splitlines()) == 1


def test_a_package_that_cannot_be_loaded_is_named(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "thin_masks-0.1.0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: thin-masks\nVersion: 0.1.0\n")
    (broken / "entry_points.txt").write_text("[segrepro.papers]\nthin_masks = thin_masks.nowhere:PAPER\n")
    done = segrepro("plan", "thin_masks", path=tmp_path)
    assert done.returncode == 2
    assert "the paper 'thin_masks' cannot be loaded from thin_masks.nowhere:PAPER" in done.stderr
    assert "Traceback" not in done.stderr
