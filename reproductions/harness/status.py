"""``segrepro status``: every cell with state, attempt, node, progress, rate and time left; live on a terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from methods.common.errors import InputError
from reproductions.harness.plan import Plan
from reproductions.harness.states import CellState, State, cell_states, format_seconds
from reproductions.harness.store import Store

if TYPE_CHECKING:
    from reproductions.harness.slurm.submissions import CellInQueue

_LOOK_EVERY_S = 2.0
_ORDER: tuple[State, ...] = ("running", "failed", "queued", "ready", "blocked", "waiting", "done")
_STYLE = {"done": "green", "running": "cyan", "failed": "red", "blocked": "red", "queued": "yellow"}
_HEADER = ("cell", "id", "state", "try", "node", "rate", "left", "")
_MOST_STYLED = 500
"""Rows of a coloured table; rich takes seconds for ten thousand."""
_LIVE_STATES = ("running", "queued")


def look(plan: Plan, store: Store) -> list[CellState]:
    """Look at store and queue once. Without SLURM, or when its controller does not answer, the store alone tells."""
    return cell_states(plan, store, in_queue=_in_queue(store))


def _in_queue(store: Store) -> Mapping[str, CellInQueue]:
    from reproductions.harness.slurm import queue
    from reproductions.harness.slurm.submissions import cells_in_queue

    if not queue.has_slurm():
        return {}
    try:
        return cells_in_queue(store)
    except InputError:
        return {}


def as_records(states: Sequence[CellState]) -> list[dict[str, Any]]:
    """Return what ``--json`` prints."""
    return [
        {
            "id": state.cell.id,
            "label": state.cell.label,
            "stage": state.cell.stage.name,
            "state": state.state,
            "attempts": state.num_attempts,
            "node": state.node,
            "fraction": state.fraction,
            "rate_per_s": state.rate,
            "time_left_s": state.time_left_s,
            "message": state.message,
        }
        for state in states
    ]


def summary(states: Sequence[CellState]) -> str:
    """Count the states in one line."""
    counts = Counter(state.state for state in states)
    return ", ".join(f"{counts[name]} {name}" for name in _ORDER if counts[name]) + f" of {len(states)} cells"


def print_once(states: Sequence[CellState], console: Console) -> None:
    """Print every cell in the plan's order, and the counts: in colour for a terminal, else, or when they are many, as whole lines."""
    if console.is_terminal and len(states) <= _MOST_STYLED:
        console.print(_table(states), markup=False)
    else:
        print(*_lines(states), sep="\n")
    console.print(summary(states), highlight=False)


def watch(look_again: Callable[[], list[CellState]], console: Console) -> None:
    """Show what runs, waits or failed until nothing runs or waits in the queue; Ctrl-C ends the looking, nothing else."""
    states = look_again()
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        try:
            while any(state.state in _LIVE_STATES for state in states):
                live.update(_screen(states, console.size.height))
                time.sleep(_LOOK_EVERY_S)
                states = look_again()
        except KeyboardInterrupt:
            pass
    print_once(states, console)


def _screen(states: Sequence[CellState], height: int) -> RenderableType:
    """Fit the terminal: what is going on first, what is done or waits for it only counted."""
    shown = sorted(
        (state for state in states if state.state not in ("done", "waiting")),
        key=lambda state: _ORDER.index(state.state),
    )
    room = max(1, height - 4)
    rest = len(shown) - room
    parts: list[RenderableType] = [Text(summary(states), style="bold"), _table(shown[:room])]
    return Group(*parts, *([Text(f"and {rest} more", style="dim")] if rest > 0 else []))


def _table(states: Sequence[CellState]) -> Table:
    table = Table(*_HEADER, box=None, pad_edge=False, header_style="bold")
    for state in states:
        label, cell_id, name, *rest = _row(state)
        table.add_row(label, cell_id, Text(name, style=_STYLE.get(name, "")), *rest)
    return table


def _lines(states: Sequence[CellState]) -> list[str]:
    rows = [_HEADER, *map(_row, states)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(state: CellState) -> tuple[str, ...]:
    left = state.time_left_s
    return (
        state.cell.label,
        state.cell.id[:12],
        state.state,
        str(state.num_attempts or ""),
        state.node,
        f"{state.rate:.3g}/s" if state.rate is not None else "",
        format_seconds(left) if left is not None else "",
        state.describe(),
    )
