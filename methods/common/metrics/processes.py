"""Worker processes: how they begin, and that they end with whoever started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import ForkContext, ForkServerContext
from pathlib import Path
from typing import Any

from methods.common.errors import InputError

_THREADS = Path("/proc/self/task")
_MOMENT_S = 0.02


def start_method(preload: Sequence[str]) -> ForkContext | ForkServerContext:
    """Return how to start processes: as copies of this one where that is safe, which takes no time, else afresh.

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


@contextmanager
def process_pool(
    num_processes: int, preload: Sequence[str], prepare: Callable[..., object] | None = None, *arguments: Any
) -> Generator[ProcessPoolExecutor]:
    """Start processes and wait for them at the end; an exception ends them at once, whatever they work on.

    Args:
        num_processes: at least 1.
        preload: see :func:`start_method`.
        prepare: called once in each process before its first work.
        *arguments: what it is called with.

    Raises:
        InputError: a process was killed.
    """
    with ProcessPoolExecutor(num_processes, start_method(preload), _begin, (prepare, arguments)) as pool:
        try:
            yield pool
        except BaseException as error:
            _end_at_once(pool)
            if isinstance(error, BrokenProcessPool):
                raise InputError(
                    "a worker process was killed, perhaps because memory ran out; run it again with fewer processes"
                ) from error
            raise
        pool.shutdown(cancel_futures=True)


def _end_at_once(pool: ProcessPoolExecutor) -> None:
    """Drop what has not begun, then kill the workers. The pool's own thread gets a moment for the first, or it would complain."""
    workers = list((getattr(pool, "_processes", None) or {}).values())  # no public way before Python 3.14
    pool.shutdown(wait=False, cancel_futures=True)
    time.sleep(_MOMENT_S)
    for worker in workers:
        worker.kill()


def _begin(prepare: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    end_with_parent()
    if prepare is not None:
        prepare(*arguments)


def end_with_parent() -> None:
    """Make this process end, without a word, when it is interrupted or when the process that started it has ended, however that was."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
