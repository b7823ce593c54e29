"""How ``pytest -n`` shares the tests out: in which order, and what one process runs as a whole.

Long work starts first, so that the small files fill up the end; xdist's own order, most tests first, leaves files of few long tests for
the end, where one process works alone. What waits most of the time (a cluster) runs beside what computes.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

_ORDER = (
    "tests/harness/slurm/test_disturbances.py",
    "tests/contracts/",
    "tests/e2e/",
    "tests/harness/slurm/",
    "tests/harness/",
    "tests/parity/",
)
"""What comes first, by the beginning of a test's name; the rest comes last."""
_BY_PAPER = re.compile(r"(tests/contracts/test_stages\.py)::\w+\[(\w+): ")
"""Tests of one file that share a paper's smoke run, and nothing with those of another paper."""
_ONE_CLUSTER = re.compile(r"tests/harness/slurm/(?!test_disturbances)")
"""Files that share one cluster; the longest file has its own."""


def place_of(test: str) -> int:
    """Return where in the order a test comes."""
    return next((place for place, start in enumerate(_ORDER) if test.startswith(start)), len(_ORDER))


def unit_of(test: str) -> str:
    """Name what one process runs as a whole: a file, a paper's part of it, or the files that share a cluster."""
    if found := _BY_PAPER.match(test):
        return f"{found[1]}: {found[2]}"
    if found := _ONE_CLUSTER.match(test):
        return found[0]
    return test.partition("::")[0]


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what gives a process one unit after another, in the order in which they were collected."""
    from xdist.scheduler import LoadFileScheduling

    class ByUnit(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

    config.option.loadscopereorder = False
    return ByUnit(config, log)
