"""A worker: takes cells of a store one after another until none is left that it could do.

A worker gets a store and cell ids, nothing else, so that it can be started anywhere and any number of times. Workers
do not talk to each other; the lock of a cell decides who does it. What follows from an attempt that ends early is
written down in :mod:`reproductions.harness.policy`.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NoReturn

from methods.common.errors import InputError, NotFiniteError
from methods.common.stage import Inputs, Record
from methods.common.training.distributed import ALONE, Team, TeamLostError
from reproductions.harness import policy
from reproductions.harness.attempts import Attempt, Attempts, ExplainDeath
from reproductions.harness.cell import CellSpec, check_record
from reproductions.harness.context import CellContext, DeclaredSeeds, StopFlag, StopRequestedError
from reproductions.harness.files import is_disk_full
from reproductions.harness.lock import is_locked
from reproductions.harness.logs import cell_log
from reproductions.harness.provenance import code_state, provenance
from reproductions.harness.store import Failure, Listing, Store
from reproductions.harness.threads import limit_threads

_POLL_S = 0.1
_PULSE_S = 1.0
CHECKPOINT_EVERY_S = float(os.environ.get("SEGREPRO_CHECKPOINT_EVERY_S", "15"))
OUT_OF_MEMORY_STATUS = 125
"""Exit status of a process of a team that lacks memory, as of a step that SLURM ends for it: the others have to leave too."""
TEAM_LOST_STATUS = 124
"""Exit status of a process that has lost another one of its team; lower than what the other may have left with."""
CURVES_VARIABLE = "SEGREPRO_TENSORBOARD"
"""Environment variable with the folder in which trainings show their curves; it is no part of a cell, so it goes by the environment."""
_TORCH_DEFAULT_SEED = 67280421310721
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


def _leave_team(status: int) -> NoReturn:
    """End this process at once: the others hang in an exchange with it, and notice."""
    os._exit(status)


def _was_killed(attempt: Attempt) -> policy.Outcome:
    """Of a process of this machine that left no word nothing more is known."""
    return "killed"


class Worker:
    """Runs cells of one store in this process, or, as the first of a team, together with its other processes."""

    def __init__(
        self,
        store: Store,
        run_id: str,
        explain_death: ExplainDeath = _was_killed,
        why_stopped: Callable[[], policy.Outcome] = lambda: "stopped",
        team: Team = ALONE,
        logs_cells: bool = False,
        leave_team: Callable[[int], NoReturn] = _leave_team,
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.stop = StopFlag()
        self.disk_is_full = False
        self._explain_death = explain_death
        self._why_stopped = why_stopped
        self._team = team
        self._logs_cells = logs_cells
        self._leave_team = leave_team
        self._specs: dict[str, CellSpec] = {}
        self._finished: set[str] = set()
        self._attempts: Attempts | None = None

    def run(self, cell_ids: Sequence[str]) -> None:
        """Do what can be done of ``cell_ids``, most urgent first; wait for cells that others are doing."""
        code_state()
        waiting = {cell_id: spec for cell_id in cell_ids if (spec := self._read_spec(cell_id)) is not None}
        with self._pulse():
            try:
                while waiting and not self.stop.is_set:
                    if not self._one_pass(waiting):
                        time.sleep(_POLL_S)
            except OSError as error:
                if not is_disk_full(error, self.store.root):
                    raise
                self._stop_full()

    def _read_spec(self, cell_id: str) -> CellSpec | None:
        """Read a cell's spec; one that is damaged is that cell's failure only."""
        try:
            return self._specs.setdefault(cell_id, self.store.read_spec(cell_id))
        except ValueError as error:
            self.store.write_failure(cell_id, Failure("error", str(error), "", 0))
            return None

    def _one_pass(self, waiting: dict[str, CellSpec]) -> bool:
        """Drop settled cells, then do the first that is ready and free. True when something has changed."""
        listing = self.store.listing()
        num_waiting = len(waiting)
        for cell_id, spec in list(waiting.items()):
            if self._is_finished(spec, listing) or self._is_hopeless(spec, listing):
                del waiting[cell_id]
            elif all(self._is_there(needed, listing) for needed in spec.needs) and self._take(spec):
                return True
            if self.stop.is_set:
                break
        return len(waiting) < num_waiting

    def _is_finished(self, spec: CellSpec, listing: Listing) -> bool:
        if spec.id in self._finished:
            return True
        if listing.may_be_complete(spec) and self.store.is_complete(spec):
            self._finished.add(spec.id)
            return True
        return False

    def _is_there(self, cell_id: str, listing: Listing) -> bool:
        spec = self._specs.get(cell_id) or self._read_spec(cell_id)
        return spec is not None and self._is_finished(spec, listing)

    def _is_hopeless(self, spec: CellSpec, listing: Listing) -> bool:
        """True when the cell failed, or something that it needs did; the mark is passed down by a failure record."""
        if spec.id in listing.failed:
            return self.store.failure(spec.id) is not None
        for needed in spec.needs:
            failure = self.store.failure(needed) if needed in listing.failed else None
            if failure is None or self._is_there(needed, listing):
                continue
            label = self._specs[needed].label if needed in self._specs else needed[:12]
            cause = failure.message if failure.kind == "blocked" else f"needs {label}, which failed"
            self.store.write_failure(spec.id, Failure("blocked", cause, "", 0))
            return True
        return False

    def _take(self, spec: CellSpec) -> bool:
        """Do the cell if it is free and still to be done. True when it was attempted."""
        with self.store.claim(spec.id) as claimed:
            if not claimed or self.store.is_complete(spec) or self.store.failure(spec.id) is not None:
                return False
            lost = [needed for needed in spec.needs if not self.store.is_complete(self._specs[needed])]
            if lost:  # a run beside this one found them damaged; they come again
                self._finished.difference_update(lost)
                return False
            self._attempt(spec)
            return True

    def _attempt(self, spec: CellSpec) -> None:
        """Run one cell; record success, failure or interruption."""
        attempts = Attempts(self.store, spec.id, self.run_id)
        before = attempts.settle(self._explain_death)
        given_up = policy.verdict(before, self.run_id)
        if given_up is not None:
            self.store.write_failure(spec.id, Failure("error", given_up, "", len(attempts)))
            return
        with self._log_of(spec.id):
            self._attempt_once(spec, attempts, policy.batch_parts(before, self.run_id))

    def _log_of(self, cell_id: str) -> AbstractContextManager[None]:
        return cell_log(self.store, cell_id) if self._logs_cells else nullcontext()

    def _attempt_once(self, spec: CellSpec, attempts: Attempts, batch_parts: int) -> None:
        _log(f"begin {spec.label} ({spec.id[:12]}), attempt {len(attempts) + 1}")
        try:
            attempts.begin()
            self._attempts = attempts
            self._execute(spec, attempts, batch_parts)
            _log(f"finished {spec.label} ({spec.id[:12]})")
        except StopRequestedError:
            attempts.end(self._why_stopped())
            _log(f"stopped {spec.label} ({spec.id[:12]}); it goes on from its newest checkpoint")
        except TeamLostError as error:  # how the other one ended is found out by the next attempt
            _log(str(error))
            self._leave_team(TEAM_LOST_STATUS)
        except NotFiniteError as error:
            self._fail(spec, attempts, "not_finite", str(error), "")
        except InputError as error:
            self._fail(spec, attempts, "input", str(error), "")
        except (Exception, SystemExit) as error:
            self._end_by_error(spec, attempts, error)
        finally:
            self._attempts = None

    def _end_by_error(self, spec: CellSpec, attempts: Attempts, error: Exception | SystemExit) -> None:
        if is_disk_full(error, self.store.root):
            self._fail(spec, attempts, "input", self.store.full_message, "")
            self._stop_full()
        elif is_out_of_memory(error):
            before = attempts.end("out_of_memory")
            if self._team.size > 1:
                self._leave_team(OUT_OF_MEMORY_STATUS)
            _log(f"OUT OF MEMORY {spec.label} ({spec.id[:12]}): {_one_line(error)}")
            given_up = policy.verdict(before, self.run_id)
            if given_up is not None:
                trace = traceback.format_exc()
                self.store.write_failure(spec.id, Failure("error", given_up, trace, len(attempts)))
            _free_memory(error)
        else:
            self._fail(spec, attempts, "error", _one_line(error), traceback.format_exc())

    def _execute(self, spec: CellSpec, attempts: Attempts, batch_parts: int) -> None:
        _clear_leftovers(self.store.work_folder(spec.id))
        self._team.agree(batch_parts)
        record = self._run_stage(spec, batch_parts)
        check_record(record)
        _remove_parts(self.store.work_folder(spec.id) / "out")
        self._attempts = None  # no pulse may write into a folder that is being removed
        self.store.publish(spec, record, provenance(attempts.end("finished"), spec, self._team.size))

    def _run_stage(self, spec: CellSpec, batch_parts: int) -> Record:
        stage, config = spec.stage(), spec.config()
        _fix_global_randomness()
        seeds = DeclaredSeeds(declared=stage.seed_axes, **spec.identity["seeds"])
        context = CellContext(
            *(self.store, spec.id, seeds, stage.uses_gpu, self.stop, CHECKPOINT_EVERY_S, self._team, batch_parts),
            curves=_curves_folder(spec),
        )
        return stage.run(self._inputs(spec), config, context)

    def follow(self, cell_id: str) -> None:
        """Take part in the attempts of the team's first process at one cell, until it is done with it.

        What goes wrong here is the cell's failure; the job then ends for the whole team.
        """
        spec = self.store.read_spec(cell_id)
        for needed in spec.needs:
            self._specs[needed] = self.store.read_spec(needed)
        while batch_parts := int(self._team.agree(0)):
            with self._log_of(cell_id), suppress(StopRequestedError):
                self._follow_once(spec, batch_parts)

    def _follow_once(self, spec: CellSpec, batch_parts: int) -> None:
        try:
            self._run_stage(spec, batch_parts)
        except NotFiniteError:
            return  # the first process has met it too and tells
        except TeamLostError as error:
            _log(str(error))
            self._leave_team(TEAM_LOST_STATUS)
        except InputError as error:
            self.store.write_failure(spec.id, Failure("input", str(error), "", 0))
            raise
        except Exception as error:
            if is_out_of_memory(error):
                self._leave_team(OUT_OF_MEMORY_STATUS)
            self.store.write_failure(spec.id, Failure("error", _one_line(error), traceback.format_exc(), 0))
            raise

    def end_following(self) -> None:
        """Tell the other processes of the team that there is nothing more to do."""
        self._team.agree(0)

    def _inputs(self, spec: CellSpec) -> Inputs:
        roles: dict[str, list[Path]] = {
            role: [self.store.cell_folder(self._specs[cell_id]) for cell_id in ids]
            for role, ids in spec.identity["inputs"].items()
        }
        roles.update({role: [Path(place)] for role, place in spec.external.items()})
        return Inputs(roles)

    def _fail(self, spec: CellSpec, attempts: Attempts, kind: str, message: str, trace: str) -> None:
        attempts.end("not_finite" if kind == "not_finite" else "failed")
        self.store.write_failure(spec.id, Failure(kind, message, trace, len(attempts)))
        _log(f"FAILED {spec.label} ({spec.id[:12]}): {message}\n{trace}")

    def _stop_full(self) -> None:
        """Every other cell would meet the same end. Tell the supervising process by a removal: it needs no space."""
        self.disk_is_full = True
        room_marker(self.store, self.run_id).unlink(missing_ok=True)
        self.stop.set()

    @contextmanager
    def _pulse(self) -> Iterator[None]:
        """Once a second note what the attempt costs, and look whether the supervising process is still there."""
        supervisor = supervisor_lock(self.store, self.run_id)
        supervised = supervisor.exists()
        over = threading.Event()

        def beat() -> None:
            while True:
                if supervised and not is_locked(supervisor):
                    self.stop.set()
                if over.wait(_PULSE_S):
                    return
                if (attempts := self._attempts) is not None:
                    attempts.pulse()

        if supervised and not is_locked(supervisor):
            self.stop.set()
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def supervisor_lock(store: Store, run_id: str) -> Path:
    """Locked while the process that started a run lives; workers of a run without one are on their own."""
    return store.root / "jobs" / run_id / "supervisor"


def room_marker(store: Store, run_id: str) -> Path:
    """There while nobody in a run has met a full disk."""
    return store.root / "jobs" / run_id / "room"


def is_out_of_memory(error: BaseException) -> bool:
    """True for a lack of memory, of a GPU (torch tells) or of the machine, found without loading torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | OSError) and any(
        sign in str(error) for sign in ("CUDA out of memory", "can't allocate memory", "Cannot allocate memory")
    )


def _free_memory(error: BaseException) -> None:
    """Let go of what the failed attempt held, before the next one."""
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
        sys.modules["torch"].cuda.empty_cache()


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _log(text: str) -> None:
    with suppress(OSError):  # the log may lie on the disk that is full
        print(text, file=sys.stderr, flush=True)


def _clear_leftovers(work: Path) -> None:
    """Without a checkpoint to go on from, files of an earlier attempt have no use and could be sealed by mistake.

    Half-written files of a killed process are of no use in any case. The caller holds the cell's lock.
    """
    _remove_parts(work)
    if not any((work / "checkpoints").glob("step-*")):
        shutil.rmtree(work / "out", ignore_errors=True)


def _remove_parts(folder: Path) -> None:
    for path in folder.rglob(".*.part"):
        path.unlink(missing_ok=True)


def _curves_folder(spec: CellSpec) -> Path | None:
    """Where a training shows its curves: a folder by its label, with digits of its id, as other settings make another curve."""
    place = os.environ.get(CURVES_VARIABLE)
    return Path(place) / f"{spec.label}-{spec.id[:8]}" if place else None


def _fix_global_randomness() -> None:
    """Give every attempt the same global generators, whatever ran before it in this process.

    Stages draw from their seeds only. Should a library draw from a global generator all the same, then the result
    must at least not depend on the order of cells; the values are those of a process that has just loaded torch.
    """
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.default_generator.manual_seed(_TORCH_DEFAULT_SEED)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(_TORCH_DEFAULT_SEED)


def run_cells(store_root: str, cell_ids: Sequence[str], run_id: str) -> None:
    """Entry point of a job: few threads, stop on the usual signals and when the supervising process is gone."""
    if "SEGREPRO_GPU" in os.environ:  # a name that submitit, which numbers them, could not pass on
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["SEGREPRO_GPU"]
    worker = Worker(Store(Path(store_root)), run_id, logs_cells=True)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: worker.stop.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    limit_threads()
    worker.run(cell_ids)
