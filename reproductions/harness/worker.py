"""A worker: takes cells of a store one after another until none is left that it could do.

A worker gets a store and cell ids, nothing else, so that it can be started anywhere and any number of times. Workers
do not talk to each other; the lock of a cell decides who does it.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.stage import Inputs
from reproductions.harness.cell import CellSpec, canonical_json
from reproductions.harness.context import CellContext, StopFlag, StopRequestedError
from reproductions.harness.files import write_json
from reproductions.harness.provenance import Stopwatch, provenance
from reproductions.harness.store import Failure, Store

_POLL_S = 0.1
_MAX_KILLS_PER_RUN = 3
"""A cell whose process died this often within one run is given up: it would take down worker after worker."""
CHECKPOINT_EVERY_S = float(os.environ.get("SEGREPRO_CHECKPOINT_EVERY_S", "15"))


class Worker:
    """Runs cells of one store in this process."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.stop = StopFlag()

    def run(self, cell_ids: Sequence[str]) -> None:
        """Do what can be done of ``cell_ids``, most urgent first; wait for cells that others are doing."""
        waiting = {cell_id: self.store.read_spec(cell_id) for cell_id in cell_ids}
        finished: set[str] = set()
        while waiting and not self.stop.is_set:
            if not self._one_pass(waiting, finished):
                time.sleep(_POLL_S)

    def _one_pass(self, waiting: dict[str, CellSpec], finished: set[str]) -> bool:
        """Drop settled cells, then do the first that is ready and free. True when something was done."""
        for cell_id, spec in list(waiting.items()):
            if self.store.is_complete(spec):
                finished.add(cell_id)
                del waiting[cell_id]
            elif self._is_hopeless(spec):
                del waiting[cell_id]
            elif all(needed in finished or self._is_finished(needed, finished) for needed in spec.needs):
                with self.store.claim(cell_id) as claimed:
                    if claimed and not self.store.is_complete(spec) and self.store.failure(cell_id) is None:
                        self._attempt(spec)
                        return True
        return False

    def _is_finished(self, cell_id: str, finished: set[str]) -> bool:
        if self.store.is_complete(self.store.read_spec(cell_id)):
            finished.add(cell_id)
            return True
        return False

    def _is_hopeless(self, spec: CellSpec) -> bool:
        """True when the cell failed, or something that it needs did; the mark is passed down by a failure record."""
        if self.store.failure(spec.id) is not None:
            return True
        for needed in spec.needs:
            if self.store.failure(needed) is not None:
                blocked = Failure("blocked", f"needs {self.store.read_spec(needed).label}, which failed", "", 0)
                self.store.write_failure(spec.id, blocked)
                return True
        return False

    def _attempt(self, spec: CellSpec) -> None:
        """Run one cell; record success, failure or interruption."""
        attempts = _begin_attempt(self.store, spec, self.run_id)
        kills = sum(1 for attempt in attempts[:-1] if attempt["run"] == self.run_id and attempt["outcome"] == "running")
        if kills >= _MAX_KILLS_PER_RUN:
            message = f"its process was killed {kills} times in one run (out of memory?); see the logs in {self.store.root / 'jobs'}"
            self.store.write_failure(spec.id, Failure("error", message, "", len(attempts)))
            return
        try:
            self._execute(spec, attempts)
        except StopRequestedError:
            _end_attempt(self.store, spec, attempts, "stopped")
        except InputError as error:
            self._fail(spec, attempts, "input", str(error), "")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                self._fail(spec, attempts, "error", _one_line(error), traceback.format_exc())
                return
            full = f"no space left for {spec.label} in the store {self.store.root}: free some and run the same command again"
            self._fail(spec, attempts, "input", full, "")
            self.stop.set()  # every other cell would meet the same end
        except Exception as error:
            self._fail(spec, attempts, "error", _one_line(error), traceback.format_exc())

    def _execute(self, spec: CellSpec, attempts: list[dict[str, Any]]) -> None:
        stage = spec.stage()
        config = stage.config_type.model_validate(spec.identity["config"])
        seeds = Seeds(**{**spec.seeds, **spec.identity["seeds"]})
        stopwatch = Stopwatch()
        _clear_leftovers(self.store.work_folder(spec.id))
        context = CellContext(self.store, spec.id, seeds, stage.uses_gpu, self.stop, CHECKPOINT_EVERY_S)
        record = stage.run(self._inputs(spec), config, context)
        canonical_json(record)  # NaN or a foreign type must surface here, not when a report is made
        _remove_parts(context.out)
        attempts[-1]["outcome"] = "finished"
        self.store.publish(spec, record, provenance(stopwatch, attempts))

    def _inputs(self, spec: CellSpec) -> Inputs:
        roles: dict[str, list[Path]] = {
            role: [self.store.cell_folder(self.store.read_spec(cell_id)) for cell_id in ids]
            for role, ids in spec.identity["inputs"].items()
        }
        roles.update({role: [Path(place)] for role, place in spec.external.items()})
        return Inputs(roles)

    def _fail(self, spec: CellSpec, attempts: list[dict[str, Any]], kind: str, message: str, trace: str) -> None:
        print(f"FAILED {spec.label} ({spec.id[:12]}): {message}\n{trace}", file=sys.stderr, flush=True)
        self.store.write_failure(spec.id, Failure(kind, message, trace, len(attempts)))
        _end_attempt(self.store, spec, attempts, "failed")


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _begin_attempt(store: Store, spec: CellSpec, run_id: str) -> list[dict[str, Any]]:
    """Append an attempt to the list beside the cell's work and return the list."""
    import json

    path = store.work_folder(spec.id) / "attempts.json"
    try:
        attempts: list[dict[str, Any]] = json.loads(path.read_text())
    except (OSError, ValueError):
        attempts = []
    stopwatch = Stopwatch()
    attempts.append(
        {"run": run_id, "started_utc": stopwatch.started_utc, "host": os.uname().nodename, "outcome": "running"}
    )
    _write_if_possible(path, attempts)
    return attempts


def _end_attempt(store: Store, spec: CellSpec, attempts: list[dict[str, Any]], outcome: str) -> None:
    attempts[-1]["outcome"] = outcome
    _write_if_possible(store.work_folder(spec.id) / "attempts.json", attempts)


def _write_if_possible(path: Path, value: Any) -> None:
    """Bookkeeping must not hide the error behind it when the disk is full."""
    try:
        write_json(path, value)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def _clear_leftovers(work: Path) -> None:
    """Without a checkpoint to go on from, files of an earlier attempt have no use and could be sealed by mistake."""
    if not any((work / "checkpoints").glob("step-*")):
        shutil.rmtree(work / "out", ignore_errors=True)


def _remove_parts(folder: Path) -> None:
    for path in folder.rglob(".*.part"):
        path.unlink(missing_ok=True)


def run_cells(store_root: str, cell_ids: Sequence[str], run_id: str) -> None:
    """Entry point of a job: one thread, stop on the usual signals, stop when the supervising process is gone."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    store = Store(Path(store_root))
    worker = Worker(store, run_id)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda *_: worker.stop.set())
    supervisor = os.environ.get("SEGREPRO_SUPERVISOR")
    if supervisor is not None:
        threading.Thread(target=_follow_supervisor, args=(int(supervisor), worker.stop), daemon=True).start()
    _limit_threads()
    worker.run(cell_ids)


def _limit_threads() -> None:
    """Several torch threads on a shared machine can be many times slower than one; OMP_NUM_THREADS overrides."""
    import cv2
    import torch

    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def _follow_supervisor(process_id: int, stop: StopFlag) -> None:
    while Path(f"/proc/{process_id}").exists():
        time.sleep(1.0)
    stop.set()
