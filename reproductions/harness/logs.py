"""What the attempts at a cell printed: one file a cell, whatever process made it, libraries and crashes included."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reproductions.harness.store import Store

_MAX_BYTES = 16 << 20
"""A log beyond this size begins anew; a stage that prints without end must not fill the disk."""


def log_path(store: Store, cell_id: str) -> Path:
    """Where the log of a cell is."""
    return store.root / "logs" / f"{cell_id}.log"


@contextmanager
def cell_log(store: Store, cell_id: str) -> Iterator[None]:
    """Send everything that this process prints within the block, at the level of file descriptors, to the cell's log."""
    path = log_path(store, cell_id)
    try:
        is_long = path.stat().st_size > _MAX_BYTES if path.exists() else False
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if is_long else 0), 0o600)
    except OSError:  # a full disk, or a store of before; the cell matters more than its log
        yield
        return
    _flush()
    before = os.dup(1), os.dup(2)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    try:
        yield
    finally:
        _flush()
        for number, saved in enumerate(before, start=1):
            os.dup2(saved, number)
            os.close(saved)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
