"""Smoke reproductions as a user runs them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def words(paper: str, folder: Path) -> list[str]:
    """Command line of a smoke run with one seed, with store and reports below ``folder``."""
    run = [sys.executable, "-m", "reproductions.cli", "run", paper, "--tier", "smoke", "--seeds", "1"]
    return [*run, "--store", str(folder / "store"), "--out", str(folder / "out")]


def reproduce(paper: str, folder: Path) -> Path:
    """Run a paper to its end; return the folder of the report."""
    done = run_again(paper, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "out" / paper / "smoke"


def run_again(paper: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the same command once more."""
    return subprocess.run(
        words(paper, folder), cwd=REPOSITORY, capture_output=True, text=True, timeout=540, check=False
    )


def kill_after(paper: str, folder: Path, num_cells: int) -> None:
    """Run a paper and kill all its processes once so many cells are finished."""
    environment = {**os.environ, "SEGREPRO_CHECKPOINT_EVERY_S": "0"}
    process = subprocess.Popen(
        words(paper, folder), cwd=REPOSITORY, stdout=subprocess.DEVNULL, start_new_session=True, env=environment
    )
    deadline = time.monotonic() + 400
    while len(list((folder / "store" / "cells").glob("*/*/seal.json"))) < num_cells and process.poll() is None:
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
