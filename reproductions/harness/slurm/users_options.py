"""Variables with which users set options of every sbatch: they go before what a batch script says, so what is set here hides them.

Source: sbatch's manual page, "Input environment variables".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_PREFIX = "SBATCH_"
_OTHER_NAMES = {
    "time": ("TIMELIMIT",),
    "array": ("ARRAY_INX",),
    "requeue": ("REQUEUE", "NO_REQUEUE"),
    "mem": ("MEM_PER_NODE", "MEM_PER_CPU", "MEM_PER_GPU"),
    "gpus-per-node": ("GPUS_PER_NODE", "GPUS", "GPUS_PER_TASK"),
}
"""Variables of an option that are not called like it."""
_ALWAYS = ("array", "requeue", "signal", "open-mode", "output", "error", "wait", "parsable", "test-only", "delay-boot")
"""Options on which the launcher relies whatever a batch asks for."""


def partition_of_user() -> str | None:
    """Return the partition that the user's sbatch takes where none is named, if there is such a variable."""
    return os.environ.get(f"{_PREFIX}PARTITION") or None


@contextmanager
def hidden(options: Iterable[str]) -> Iterator[None]:
    """Hide the variables of some options, and of those on which the launcher relies, from commands that are started inside.

    Args:
        options: long names, with dashes or underscores.
    """
    plain = {option.replace("_", "-") for option in options}.union(_ALWAYS)
    names = {
        f"{_PREFIX}{name}" for option in plain for name in _OTHER_NAMES.get(option, (option.upper().replace("-", "_"),))
    }
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
