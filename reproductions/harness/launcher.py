"""Launchers: run the missing cells of a plan, here in this process or in processes of this machine.

A job is a call of :func:`reproductions.harness.worker.run_cells` with a store path and cell ids. Only this package
knows submitit.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from methods.common.errors import InputError
from reproductions.harness.cell import Cell
from reproductions.harness.files import is_disk_full
from reproductions.harness.lock import is_locked, try_lock
from reproductions.harness.plan import Plan
from reproductions.harness.states import cell_states
from reproductions.harness.store import Failure, Store
from reproductions.harness.threads import changed_environment, limit_threads, unset_limits
from reproductions.harness.worker import Worker, room_marker, run_cells, supervisor_lock

_WATCH_EVERY_S = 0.25
_YEAR_MIN = 60 * 24 * 365
_MAX_RESTARTS = 50
_MAX_ERRORS = 3
"""Processes of a run that may end by an error of the harness itself before it is given up."""
_LEAVE_WITHIN_S = 60.0


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
        return 0 if not self.failures else (2 if kinds <= {"input", "not_finite"} else 1)


def prepare(plan: Plan, store: Store, forget_failures: bool = True) -> list[Cell]:
    """Write specs, forget old failures, sweep what a kill left; return the missing cells, most urgent first.

    Raises:
        InputError: the disk is full.
    """
    missing = {cell.id for cell in plan.missing(store)}
    try:
        for cell in plan if missing else ():
            store.write_spec(cell, plan.name)
    except OSError as error:
        if not is_disk_full(error, store.root):
            raise
        raise InputError(store.full_message) from error
    listing = store.listing()
    for cell in plan:
        if cell.id in missing and forget_failures:
            store.clear_failure(cell.id)
        elif cell.id not in missing and cell.id in listing.work:  # killed between publishing and tidying up
            store.clear_work(cell.id)
    return [cell for cell in plan.by_urgency() if cell.id in missing]


def new_run_id() -> str:
    """Name of one run: time, process, and a few digits for two in one second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{uuid.uuid4().hex[:4]}"


def run_in_process(plan: Plan, store: Store, watch: Callable[[], None]) -> Outcome:
    """Run everything in this process, one cell after another: for debugging, and for tests.

    The first Ctrl-C saves and stops, the second stops at once.
    """
    missing = prepare(plan, store)
    limit_threads()
    worker = Worker(store, new_run_id())
    interrupted = False
    with _on_signals(worker.stop.set):
        try:
            worker.run([cell.id for cell in missing])
        except KeyboardInterrupt:
            interrupted = True
    watch()
    interrupted = interrupted or (worker.stop.is_set and not worker.disk_is_full)
    return outcome_of(plan, store, missing, interrupted, worker.disk_is_full)


def run_local(plan: Plan, store: Store, num_workers: int, watch: Callable[[], None]) -> Outcome:
    """Run with ``num_workers`` processes of this machine, through submitit's local executor.

    A process that dies is replaced; the cell that it held is taken up again from its newest checkpoint.
    ``watch`` is called a few times a second. Ctrl-C, or a request to terminate, lets every process save and leave.

    Raises:
        InputError: the disk was full at the start, or the store was taken away meanwhile.
    """
    missing = prepare(plan, store)
    if not missing:
        return outcome_of(plan, store, missing, interrupted=False)
    interrupted = disk_is_full = False
    crew = _Crew(store, [cell.id for cell in missing])
    try:
        with crew.supervised(), _on_signals(_interrupt):
            crew.start(min(num_workers, len(missing)))
            while crew.keep_up(missing):
                watch()
                time.sleep(_WATCH_EVERY_S)
    except KeyboardInterrupt:
        interrupted = True
    except OSError as error:
        disk_is_full = is_disk_full(error, store.root)
        if not disk_is_full and not crew.is_lost:
            raise
    finally:
        crew.dismiss()
    if crew.is_lost:
        raise InputError(store.lost_message)
    watch()
    return outcome_of(plan, store, missing, interrupted, disk_is_full or crew.disk_is_full, crew.last_words())


class _Crew:
    """The processes of one run."""

    def __init__(self, store: Store, cell_ids: list[str]) -> None:
        self._store = store
        self._cell_ids = cell_ids
        self._run_id = new_run_id()
        self._folder = store.root / "jobs" / self._run_id
        self._jobs: list[Any] = []
        self._num_restarts = 0
        self._errors: list[Any] = []
        self._gpus = visible_gpus()
        self._is_supervised = False

    @property
    def disk_is_full(self) -> bool:
        """True when one of the processes met a full disk."""
        return self._is_supervised and not self.is_lost and not room_marker(self._store, self._run_id).exists()

    @property
    def is_lost(self) -> bool:
        """True when the store was removed or moved: nobody of the run takes away the file by which it is supervised.

        The folder of the run says nothing: processes that start make it anew.
        """
        return self._is_supervised and not supervisor_lock(self._store, self._run_id).exists()

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Hold the lock by which the processes see that this one is there; when it is gone, they save and leave."""
        self._folder.mkdir(mode=0o700)
        room_marker(self._store, self._run_id).touch()
        supervisor = supervisor_lock(self._store, self._run_id)
        supervisor.write_text(f"{os.uname().nodename} {os.getpid()}")
        with try_lock(supervisor) as held:
            assert held, "the run's name is new"
            self._is_supervised = True
            yield

    def start(self, num_workers: int) -> None:
        """Start the first processes."""
        for slot in range(num_workers):
            self._jobs.append(self._submit(slot))

    def keep_up(self, missing: Sequence[Cell]) -> bool:
        """Replace processes that died while there is work for them; False when all have ended and none is needed, or the store is gone."""
        if self.is_lost:
            return False
        ended = [slot for slot, job in enumerate(self._jobs) if job.done()]
        if ended and self._may_restart() and _has_open_work(missing, self._store):
            for slot in ended:
                self._note_error(self._jobs[slot])
                self._num_restarts += 1
                self._jobs[slot] = self._submit(slot)
            return True
        return len(ended) < len(self._jobs)

    def dismiss(self) -> None:
        """Let every process save and leave; one in the middle of a long step leaves by itself after it."""
        running = [job._process for job in self._jobs if not job.done()]
        for process in running:
            process.terminate()
        until = time.monotonic() + _LEAVE_WITHIN_S
        try:
            for process in running:
                process.wait(timeout=max(0.0, until - time.monotonic()))
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            return

    def last_words(self) -> str:
        """The last line of the log of a process that ended by an error of the harness."""
        for job in reversed(self._errors):
            lines = (job.stderr() or "").strip().splitlines()
            if lines:
                return str(lines[-1])
        return ""

    def _may_restart(self) -> bool:
        return self._num_restarts < _MAX_RESTARTS and len(self._errors) < _MAX_ERRORS and not self.disk_is_full

    def _note_error(self, job: Any) -> None:
        """A killed process leaves no result; one that leaves a result with work still open did so by an error."""
        if job.paths.result_pickle.exists():
            self._errors.append(job)

    def _submit(self, slot: int) -> Any:
        import submitit

        executor = submitit.LocalExecutor(folder=self._folder)
        executor.update_parameters(timeout_min=_YEAR_MIN)
        changes = unset_limits()
        if self._gpus:
            changes["SEGREPRO_GPU"] = self._gpus[slot % len(self._gpus)]
        with changed_environment(changes), _sheltered_from_terminal():
            return executor.submit(run_cells, str(self._store.root), self._cell_ids, self._run_id)


def visible_gpus() -> list[str]:
    """Names of the GPUs that the user has not hidden, found without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    return [str(number) for number in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def interrupt_local_runs(store: Store) -> int:
    """Let every run of this store on this machine save and leave; return how many there were."""
    told = 0
    for path in (store.root / "jobs").glob("*/supervisor"):
        host, _, process_id = path.read_text().partition(" ")
        if is_locked(path) and host == os.uname().nodename and process_id.isdecimal():
            os.kill(int(process_id), signal.SIGINT)
            told += 1
    return told


@contextmanager
def _sheltered_from_terminal() -> Iterator[None]:
    """Start processes that a Ctrl-C does not reach: submitit's controller would kill its worker a second later.

    The signal stays blocked in what is started here; a worker unblocks it when it is ready to save and stop.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def _on_signals(action: Callable[[], None]) -> Iterator[None]:
    """Call ``action`` on Ctrl-C and on a request to terminate; a second one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may
        return
    numbers = (signal.SIGINT, signal.SIGTERM)

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, lambda *_: _interrupt())
        action()

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_open_work(missing: Sequence[Cell], store: Store) -> bool:
    """True when a cell is neither finished nor failed nor blocked, and no process holds it."""
    listing = store.listing()
    for cell in missing:
        settled = cell.id in listing.failed or (listing.may_be_complete(cell) and store.is_complete(cell))
        if not settled and not (cell.id in listing.locks and store.is_claimed(cell.id)):
            return True
    return False


def outcome_of(
    plan: Plan,
    store: Store,
    missing: Sequence[Cell],
    interrupted: bool,
    disk_is_full: bool = False,
    last_words: str = "",
) -> Outcome:
    """Say what became of the cells that were ``missing`` at the start."""
    still_missing = plan.missing(store)
    failures = {cell.id: failure for cell in still_missing if (failure := store.failure(cell.id)) is not None}
    for state in cell_states(plan, store) if failures else ():
        if state.state == "blocked":
            failures.setdefault(state.cell.id, Failure("blocked", state.message, "", 0))
    unexplained = [cell for cell in still_missing if cell.id not in failures]
    full_is_told = any(failure.message == store.full_message for failure in failures.values())
    if disk_is_full and unexplained and not full_is_told:
        failures[unexplained.pop(0).id] = Failure("input", store.full_message, "", 0)
    if unexplained and not interrupted:
        kind = "blocked" if disk_is_full else "error"
        message = f"it was not reached; its processes ended early{': ' if last_words else ''}{last_words}"
        failures.update({cell.id: Failure(kind, message, "", 0) for cell in unexplained})
    return Outcome(len(plan), len(missing) - len(still_missing), failures, interrupted)
