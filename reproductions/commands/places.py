"""Whether what a command will write can be written, looked at before it begins."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.errors import InputError

if TYPE_CHECKING:
    from reproductions.study.paper import Paper
    from reproductions.study.request import Request


def check_reports(paper: Paper, request: Request, out: Path) -> None:
    """Make sure that the reports of a request, and the scoreboard beside them, can be written.

    Raises:
        InputError: they cannot.
    """
    check_folders([out, *paper.report_folders(request, out)], "--out or OUT=")


def check_folders(folders: Iterable[Path], option: str) -> None:
    """Make sure that files can be put into folders, be they there or still to be made; nothing is left behind.

    Raises:
        InputError: there is a file in the way, or a place where nothing may be written.
    """
    for folder in folders:
        there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({there}: {error.strerror}); name another place with {option}"
            ) from error
