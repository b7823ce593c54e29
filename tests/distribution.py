"""How `pytest -n` shares the tests out: whole files, in the order of their folders, and what every paper has by paper.

The folders whose files take minutes (contracts, end to end, harness) come first, so that the small files of the others fill up the end.
xdist's own order, most tests first, leaves files of few long tests for the end, where one process works alone.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

_BY_PAPER = re.compile(r"(tests/contracts/test_stages\.py)::\w+\[(\w+): ")
"""Tests of one file that share a paper's smoke run, and nothing with those of another paper."""


def unit_of(test: str) -> str:
    """Name what one process runs as a whole: the test's file, or the file and the paper."""
    found = _BY_PAPER.match(test)
    return f"{found[1]}: {found[2]}" if found else test.partition("::")[0]


class ByFileAndPaper(LoadFileScheduling):
    """Gives a process one file after another, in the order in which they were found."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
