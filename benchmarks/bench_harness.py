"""What the harness costs: a cell from claim to sealed folder, a plan of 10,000 cells, a finished plan of 1,000.

The alternative to a cell is what people write in its place: a pickle file named by a hash of the arguments. It neither
flushes, seals nor locks, so the difference is the price of those.
"""

import hashlib
import json
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import reproductions.cli  # noqa: F401 - sets how often garbage is looked for, as every command does
from methods.common.seeds import Seeds
from reproductions.harness.cell import Cell
from reproductions.harness.launcher import prepare, run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.states import cell_states
from reproductions.harness.store import Store
from reproductions.harness.worker import Worker
from reproductions.study.registry import load_paper
from reproductions.study.request import Request
from tests.harness.toy import DRAW, DrawConfig, draw_cell, walk_cell

NUM_CELLS = 50


def draws(number: int) -> Plan:
    return Plan("draws", tuple(draw_cell(seed) for seed in range(number)))


def chains(number: int) -> Plan:
    """Half the cells feed the other half."""
    return Plan("chains", tuple(walk_cell(seed, draw_cell(seed), steps=3) for seed in range(number // 2)))


def busy_s(action: Callable[[], object]) -> float:
    """Seconds of processor time: the promise is about what the harness does, not about what else the machine does."""
    start = time.process_time()
    action()
    return time.process_time() - start


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """A new folder a round."""
    return (tmp_path / str(number) for number in range(1_000_000))


def test_cells_in_a_worker(benchmark: Any, folders: Iterator[Path]) -> None:
    """Fifty cells of a few lines each, flushed to disk; divide by fifty."""
    plan = draws(NUM_CELLS)

    def setup() -> tuple[tuple[Store], dict[str, Any]]:
        store = Store.create(next(folders))
        prepare(plan, store)
        return (store,), {}

    def work(store: Store) -> None:
        Worker(store, "bench").run([cell.id for cell in plan])
        assert not plan.missing(store)

    benchmark.extra_info["cells"] = NUM_CELLS
    benchmark.pedantic(work, setup=setup, rounds=5)


def test_cells_in_a_pickle_cache(benchmark: Any, folders: Iterator[Path]) -> None:
    """The same fifty results, cached the quick way."""

    @contextmanager
    def cached(folder: Path, **arguments: Any) -> Iterator[Path]:
        yield folder / (hashlib.sha256(json.dumps(arguments).encode()).hexdigest() + ".pickle")

    def work(folder: Path) -> None:
        for seed in range(NUM_CELLS):
            with cached(folder, seed=seed, size=8) as path:
                numbers = Seeds(data=seed).numpy("data", "draw").normal(size=8)
                path.write_bytes(pickle.dumps({"numbers": numbers, "sum": float(numbers.sum())}))

    def setup() -> tuple[tuple[Path], dict[str, Any]]:
        folder = next(folders)
        folder.mkdir(parents=True)
        return (folder,), {}

    benchmark.extra_info["cells"] = NUM_CELLS
    benchmark.pedantic(work, setup=setup, rounds=5)


def test_plan_of_10000_cells(benchmark: Any, tmp_path: Path) -> None:
    """Make the cells and their ids, and look which are missing; under two seconds of one core."""
    store = Store.create(tmp_path / "store")

    def plan() -> int:
        planned = chains(10_000)
        missing = planned.missing(store)
        assert len(planned.by_urgency()) == 10_000
        return len(missing)

    assert benchmark.pedantic(plan, rounds=3) == 10_000
    assert busy_s(plan) < 2.0


def test_status_of_10000_cells(benchmark: Any, tmp_path: Path) -> None:
    """One look of the live display at a large plan of which nothing is done; a look at ten times the cells takes no more than ten times."""
    store, planned = Store.create(tmp_path / "store"), chains(10_000)
    assert len(benchmark.pedantic(lambda: cell_states(planned, store), rounds=3)) == 10_000
    whole, tenth = (_look_s(plan, store) for plan in (planned, chains(1000)))
    benchmark.extra_info["growth_over_cells"] = whole / (10 * tenth)
    assert whole < 1.5 * 10 * tenth


def _look_s(plan: Plan, store: Store) -> float:
    """The quickest of some looks."""
    return min(busy_s(lambda: cell_states(plan, store)) for _ in range(7))


def test_status_of_a_real_plan_by_its_planning(benchmark: Any, tmp_path: Path) -> None:
    """MRCA with so many seeds that it has 10,000 cells: `status` plans, looks and prints; a look must stay a small part of planning."""
    paper, store = load_paper("mrca"), Store.create(tmp_path / "store")
    paper.plan(Request("mrca", store, "mini", num_seeds=1))

    def plan(num_seeds: int) -> Plan:
        return paper.plan(Request("mrca", store, "mini", num_seeds=num_seeds))

    planned = benchmark.pedantic(lambda: plan(167), rounds=3)
    plan_s, tenth_s = (min(busy_s(lambda number=number: plan(number)) for _ in range(3)) for number in (167, 17))  # type: ignore[misc]
    benchmark.extra_info["cells"] = len(planned)
    benchmark.extra_info["cpu_s_for_10000_cells"] = 10_000 * plan_s / len(planned)
    benchmark.extra_info["growth_over_cells"] = plan_s / (167 / 17 * tenth_s)
    benchmark.extra_info["look_over_planning"] = _look_s(planned, store) / plan_s
    assert len(planned) > 10_000
    assert plan_s < 1.5 * 167 / 17 * tenth_s
    assert _look_s(planned, store) < plan_s


def test_specs_of_1000_cells(benchmark: Any, folders: Iterator[Path]) -> None:
    """What a run writes before its first process starts."""
    planned = chains(1000)
    assert len(benchmark.pedantic(lambda: prepare(planned, Store.create(next(folders))), rounds=3)) == 1000


def test_a_finished_plan_of_1000_cells(benchmark: Any, tmp_path: Path) -> None:
    """Plan it, hash every file against its seal, find nothing to do; under two seconds of one core."""
    store = Store.create(tmp_path / "store")
    cells = tuple(Cell(DRAW, DrawConfig(size=1), Seeds(data=seed), f"draw/{seed}") for seed in range(1000))
    assert run_in_process(Plan("draws", cells), store, lambda: None).exit_code == 0

    def again() -> int:
        planned = draws_of_one()
        assert planned.drop_damaged(store) == []
        return run_in_process(planned, store, lambda: None).num_made

    def draws_of_one() -> Plan:
        return Plan("draws", tuple(draw_cell(seed, size=1) for seed in range(1000)))

    assert benchmark.pedantic(again, rounds=3) == 0
    assert busy_s(again) < 2.0
