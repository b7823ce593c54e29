"""Smoke reproductions as a user runs them."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reproductions.harness.lock import wait_for_lock

REPOSITORY = Path(__file__).resolve().parents[2]


def words(paper: str, folder: Path, arms: str = "") -> list[str]:
    """Command line of a smoke run with one seed, of all arms or of some, with store and reports below ``folder``."""
    run = [sys.executable, "-m", "reproductions.cli", "run", paper, "--tier", "smoke", "--seeds", "1"]
    return [*run, *(["--arms", arms] if arms else []), "--store", str(folder / "store"), "--out", str(folder / "out")]


def shared_run(paper: str, temporary: pytest.TempPathFactory) -> Path:
    """Folder of one finished run of a paper, made once for all processes of a test session; whoever reads it changes nothing."""
    return made_once(paper, temporary, lambda folder: [[*words(paper, folder), *ONE_WORKER]])


ONE_WORKER = ("--workers", "1")
"""More would each load what takes seconds."""


def made_once(name: str, temporary: pytest.TempPathFactory, commands: Callable[[Path], list[list[str]]]) -> Path:
    """Folder in which commands have ended well, once for all processes of a test session."""
    base = temporary.getbasetemp()
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = session / "shared_smoke_runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    with wait_for_lock(folder / "lock"):
        if not (folder / "ended").exists():
            done = [call(command) for command in commands(folder)]
            (folder / "ended").write_text("".join(one.stderr[-3000:] for one in done if one.returncode))
    complaint = (folder / "ended").read_text()
    assert not complaint, complaint
    return folder


def report_below(folder: Path) -> Path:
    """The folder of the one report of tier smoke below the folder of a paper; one seed is not the plain request."""
    [report] = folder.glob("smoke*")
    return report


def reproduce(paper: str, folder: Path, arms: str = "") -> Path:
    """Run a paper to its end; return the folder of the report."""
    done = run_again(paper, folder, arms)
    assert done.returncode == 0, done.stderr[-3000:]
    return report_below(folder / "out" / paper)


def run_again(paper: str, folder: Path, arms: str = "") -> subprocess.CompletedProcess[str]:
    """Run the same command once more."""
    return call(words(paper, folder, arms))


def call(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=540, check=False)


def rows_of(report: Path, arm: str) -> list[dict[str, str]]:
    """The results of one arm in a report."""
    with (report / "results.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["arm"] == arm]
    assert rows, f"{report} has no results of {arm}"
    return rows


def kill_after(paper: str, folder: Path, num_cells: int, arms: str = "") -> None:
    """Run a paper and kill all its processes once so many cells are finished."""
    environment = {**os.environ, "SEGREPRO_CHECKPOINT_EVERY_S": "0"}
    process = subprocess.Popen(
        words(paper, folder, arms),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )
    deadline = time.monotonic() + 400
    while len(list((folder / "store" / "cells").glob("*/*/seal.json"))) < num_cells and process.poll() is None:
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
