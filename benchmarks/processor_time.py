"""Processor time of a call, for machines where other work makes the clock lie."""

import time
from collections.abc import Callable


def processor_s(run: Callable[[], object], rounds: int) -> float:
    """Least processor time of a call."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)
