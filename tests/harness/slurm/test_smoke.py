"""The command line on a cluster: the same table as on one machine, and mistakes before anything is submitted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reproductions.harness.slurm import queue
from tests.e2e.smoke_runs import report_below, rows_of, shared_run
from tests.harness.conftest import REPOSITORY
from tests.harness.slurm.cluster import Cluster

SMOKE = ["run", "mrca", "--tier", "smoke", "--seeds", "1", "--arms", "no_aug"]


def segrepro(*words: str | Path, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reproductions.cli", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_table_of_a_local_run(cluster: Cluster, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    local = report_below(shared_run("mrca", tmp_path_factory) / "out" / "mrca")
    there = segrepro(*SMOKE, "--cluster", "slurm", "--store", tmp_path / "store", "--out", tmp_path / "out")
    assert there.returncode == 0, there.stderr
    assert "submitted 5 jobs" in there.stdout
    waited = segrepro(*SMOKE, "--cluster", "slurm", "--wait", "--store", tmp_path / "store", "--out", tmp_path / "out")
    assert waited.returncode == 0, waited.stderr
    assert "submitted 0 jobs" in waited.stdout
    assert rows_of(report_below(tmp_path / "out" / "mrca"), "no_aug") == rows_of(local, "no_aug")


@pytest.mark.parametrize(
    ("site", "words", "told"),
    [
        ('partition = "gpus"', [], "ask for the partition 'gpus', which is not here; choose from high, low, normal"),
        ('partiton = "low"', [], "there is no field 'partiton'; did you mean 'partition'?"),
        ("", ["--tier", "paper"], "is missing"),
        ("", ["--max-gpu-hours", "0"], "more than --max-gpu-hours 0"),
        ('store = "/proc/segrepro"', [], "cannot be written"),
    ],
)
def test_nothing_is_submitted(site: str, words: list[str], told: str, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "segrepro.toml").write_text(site)
    store = [] if "store" in site else ["--store", str(tmp_path / "store")]
    done = segrepro(*SMOKE, *words, "--cluster", "slurm", *store, folder=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert queue.live_jobs() == []
