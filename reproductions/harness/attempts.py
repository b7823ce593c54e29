"""The attempts at a cell, kept beside its work: who tried, how it ended, and what it cost, kills included."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reproductions.harness.files import write_note
from reproductions.harness.policy import Outcome
from reproductions.harness.provenance import Stopwatch
from reproductions.harness.store import Store

Attempt = dict[str, Any]
"""``run``, ``host``, ``process``, ``job`` (SLURM's id, or None), ``restart`` (how often SLURM had restarted that job),
``started_utc``, ``wall_s``, ``cpu_s``, ``peak_memory_mib``, ``step`` (of the newest checkpoint when it ended) and ``outcome``
(:data:`reproductions.harness.policy.Outcome`; "running" until somebody knows better)."""

ExplainDeath = Callable[[Attempt], Outcome]
"""Says how an attempt ended that left no word."""


class Attempts:
    """The attempts at one cell, the current one last. A killed attempt keeps the cost of its last :meth:`pulse`."""

    def __init__(self, store: Store, cell_id: str, run_id: str) -> None:
        self._work = store.work_folder(cell_id)
        self._run_id = run_id
        self._all = read_attempts(store, cell_id)
        self._stopwatch: Stopwatch | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._all)

    def settle(self, explain_death: ExplainDeath) -> list[Attempt]:
        """Write down how attempts ended that left no word; return all. The caller holds the cell's lock."""
        silent = [one for one in self._all if one["outcome"] == "running"]
        for one in silent:
            one.update(outcome=explain_death(one), step=newest_step(self._work))
        if silent:
            self._write()
        return self._all

    def begin(self) -> None:
        """Start the clock of a new attempt."""
        self._stopwatch = Stopwatch()
        self._all.append({"run": self._run_id, **place(), "outcome": "running"})
        self._work.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.pulse()

    def pulse(self) -> None:
        """Write down what the current attempt has cost so far; called from another thread, once a second."""
        with self._lock:
            if self._stopwatch is not None:
                self._all[-1].update(self._stopwatch.read())
                self._write()

    def end(self, outcome: Outcome) -> list[Attempt]:
        """Stop the clock and return every attempt."""
        with self._lock:
            if self._stopwatch is not None:  # else what came after its end went wrong
                self._all[-1].update(self._stopwatch.read())
                self._stopwatch = None
            self._all[-1].update(outcome=outcome, step=newest_step(self._work))
            self._write()
            return self._all

    def _write(self) -> None:
        with suppress(OSError):  # bookkeeping must not hide what goes wrong on a full disk
            write_note(self._work / "attempts.json", json.dumps(self._all, indent=1).encode())


def place() -> dict[str, Any]:
    """Say where this process runs: host (the node's own name on a cluster), process, job."""
    host = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    restart = os.environ.get("SLURM_RESTART_COUNT", "0")
    return {"host": host, "process": os.getpid(), "job": job_id(), "restart": int(restart)}


def job_id() -> str | None:
    """Return the SLURM job that this process belongs to, as scontrol takes it."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def newest_step(work: os.PathLike[str]) -> int:
    """Return the step of the newest checkpoint in a work folder, 0 without any."""
    try:
        names = os.listdir(os.path.join(work, "checkpoints"))  # noqa: PTH118, PTH208 - names only
    except OSError:
        return 0
    steps = [name[5:14] for name in names if name.startswith("step-")]
    return max((int(step) for step in steps if step.isdecimal()), default=0)


def read_attempts(store: Store, cell_id: str) -> list[Attempt]:
    """Read the attempts at an unfinished cell; a torn list is only history."""
    try:
        loaded = json.loads((store.work_folder(cell_id) / "attempts.json").read_text())
        return [
            one
            for one in loaded
            if {"run", "outcome", "started_utc", "wall_s", "cpu_s", "peak_memory_mib"} <= one.keys()
        ]
    except (OSError, ValueError, TypeError, AttributeError):
        return []
