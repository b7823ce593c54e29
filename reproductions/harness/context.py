"""What the harness gives a running stage: folder, seeds, device, checkpoints, progress, and the order to stop."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.seeds import Seeds
from reproductions.harness.store import Store

if TYPE_CHECKING:
    import torch

    from methods.common.state_file import Checkpoints

_PROGRESS_EVERY_S = 0.5


class StopRequestedError(BaseException):
    """The process was asked to stop. Not an ``Exception``: no stage may swallow it."""


class StopFlag:
    """Set by a signal handler; looked at by the running stage between two steps."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        """Ask the running stage to save and stop."""
        self.is_set = True


class CellContext:
    """The context of one attempt at one cell; see :class:`methods.common.stage.Context`."""

    def __init__(
        self, store: Store, cell_id: str, seeds: Seeds, uses_gpu: bool, stop: StopFlag, checkpoint_every_s: float
    ) -> None:
        self.seeds = seeds
        self._work = store.work_folder(cell_id)
        self._uses_gpu = uses_gpu
        self._stop = stop
        self._checkpoint_every_s = checkpoint_every_s
        self._checkpointed = self._reported = self._started = time.monotonic()
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
        """True from time to time, and at once when the process was asked to stop."""
        if not self._stop.is_set and time.monotonic() - self._checkpointed < self._checkpoint_every_s:
            return False
        self._checkpointed = time.monotonic()
        return True

    def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        """Leave a progress note for `status`, at most twice a second.

        Raises:
            StopRequestedError: the process was asked to stop.
        """
        if self._stop.is_set:
            raise StopRequestedError
        now = time.monotonic()
        if now - self._reported >= _PROGRESS_EVERY_S or done >= total:
            self._reported = now
            note = {"done": done, "total": total, "unit": unit, "elapsed_s": round(now - self._started, 1)}
            aside = self._work / ".progress.part"
            aside.write_text(json.dumps({**note, "numbers": {name: float(value) for name, value in numbers.items()}}))
            aside.replace(self._work / "progress.json")


def read_progress(store: Store, cell_id: str) -> dict[str, Any] | None:
    """Return the newest progress note of an unfinished cell, or None."""
    try:
        loaded: dict[str, Any] = json.loads((store.work_folder(cell_id) / "progress.json").read_text())
    except (OSError, ValueError):
        return None
    return loaded
