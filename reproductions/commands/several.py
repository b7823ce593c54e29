"""Does the same for one paper or for every paper of the suite; with several, what fails does not keep the others from being done."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.errors import InputError
from reproductions.commands.printing import console, print_table

if TYPE_CHECKING:
    from reproductions.study.paper import Paper
    from reproductions.study.request import Request

_INTERRUPTED = 130
_OF_ONE_PAPER = {"arms": "--arms", "data": "--data", "objects": "--objects", "generator": "--generator"}
"""Options that have a meaning for one paper only, by the field of the request."""

Work = Callable[["Paper", "Request"], int]
"""Does what is asked for a paper and returns the exit code."""


def for_each_paper(request: Request, out: Path, work: Work) -> int:
    """Do the work for the paper of a request, or for every paper of the suite; then write the scoreboard of the folder of reports.

    Returns:
        The exit code of the one paper; of several 0 where all went well, 130 where the user interrupted, else 1.

    Raises:
        InputError: what is asked makes no sense for the one paper, or for several.
    """
    from reproductions.study.registry import EVERY_PAPER, load_paper

    if request.paper_id != EVERY_PAPER:
        code = work(load_paper(request.paper_id), request)
        if code == 0:
            show_scoreboard(out)
        return code
    ended = _each(request, work)
    show_scoreboard(out)
    print_table(("paper", "exit code"), [(paper, str(code)) for paper, code in ended.items()])
    if _INTERRUPTED in ended.values():
        return _INTERRUPTED
    return int(any(ended.values()))


def _each(request: Request, work: Work) -> dict[str, int]:
    """Return the exit code of every paper, as far as the user let it go."""
    from reproductions.study.registry import load_paper, suite_papers

    for field, option in _OF_ONE_PAPER.items():
        if getattr(request, field) is not None:
            raise InputError(f"{option} belongs to one paper; name it instead of all")
    if request.settings:
        raise InputError("--set changes settings of one paper; name it instead of all")
    ended: dict[str, int] = {}
    for paper in suite_papers():
        console().rule(paper)
        try:
            ended[paper] = work(load_paper(paper), replace(request, paper_id=paper))
        except InputError as error:
            print(f"segrepro: {paper}: {error}", file=sys.stderr)
            ended[paper] = 2
        except Exception:
            traceback.print_exc()
            ended[paper] = 1
        if ended[paper] == _INTERRUPTED:
            break
    return ended


def show_scoreboard(out: Path) -> None:
    """Write the scoreboard of a folder of reports, and say where; nothing where there is no report."""
    from reports.scoreboard import has_reports, write_scoreboard

    if has_reports(out):
        console().print(f"scoreboard: {write_scoreboard(out)}", markup=False, highlight=False)
