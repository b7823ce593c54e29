"""How worker processes begin: as copies of this one where that is safe, which takes no time, else afresh."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from multiprocessing.context import ForkContext, ForkServerContext
from pathlib import Path

_THREADS = Path("/proc/self/task")


def start_method(preload: Sequence[str]) -> ForkContext | ForkServerContext:
    """Return how to start processes.

    A process with one thread can be copied (fork), with all modules that it has loaded. With more threads, those of libraries
    counted, a copy could wait forever for a lock that another thread held; then a fresh process loads modules and is copied.

    Args:
        preload: modules that the fresh process loads.
    """
    if _has_one_thread():
        return multiprocessing.get_context("fork")
    method = multiprocessing.get_context("forkserver")
    method.set_forkserver_preload(["__main__", *preload])
    return method


def _has_one_thread() -> bool:
    """Count the threads of the operating system where it tells (Linux); elsewhere a copy is never safe."""
    return threading.active_count() == 1 and _THREADS.is_dir() and len(os.listdir(_THREADS)) == 1  # noqa: PTH208
