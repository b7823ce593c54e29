"""How many cores there are, and one thread a process, without loading the libraries that would start more.

Several torch threads on a shared machine can be many times slower than one; OMP_NUM_THREADS overrides.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "RAYON_NUM_THREADS",
)


def num_threads() -> int:
    """Threads that a process may use: OMP_NUM_THREADS, or one."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() and int(value) > 0 else 1


def num_cores() -> int:
    """Cores that this process may use, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unset_limits() -> dict[str, str]:
    """What libraries read when they are loaded, as far as the user has not set it."""
    threads = str(num_threads())
    return {name: threads for name in _VARIABLES if name not in os.environ}


def limit_threads() -> None:
    """Limit this process: libraries still to come through the environment, those already loaded directly."""
    os.environ.update(unset_limits())
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(num_threads())
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(num_threads())


@contextmanager
def changed_environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change this process's environment for the length of the block, for children started in it."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
