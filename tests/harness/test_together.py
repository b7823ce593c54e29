"""Several runs on one store, and the locks that keep them apart."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from reproductions.harness.launcher import prepare, run_in_process
from reproductions.harness.lock import is_locked, try_lock
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.harness.worker import Worker, supervisor_lock
from tests.harness.children import in_child, kill_self, start_child
from tests.harness.toy import draw_cell, fail_cell, outputs, shards_cell, walk_cell


def test_several_runs_do_each_cell_once(quick_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Four runs of one plan, one of them killed in between: every stage function ends exactly once."""
    draws = [draw_cell(seed, pause_s=0.01) for seed in range(8)]
    walks = [walk_cell(seed, start, steps=3, step_s=0.003) for seed, start in enumerate(draws)]
    plan = Plan("toy", (*walks, *(shards_cell(seed, shard_s=0.003) for seed in range(8))))
    store, log = Store.create(quick_folder / "store"), tmp_path / "log"
    monkeypatch.setenv("SEGREPRO_TOY_LOG", str(log))
    processes = [start_child(lambda: run_in_process(plan, store, lambda: None).exit_code) for _ in range(4)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in processes]
    assert codes == [0] * 4
    told = Counter(log.read_text().splitlines())
    assert told == {f"{kind} {seed}": 1 for kind in ("draw", "walk", "shards") for seed in range(8)}
    assert all(len(store.provenance(cell)["attempts"]) == 1 for cell in plan)
    alone = Store.create(quick_folder / "alone")
    run_in_process(plan, alone, lambda: None)
    assert outputs(plan, store) == outputs(plan, alone)


def test_a_lock_is_seen_by_everybody_and_let_go_on_any_end(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    assert not path.exists(), "looking leaves nothing"
    with try_lock(path) as held:
        assert held
        assert is_locked(path), "the holder itself sees it too"
        assert is_locked(path), "and looking did not let it go"
        with try_lock(path) as again:
            assert not again
        assert is_locked(path), "nor did trying"
        assert in_child(lambda: int(is_locked(path))) == 1

    def die_holding() -> None:
        with try_lock(path) as held:
            assert held
            kill_self()

    assert not is_locked(path)
    assert in_child(die_holding) == -9
    assert not is_locked(path)


def test_looking_does_not_keep_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()

    def look() -> None:
        for _ in range(3000):
            is_locked(path)

    process = start_child(look)
    misses = 0
    for _ in range(300):
        with try_lock(path) as held:
            misses += not held
    os.waitpid(process, 0)
    assert misses < 30


def test_a_forked_helper_does_not_keep_the_lock_of_its_killed_parent(tmp_path: Path) -> None:
    """Data loaders are forked and may outlive a killed worker."""
    path, ready = tmp_path / "lock", tmp_path / "ready"

    def parent() -> None:
        with try_lock(path):
            helper = os.fork()
            if helper == 0:
                time.sleep(30)
                os._exit(0)
            ready.write_text(str(helper))
            kill_self()

    assert in_child(parent) == -9
    helper = int(ready.read_text())
    try:
        os.kill(helper, 0)  # it still lives
        assert not is_locked(path)
    finally:
        os.kill(helper, 9)


def test_a_worker_without_its_supervisor_begins_nothing(store: Store) -> None:
    plan = Plan("toy", (draw_cell(),))
    prepare(plan, store)
    lock = supervisor_lock(store, "a-run")
    lock.parent.mkdir()
    lock.touch()
    Worker(store, "a-run").run([cell.id for cell in plan])
    assert len(plan.missing(store)) == 1
    with try_lock(lock):
        Worker(store, "a-run").run([cell.id for cell in plan])
    assert plan.missing(store) == []


def test_an_input_that_vanishes_is_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run beside this one may find an input damaged after this worker has seen it finished."""
    draw, walk = plan = Plan("toy", (walk_cell(0, draw_cell(), steps=2),))
    run_in_process(Plan("toy", (draw,)), store, lambda: None)
    prepare(plan, store)
    worker = Worker(store, "a-run")
    worker._finished.add(draw.id)
    store.discard(draw)
    worker.run([walk.id, draw.id])
    assert plan.missing(store) == []


def test_a_failure_of_one_run_is_tried_again_by_the_next_only(store: Store) -> None:
    plan = Plan("toy", (fail_cell("error"),))
    [cell] = plan
    for attempts in (1, 2):
        assert run_in_process(plan, store, lambda: None).exit_code == 1
        failure = store.failure(cell.id)
        assert failure is not None
        assert failure.attempts == attempts
