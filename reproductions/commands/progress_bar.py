"""A bar for long work that knows how much there is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from methods.common.metrics.evaluation import Progress


@contextmanager
def progress_bar(what: str) -> Iterator[Progress | None]:
    """Show a bar on the error stream while it is a terminal, and nothing otherwise.

    Gives what is to be told (done, in all) from time to time, or None. The display starts with the first word, so that until
    then this process has no thread beside its own.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    shown = bar.add_task(what, total=None)

    def tell(done: int, total: int) -> None:
        bar.start()
        bar.update(shown, completed=done, total=total)

    try:
        yield tell
    finally:
        bar.stop()
