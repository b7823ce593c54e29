"""What the harness gives a running stage: folder, seeds, device, checkpoints, progress, and the order to stop."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.seeds import Axis, Seeds
from methods.common.training.distributed import ALONE, Team
from reproductions.harness.files import write_note
from reproductions.harness.store import Store

if TYPE_CHECKING:
    import torch

    from methods.common.state_file import Checkpoints

_PROGRESS_EVERY_S = 0.5
_GRACE_S = 5.0
"""How long a stage that saves checkpoints may still go on to its next one after the order to stop."""


class StopRequestedError(BaseException):
    """The process was asked to stop. Not an ``Exception``: no stage may swallow it."""


class DeclaredSeeds(Seeds):
    """The seeds of the axes that a stage has declared. Another axis is not in its identity and must not decide anything."""

    declared: tuple[Axis, ...] = ()

    def derive(self, axis: Axis, *parts: str | int) -> int:
        """Derive the seed of one stream of a declared axis."""
        assert axis in self.declared, f"the stage draws from the {axis!r} seeds but does not list them in seed_axes"
        return super().derive(axis, *parts)


class StopFlag:
    """Set by a signal handler; looked at by the running stage between two steps."""

    def __init__(self) -> None:
        self.is_set = False
        self.save_is_asked = False

    def set(self) -> None:
        """Ask the running stage to save and stop."""
        self.is_set = True

    def ask_to_save(self) -> None:
        """Ask the running stage to save soon and go on: it may be killed before long."""
        self.save_is_asked = True


class CellContext:
    """The context of one attempt at one cell; see :class:`methods.common.stage.Context`."""

    def __init__(
        self,
        store: Store,
        cell_id: str,
        seeds: Seeds,
        uses_gpu: bool,
        stop: StopFlag,
        checkpoint_every_s: float,
        team: Team = ALONE,
        batch_parts: int = 1,
        curves: Path | None = None,
    ) -> None:
        self.seeds = seeds
        self.team = team
        self.batch_parts = batch_parts
        self.curves = curves
        self._work = store.work_folder(cell_id)
        self._uses_gpu = uses_gpu
        self._stop = stop
        self._checkpoint_every_s = checkpoint_every_s
        self._checkpointed = self._reported = self._started = time.monotonic()
        self._saves = False
        self._stop_seen: float | None = None
        self._asked_since_stop = False
        self._first_done: int | None = None
        self.out.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def out(self) -> Path:
        """The work folder that becomes the finished cell."""
        return self._work / "out"

    @property
    def device(self) -> torch.device:
        """The GPU for stages that use one, where there is one; else the CPU."""
        import torch

        return torch.device("cuda" if self._uses_gpu and torch.cuda.is_available() else "cpu")

    @property
    def checkpoints(self) -> Checkpoints:
        """Checkpoints in the work folder; they go when the cell is finished."""
        from methods.common.state_file import Checkpoints

        return Checkpoints(self._work / "checkpoints")

    def checkpoint_due(self) -> bool:
        """True from time to time, and at once when the process was asked to stop; a team does as its first process says."""
        self._saves = True
        due = bool(self.team.agree(float(self._is_due())))
        if due:
            self._checkpointed = time.monotonic()
        return due

    def _is_due(self) -> bool:
        if self._stop.is_set:
            self._asked_since_stop = True
            return True
        if self._stop.save_is_asked:
            self._stop.save_is_asked = False
            return True
        return time.monotonic() - self._checkpointed >= self._checkpoint_every_s

    def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        """Leave a progress note for `status`, at most twice a second.

        Raises:
            StopRequestedError: the process was asked to stop, and the stage has had its chance to save.
        """
        now = time.monotonic()
        if self.team.agree(float(self._stop.is_set and self._has_had_its_chance(now))):
            raise StopRequestedError
        if self._first_done is None:
            self._first_done = done
        if self.team.is_first and (now - self._reported >= _PROGRESS_EVERY_S or done >= total):
            self._reported = now
            finite = {name: float(value) if math.isfinite(value) else None for name, value in numbers.items()}
            note = {"done": done, "total": total, "unit": unit, "elapsed_s": round(now - self._started, 1)}
            write_note(
                self._work / "progress.json",
                json.dumps({**note, "from": self._first_done, "numbers": finite}).encode(),
            )

    def _has_had_its_chance(self, now: float) -> bool:
        """True unless the stage saves checkpoints and has not been told yet that one is due."""
        if self._stop_seen is None:
            self._stop_seen = now
        return not self._saves or self._asked_since_stop or now - self._stop_seen > _GRACE_S


def read_progress(store: Store, cell_id: str) -> dict[str, Any] | None:
    """Return the newest progress note of an unfinished cell, or None."""
    try:
        loaded: dict[str, Any] = json.loads((store.work_folder(cell_id) / "progress.json").read_text())
        return loaded if {"done", "total", "unit", "numbers"} <= loaded.keys() else None
    except (OSError, ValueError, AttributeError):
        return None
