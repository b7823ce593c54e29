"""Curves of a running training as TensorBoard shows them, where somebody asked for them.

Every attempt writes the whole history anew and empties what the attempt before wrote, so no point is there twice and the points of steps
that a kill undid are gone. Without a folder nothing is loaded and nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from methods.common.errors import InputError

_EVENTS = "events.out.tfevents.*"
_FLUSH_S = 5


class LiveCurves:
    """Event files of one training in a folder of its own."""

    def __init__(self, folder: Path, first_iteration: int) -> None:
        """Begin anew.

        Args:
            folder: is made where it is not there; event files in it are emptied.
            first_iteration: number of the first iteration.

        Raises:
            InputError: TensorBoard's package is not installed.
        """
        require_tensorboard()
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob(_EVENTS):
            stale.write_bytes(b"")  # not removed: a TensorBoard that reads it would look for it for ever
        self._events: Any = event_pb2
        self._first = first_iteration
        self._writer = EventFileWriter(str(folder), flush_secs=_FLUSH_S)
        # A TensorBoard that is open forgets what it has read of this training.
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._writer.add_event(event_pb2.Event(wall_time=time.time(), step=first_iteration, session_log=start))

    def add(self, number: int, values: Mapping[str, float]) -> None:
        """Write down one iteration.

        Args:
            number: how many there were before it.
            values: by the names of the columns of a history.
        """
        event = self._events.Event(wall_time=time.time(), step=self._first + number)
        for name, value in values.items():
            event.summary.value.add(tag=name, simple_value=value)
        self._writer.add_event(event)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def require_tensorboard() -> None:
    """Make sure that TensorBoard's package is there.

    Raises:
        InputError: it is not.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise InputError(
            "curves for TensorBoard need the package tensorboard; install it with `pip install 'segrepro[tensorboard]'`, or leave "
            "--tensorboard out: every training keeps its history.parquet all the same"
        ) from error


@contextmanager
def live_curves(folder: Path | None, first_iteration: int) -> Iterator[LiveCurves | None]:
    """Give curves into a folder until the end of a block; None without a folder."""
    if folder is None:
        yield None
        return
    curves = LiveCurves(folder, first_iteration)
    try:
        yield curves
    finally:
        curves.close()
