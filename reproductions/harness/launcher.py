"""Launchers: run the missing cells of a plan, here in this process or in processes of this machine.

A job is a call of :func:`reproductions.harness.worker.run_cells` with a store path and cell ids. Only this package
knows submitit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reproductions.harness.cell import Cell
from reproductions.harness.plan import Plan
from reproductions.harness.store import Failure, Store
from reproductions.harness.worker import Worker, run_cells

_WATCH_EVERY_S = 0.25
_YEAR_MIN = 60 * 24 * 365
_MAX_RESTARTS = 50


@dataclass(frozen=True)
class Outcome:
    """What became of a plan."""

    num_cells: int
    num_made: int
    failures: dict[str, Failure]
    """By cell id; "blocked" ones included."""
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """0 all there, 1 a cell failed, 2 it failed for a reason that the user can mend, 130 interrupted."""
        if self.interrupted:
            return 130
        kinds = {failure.kind for failure in self.failures.values()} - {"blocked"}
        return 0 if not self.failures else (2 if kinds == {"input"} else 1)


def prepare(plan: Plan, store: Store) -> list[Cell]:
    """Write specs, forget old failures; return the missing cells, most urgent first."""
    for cell in plan:
        store.write_spec(cell)
    missing = {cell.id for cell in plan.missing(store)}
    for cell_id in missing:
        store.clear_failure(cell_id)
    return [cell for cell in plan.by_urgency() if cell.id in missing]


def new_run_id() -> str:
    """Name of one run: time and process."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


def run_in_process(plan: Plan, store: Store, watch: Callable[[], None]) -> Outcome:
    """Run everything in this process, one cell after another: for debugging, and for tests."""
    missing = prepare(plan, store)
    worker = Worker(store, new_run_id())
    interrupted = False
    try:
        worker.run([cell.id for cell in missing])
    except KeyboardInterrupt:
        interrupted = True
    watch()
    return _outcome(plan, store, missing, interrupted)


def run_local(plan: Plan, store: Store, num_workers: int, watch: Callable[[], None]) -> Outcome:
    """Run with ``num_workers`` processes of this machine, through submitit's local executor.

    A process that dies is replaced; the cell that it held is taken up again from its newest checkpoint.
    ``watch`` is called a few times a second.
    """
    missing = prepare(plan, store)
    if not missing:
        return _outcome(plan, store, missing, interrupted=False)
    os.environ["SEGREPRO_SUPERVISOR"] = str(os.getpid())
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run_id = new_run_id()
    ids = [cell.id for cell in missing]
    submit = _submitter(store.root / "jobs" / run_id, str(store.root), ids, run_id)
    jobs = [submit(slot) for slot in range(min(num_workers, len(missing)))]
    interrupted = False
    restarts = 0
    try:
        while any(not job.done() for job in jobs):
            watch()
            time.sleep(_WATCH_EVERY_S)
            for slot, job in enumerate(jobs):
                if job.done() and _has_open_work(missing, store) and restarts < _MAX_RESTARTS:
                    restarts += 1
                    jobs[slot] = submit(slot)
    except KeyboardInterrupt:
        interrupted = True
        _stop(jobs)
    watch()
    return _outcome(plan, store, missing, interrupted)


def _submitter(folder: Path, store_root: str, ids: list[str], run_id: str) -> Callable[[int], Any]:
    import submitit

    executor = submitit.LocalExecutor(folder=folder)
    gpus = _num_gpus()

    def submit(slot: int) -> Any:
        visible = (slot % gpus,) if gpus else ()
        executor.update_parameters(timeout_min=_YEAR_MIN, gpus_per_node=len(visible), visible_gpus=visible)
        return executor.submit(run_cells, store_root, ids, run_id)

    return submit


def _num_gpus() -> int:
    """GPUs of this machine that the user has not hidden, counted without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip()])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def _has_open_work(missing: Iterable[Cell], store: Store) -> bool:
    """True when a cell is neither finished nor failed nor blocked, and no process holds it."""
    for cell in missing:
        settled = store.is_complete(cell) or store.failure(cell.id) is not None
        if not settled and not store.is_claimed(cell.id):
            return not _disk_is_full(missing, store)
    return False


def _disk_is_full(missing: Iterable[Cell], store: Store) -> bool:
    failures = (store.failure(cell.id) for cell in missing)
    return any(failure is not None and failure.message.startswith("no space left") for failure in failures)


def _stop(jobs: list[Any]) -> None:
    """Let every process save and leave; they also notice by themselves when this one is gone."""
    for job in jobs:
        if not job.done():
            job._process.terminate()
    for job in jobs:
        job._process.wait(timeout=60)


def _outcome(plan: Plan, store: Store, missing: list[Cell], interrupted: bool) -> Outcome:
    still_missing = plan.missing(store)
    failures = {cell.id: failure for cell in still_missing if (failure := store.failure(cell.id)) is not None}
    unexplained = [cell for cell in still_missing if cell.id not in failures]
    if unexplained and not interrupted:
        for cell in unexplained:
            failures[cell.id] = Failure("blocked", "it was not reached; its processes ended early", "", 0)
    return Outcome(len(plan), len(missing) - len(still_missing), failures, interrupted)
