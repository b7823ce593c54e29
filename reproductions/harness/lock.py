"""Locks on files. The operating system lets go of one when its holder ends, however it ends.

A lock belongs to an open file, not to a process: a process that holds one and looks again through a second opening
finds it held. ``flock`` works on local disks, NFS and (mounted with ``-o flock``) Lustre.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held: set[int] = set()
_PEEK_S = 0.002


def _let_go_in_child() -> None:
    """Close inherited locks: a forked data loader that outlives its killed parent must not keep them."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Try to lock the file for the length of the block; yields False when it is held elsewhere."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    _held.add(descriptor)
    try:
        yield _lock(descriptor) or _lock_after_peek(descriptor)
    finally:
        if descriptor in _held:  # not in a child forked within the block
            _held.discard(descriptor)
            os.close(descriptor)


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Lock the file for the length of the block, after all who hold it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    _held.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor in _held:
            _held.discard(descriptor)
            os.close(descriptor)


def is_locked(path: Path) -> bool:
    """True while someone, this process included, holds the lock. Looking shares the lock for a microsecond."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_after_peek(descriptor: int) -> bool:
    """Try once more: it may only have been :func:`is_locked` of another process."""
    time.sleep(_PEEK_S)
    return _lock(descriptor)
