"""Commands of `segrepro evaluate` run in this process, and what they said."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from reproductions.cli import main


class Said(NamedTuple):
    """How a command ended."""

    code: int
    metrics: dict[str, float]
    notes: str
    error: str


Evaluate = Callable[..., Said]


def evaluations(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Return what runs a command of the group; in a mistake there is nothing on the output and one sentence beside it."""

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["segrepro", "evaluate", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        if ended.value.code:
            assert (ended.value.code, out) == (2, ""), err
            assert len(err.splitlines()) == 1
            return Said(2, {}, "", err)
        rows = [line.split() for line in out.splitlines()]
        numbers = {row[0]: float(row[1]) for row in rows if len(row) == 2 and row[1][0].isdigit()}
        return Said(0, numbers, "\n".join(line for line in out.splitlines() if line.startswith("note: ")), err)

    return run
