"""The attempts at a cell, kept beside its work: who tried, how it ended, and what it cost, kills included."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from typing import Any

from reproductions.harness.files import write_note
from reproductions.harness.provenance import Stopwatch
from reproductions.harness.store import Store

Attempt = dict[str, Any]
"""``run``, ``host``, ``process``, ``started_utc``, ``wall_s``, ``cpu_s``, ``peak_memory_mib`` and ``outcome``: "running"
(or killed, when its process is gone), "stopped", "failed" or "finished"."""


class Attempts:
    """The attempts at one cell, the current one last. A killed attempt keeps the cost of its last :meth:`pulse`."""

    def __init__(self, store: Store, cell_id: str, run_id: str) -> None:
        self._work = store.work_folder(cell_id)
        self._run_id = run_id
        self._all = _read(store, cell_id)
        self._stopwatch: Stopwatch | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._all)

    def num_kills(self) -> int:
        """How many attempts of this run ended without a word."""
        return sum(1 for one in self._all if one["run"] == self._run_id and one["outcome"] == "running")

    def begin(self) -> None:
        """Start the clock of a new attempt."""
        self._stopwatch = Stopwatch()
        self._all.append(
            {"run": self._run_id, "host": os.uname().nodename, "process": os.getpid(), "outcome": "running"}
        )
        self._work.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.pulse()

    def pulse(self) -> None:
        """Write down what the current attempt has cost so far; called from another thread, once a second."""
        with self._lock:
            if self._stopwatch is not None:
                self._all[-1].update(self._stopwatch.read())
                self._write()

    def end(self, outcome: str) -> list[Attempt]:
        """Stop the clock and return every attempt."""
        with self._lock:
            if self._stopwatch is not None:  # else what came after its end went wrong
                self._all[-1].update(self._stopwatch.read())
                self._stopwatch = None
            self._all[-1]["outcome"] = outcome
            self._write()
            return self._all

    def _write(self) -> None:
        with suppress(OSError):  # bookkeeping must not hide what goes wrong on a full disk
            write_note(self._work / "attempts.json", json.dumps(self._all, indent=1).encode())


def _read(store: Store, cell_id: str) -> list[Attempt]:
    """Read the list; a torn one is only history."""
    try:
        loaded = json.loads((store.work_folder(cell_id) / "attempts.json").read_text())
        return [
            one
            for one in loaded
            if {"run", "outcome", "started_utc", "wall_s", "cpu_s", "peak_memory_mib"} <= one.keys()
        ]
    except (OSError, ValueError, TypeError, AttributeError):
        return []
