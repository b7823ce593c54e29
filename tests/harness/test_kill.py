"""Killed at any moment, then run again: finished cells stay, and every output is that of an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reproductions.harness.launcher import run_in_process, run_local
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from tests.harness.children import CHANGES, in_child, kill_self, on_change
from tests.harness.toy import draw_cell, outputs, shards_cell, slow_plan, train_cell, walk_cell

STAGES: dict[str, tuple[Plan, int]] = {
    "draw": (Plan("toy", (draw_cell(),)), 1),
    "walk": (Plan("toy", (walk_cell(0, draw_cell(), steps=3),)), 3),
    "train": (Plan("toy", (train_cell(steps=3),)), 2),
    "shards": (Plan("toy", (shards_cell(shards=3),)), 2),
}
"""A plan for each kind of stage, and how many moments the sweep over its changes goes on at a time."""


def run(plan: Plan, store: Store) -> int:
    return run_in_process(plan, store, lambda: None).exit_code


def undisturbed(plan: Plan, folder: Path) -> dict[str, bytes]:
    store = Store.create(folder)
    assert run(plan, store) == 0
    return outputs(plan, store)


@pytest.mark.parametrize("kind", STAGES)
def test_killed_before_any_change_to_the_store(kind: str, quick_folder: Path) -> None:
    """Every write, rename and removal of a run is a moment to die at, publishing and tidying up included."""
    plan, stride = STAGES[kind]
    expected = undisturbed(plan, quick_folder / "undisturbed")
    moment = 0
    killed = True
    while killed:
        moment += stride
        store = Store.create(quick_folder / f"store-{moment}")

        def die_at(count: int, moment: int = moment) -> None:
            if count == moment:
                kill_self()

        def child(store: Store = store, die_at: Callable[[int], None] = die_at) -> int:
            on_change(store.root, CHANGES, die_at)
            return run(plan, store)

        code = in_child(child)
        killed = code == -signal.SIGKILL
        assert killed or code == 0
        finished = {cell.id: store.provenance(cell) for cell in plan if store.is_complete(cell)}
        assert plan.drop_damaged(store) == [], "what is there is whole"
        assert run(plan, store) == 0
        assert outputs(plan, store) == expected, f"killed before change {moment}"
        assert {cell_id: store.provenance(plan[cell_id]) for cell_id in finished} == finished, "done twice"
        assert os.listdir(store.root / "work") == [], "something was left behind"  # noqa: PTH208
    assert moment > 30, "the sweep hardly met anything"


def _attempt(store: Store, cell_id: str) -> dict[str, object]:
    try:
        loaded: list[dict[str, object]] = json.loads((store.work_folder(cell_id) / "attempts.json").read_text())
        return loaded[-1]
    except (OSError, ValueError):
        return {}


def _wait_for(what: Callable[[], bool], timeout_s: float = 60.0) -> None:
    until = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def _is_alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_workers_killed_while_they_work(store: Store, tmp_path: Path) -> None:
    """Real processes, killed in the middle of a walk and between two shards; the run itself replaces them."""
    plan = slow_plan()
    draw, walk, shards = plan
    expected = undisturbed(plan, tmp_path / "undisturbed")
    killed: list[tuple[str, int]] = []
    drawn_at: list[int] = []

    def kill_now_and_then() -> None:
        if store.is_complete(draw) and not drawn_at:
            drawn_at.append((store.cell_folder(draw) / "seal.json").stat().st_mtime_ns)
        for cell in (walk, shards):
            done = len(list((store.work_folder(cell.id) / "checkpoints").glob("step-*")))
            times = sum(1 for label, _ in killed if label == cell.label)
            process = _attempt(store, cell.id).get("process")
            if done and not times and isinstance(process, int) and process not in {number for _, number in killed}:
                os.kill(process, signal.SIGKILL)
                killed.append((cell.label, process))

    outcome = run_local(plan, store, 2, kill_now_and_then)
    assert outcome.exit_code == 0, outcome
    assert {label for label, _ in killed} == {"walk/0", "shards/0"}
    assert outputs(plan, store) == expected
    assert [(store.cell_folder(draw) / "seal.json").stat().st_mtime_ns] == drawn_at
    for cell in (walk, shards):
        provenance = store.provenance(cell)
        kills = sum(1 for label, _ in killed if label == cell.label)
        assert [one["outcome"] for one in provenance["attempts"]] == ["killed"] * kills + ["finished"]
        assert provenance["wall_s"] == pytest.approx(sum(one["wall_s"] for one in provenance["attempts"]), abs=0.01)


@pytest.fixture
def started(store: Store) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Start the run of :func:`slow_plan` as a process of its own session, as a terminal does."""
    processes = []

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", "from tests.harness.toy import main; main()", str(store.root), "1"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        processes.append(process)
        _wait_for(lambda: process.poll() is not None or any((store.root / "work").glob("*/checkpoints/step-*")))
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_supervisor_killed(store: Store, tmp_path: Path, started: Callable[[], "subprocess.Popen[str]"]) -> None:
    plan = slow_plan()
    process = started()
    workers = [number for cell in plan if isinstance(number := _attempt(store, cell.id).get("process"), int)]
    assert workers
    process.kill()
    _wait_for(lambda: not any(_is_alive(number) for number in workers), timeout_s=10.0)
    assert not any(store.is_claimed(cell.id) for cell in plan)
    assert run(plan, store) == 0
    assert outputs(plan, store) == undisturbed(plan, tmp_path / "undisturbed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(
    number: signal.Signals, store: Store, tmp_path: Path, started: Callable[[], "subprocess.Popen[str]"]
) -> None:
    """Ctrl-C reaches every process of the terminal, a request to terminate only the first: both save and leave."""
    plan = slow_plan()
    process = started()
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130, (out, error)
    assert "Traceback" not in error
    begun = [cell for cell in plan if _attempt(store, cell.id)]
    assert begun
    for cell in begun:
        attempt = _attempt(store, cell.id)
        assert attempt["outcome"] == "stopped"
        assert isinstance(attempt["process"], int)
        assert not _is_alive(attempt["process"])
        assert any((store.work_folder(cell.id) / "checkpoints").glob("step-*"))
    assert run(plan, store) == 0
    assert outputs(plan, store) == undisturbed(plan, tmp_path / "undisturbed")


def test_interrupted_in_process(store: Store, tmp_path: Path) -> None:
    plan = Plan("toy", (walk_cell(steps=20, step_s=0.02),))

    def child() -> int:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        return run(plan, store)

    assert in_child(child) == 130
    [cell] = plan
    assert _attempt(store, cell.id)["outcome"] == "stopped"
    assert any((store.work_folder(cell.id) / "checkpoints").glob("step-*"))
    assert run(plan, store) == 0
    assert outputs(plan, store) == undisturbed(plan, tmp_path / "undisturbed")


def test_a_killed_attempt_does_not_look_free(store: Store) -> None:
    """What was spent until about the kill is part of what the cell cost."""
    plan = Plan("toy", (shards_cell(shards=3, shard_s=0.8),))
    [cell] = plan

    def child() -> int:
        signal.signal(signal.SIGALRM, lambda *_: kill_self())
        signal.setitimer(signal.ITIMER_REAL, 2.2)
        return run(plan, store)

    assert in_child(child) == -signal.SIGKILL
    assert run(plan, store) == 0
    killed, last = store.provenance(cell)["attempts"]
    assert (killed["outcome"], last["outcome"]) == ("killed", "finished")
    assert 1.0 < killed["wall_s"] < 2.3
    assert last["wall_s"] < 2.0, "it began again instead of going on"
    assert store.provenance(cell)["wall_s"] == pytest.approx(killed["wall_s"] + last["wall_s"], abs=0.002)
