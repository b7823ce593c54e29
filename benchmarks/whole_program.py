"""A program run as a whole, or a call: seconds, processor seconds, and memory of all its processes."""

import contextlib
import os
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
    """Run a program, looking at its processes twenty times a second."""
    start, peak, cpu_s = time.perf_counter(), 0, {}
    program = psutil.Popen(words, stdout=subprocess.DEVNULL)
    while program.poll() is None:
        resident = 0
        for process in [program, *program.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                resident += process.memory_info().rss
                cpu_s[process.pid] = sum(process.cpu_times()[:2])
        peak = max(peak, resident)
        time.sleep(0.05)
    assert program.returncode == 0, words
    return Usage(time.perf_counter() - start, sum(cpu_s.values()), peak / 2**20)


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def load_before() -> float:
    """Return how many programs have wanted a core in the last minute: wall times mean little where it passes what is run here."""
    return round(os.getloadavg()[0], 1)
