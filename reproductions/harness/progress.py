"""The live display of a plan while it runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reproductions.harness.cell import Cell
from reproductions.harness.plan import Plan
from reproductions.harness.states import CellState, cell_states, format_seconds
from reproductions.harness.store import Store

_PLAIN_EVERY_S = 30.0


class TimeLeft:
    """Estimates the remaining time from the expected cost of what was done since the start."""

    def __init__(self, states: list[CellState]) -> None:
        self._start = time.monotonic()
        self._done_at_start_s = _done_cost_s(states)

    def estimate_s(self, states: list[CellState]) -> float | None:
        """Seconds left, or None while too little is done to tell."""
        elapsed = time.monotonic() - self._start
        gained = _done_cost_s(states) - self._done_at_start_s
        left = sum(state.cell.cost_s for state in states) - _done_cost_s(states)
        if elapsed < 5.0 or gained <= 0.0:
            return None
        return left * elapsed / gained


def _done_cost_s(states: list[CellState]) -> float:
    return sum(state.fraction * state.cell.cost_s for state in states)


class Display:
    """Shows a plan while it runs: a live table on a terminal, plain lines elsewhere."""

    def __init__(self, plan: Plan, store: Store, console: Console) -> None:
        self._plan = plan
        self._store = store
        self._console = console
        self._done: set[str] = set()
        states = cell_states(plan, store, self._done)
        self._reported = set(self._done)
        self._failed: set[str] = set()
        self._time_left = TimeLeft(states)
        self._start = self._last_plain = time.monotonic()
        self._live: Live | None = None
        self._last_look = 0.0

    @contextmanager
    def shown(self) -> Iterator[Display]:
        """Show while the block runs."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(console=self._console, refresh_per_second=4, transient=True) as self._live:
            yield self

    def update(self) -> None:
        """Look at the store again and show what changed."""
        if time.monotonic() - self._last_look < 0.5:
            return
        states = cell_states(self._plan, self._store, self._done)
        self._last_look = time.monotonic()
        self._report_events(states)
        if self._live is not None:
            self._live.update(self._table(states))
        elif time.monotonic() - self._last_plain >= _PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            self._console.print(self._summary(states), highlight=False)

    def finish(self) -> None:
        """Report what happened since the last look."""
        self._report_events(cell_states(self._plan, self._store, self._done))

    def _report_events(self, states: list[CellState]) -> None:
        for state in states:
            if state.state == "done" and state.cell.id not in self._reported:
                self._reported.add(state.cell.id)
                self._console.print(
                    f"[{len(self._reported)}/{len(self._plan)}] {state.cell.label}  {self._cost(state.cell)}",
                    markup=False,
                    highlight=False,
                )
            if state.state == "failed" and state.cell.id not in self._failed:
                self._failed.add(state.cell.id)
                self._console.print(f"FAILED {state.cell.label}: {state.message}", style="red", markup=False)

    def _cost(self, cell: Cell) -> str:
        """Seconds that the cell took; nothing when a run beside this one has just discarded it."""
        try:
            return format_seconds(self._store.provenance(cell)["wall_s"])
        except (OSError, ValueError, KeyError):
            return ""

    def _summary(self, states: list[CellState]) -> str:
        counts = Counter(state.state for state in states)
        left = self._time_left.estimate_s(states)
        running = "; ".join(f"{s.cell.label} {s.describe()}" for s in states if s.state == "running")
        parts = [f"{counts['done']} of {len(states)} cells done"]
        parts += [f"{counts['failed']} failed"] if counts["failed"] else []
        parts += [f"about {format_seconds(left)} left"] if left is not None else []
        return ", ".join(parts) + (f" | {running}" if running else "")

    def _table(self, states: list[CellState]) -> RenderableType:
        total = sum(state.cell.cost_s for state in states)
        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=total, completed=_done_cost_s(states), width=40),
            Text(self._summary(states).split(" | ")[0]),
            Text(f"{format_seconds(time.monotonic() - self._start)} so far", style="dim"),
        )
        body = Table.grid(padding=(0, 2))
        for state in states:
            if state.state == "running":
                body.add_row(
                    Text("  " + state.cell.label, style="cyan"),
                    ProgressBar(total=1.0, completed=state.fraction, width=20),
                    Text(state.describe(), style="dim"),
                )
        return Group(head, body)
