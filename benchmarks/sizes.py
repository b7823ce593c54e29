"""How large the problems are: small by default, so that all benchmarks take minutes; as documents quote them with `--full-size`."""

import os

FULL_SIZE = "SEGREPRO_BENCH_FULL_SIZE"
"""Set by `--full-size` before the files of benchmarks are read."""


def size(usual: int, full: int) -> int:
    """Return the size to take."""
    return full if FULL_SIZE in os.environ else usual
