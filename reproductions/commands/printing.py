"""How commands print: JSON, tables whose lines are whole in a pipe, the console."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def console() -> Console:
    """Return a console that wraps nothing."""
    from rich.console import Console

    return Console(soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a document for people and programs."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print whole lines, however long; rich's tables cut them in pipes, and take seconds for ten thousand rows."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    title, *lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows))
    console().print(title, style="bold", markup=False, highlight=False)
    print(*lines, sep="\n")
