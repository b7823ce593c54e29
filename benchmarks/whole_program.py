"""A program run as a whole, or a call: seconds, processor seconds, and memory of all its processes."""

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """What a program and its processes took."""

    seconds: float
    cpu_s: float
    peak_mib: float
    """Of all its processes together; pages that they share count in each."""


def run(words: list[str]) -> Usage:
    """Run a program, looking at the memory of its processes fifty times a second."""
    start, peak, before_s = time.perf_counter(), 0, _cpu_s_of_children()
    program = psutil.Popen(words, stdout=subprocess.DEVNULL)
    while program.poll() is None:
        resident = 0
        for process in [program, *program.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                resident += process.memory_info().rss
        peak = max(peak, resident)
        time.sleep(0.02)
    assert program.returncode == 0, words
    return Usage(time.perf_counter() - start, _cpu_s_of_children() - before_s, peak / 2**20)


def _cpu_s_of_children() -> float:
    """Return what all ended processes of this one have taken, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def load_before() -> float:
    """Return how many programs have wanted a core in the last minute: wall times mean little where it passes what is run here."""
    return round(os.getloadavg()[0], 1)
