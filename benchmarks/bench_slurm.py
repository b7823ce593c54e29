"""What submitting costs beyond sbatch itself: SLURM's commands are scripts that answer at once.

The alternative is what people write by hand: one sbatch script a piece of work, submitted in a loop, without specs, records,
dependencies or a look into the queue.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sizes import size
from reproductions.harness.cost import estimate
from reproductions.harness.launcher import run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.site import Site
from reproductions.harness.slurm.submit import submit
from reproductions.harness.store import Store
from tests.harness.slurm_stub import StubCluster
from tests.harness.toy import draw_cell, walk_cell

NUM_CELLS = 1000


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubCluster:
    return StubCluster(tmp_path / "slurm", monkeypatch)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(number) for number in range(1_000_000))


def test_submit_1000_cells(benchmark: Any, stub: StubCluster, folders: Iterator[Path]) -> None:
    """Five hundred chains of two: one array, and five hundred jobs that wait for one task each. Under ten seconds."""
    plan = Plan("chains", tuple(walk_cell(seed, draw_cell(seed)) for seed in range(NUM_CELLS // 2)))

    def work() -> int:
        return submit(plan, Store.create(next(folders)), Site(), None, "run").num_submitted

    assert benchmark.pedantic(work, rounds=size(1, 3)) == NUM_CELLS
    benchmark.extra_info["sbatch calls"] = 1 + NUM_CELLS // 2
    assert benchmark.stats.stats.min < 10.0


def test_submit_1000_scripts_by_hand(benchmark: Any, stub: StubCluster, folders: Iterator[Path]) -> None:
    """One script and one call of sbatch each."""

    def work() -> None:
        folder = next(folders)
        folder.mkdir()
        for number in range(NUM_CELLS):
            script = folder / f"{number}.sh"
            script.write_text(f"#!/bin/sh\n#SBATCH --time=60\npython work.py {number}\n")
            subprocess.run(["sbatch", str(script)], check=True, capture_output=True)

    benchmark.extra_info["sbatch calls"] = NUM_CELLS
    benchmark.pedantic(work, rounds=size(1, 3))


def test_cost_of_10000_cells(benchmark: Any, tmp_path: Path) -> None:
    """The preview of a plan of which a hundred cells are done."""
    store = Store.create(tmp_path / "store")
    plan = Plan("chains", tuple(walk_cell(seed, draw_cell(seed), steps=3) for seed in range(5000)))
    run_in_process(Plan("chains", plan.targets[:50]), store, lambda: None)
    costs = benchmark.pedantic(
        lambda: estimate(plan, store, lambda cell: Site().resources(cell.stage.kind, False)), rounds=3
    )
    assert [cost.num_missing for cost in costs] == [4950, 4950]
