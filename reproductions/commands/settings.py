"""What ``segrepro settings`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from methods.common.errors import InputError
from reproductions.commands.options import JsonOption
from reproductions.commands.printing import print_json, print_table

if TYPE_CHECKING:
    from reproductions.study.paper import Paper
    from reproductions.study.request import Request
    from reproductions.study.setting_rows import Setting

_SHOWN_VALUE = 40
"""Characters of a value in the table; ``--json`` has all."""


def settings(
    paper: Paper,
    request: Request,
    pattern: Annotated[str, typer.Argument(metavar="[PATTERN]", help="Part of a name, or a pattern with *.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List what --set can change: type, bounds, unit, value at the tier, source, and the arms whose cells it changes."""
    from reproductions.study.settings import nearest_settings

    found = paper.settings(request, pattern)
    if as_json:
        print_json({study: [vars(row) for row in rows] for study, rows in found.items()})
        return
    if not any(found.values()):
        known = [row.name for rows in paper.settings(request, "").values() for row in rows]
        near = f"; nearest: {', '.join(alike)}" if (alike := nearest_settings(known, pattern)) else ""
        raise InputError(
            f"no setting of {request.paper_id} is like {pattern!r}{near}; `{request.command('settings')}` lists all"
        )
    for study, rows in found.items():
        if len(found) > 1:
            print(f"{study}:")
        _print(rows, with_text=bool(pattern))


def _print(rows: Sequence[Setting], with_text: bool) -> None:
    lines = [
        (
            row.name,
            row.value if len(row.value) <= _SHOWN_VALUE else f"{row.value[:_SHOWN_VALUE]} and more",
            row.type,
            row.bounds,
            row.unit,
            row.source,
            _arms(row),
        )
        for row in rows
    ]
    print_table(("setting", "value", "type", "bounds", "unit", "source", "arms"), lines)
    if with_text:
        print()
        for row in rows:
            print(f"{row.name}: {row.what}")


def _arms(row: Setting) -> str:
    return "?" if row.arms is None else ", ".join(row.arms) or "none"
