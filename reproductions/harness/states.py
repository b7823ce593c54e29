"""The state of every cell of a plan, as store and queue tell it: from any login, and after the starter has gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reproductions.harness.attempts import read_attempts
from reproductions.harness.cell import Cell, CellSpec
from reproductions.harness.context import read_progress
from reproductions.harness.plan import Plan, inputs_of
from reproductions.harness.store import Listing, Store

if TYPE_CHECKING:
    from reproductions.harness.slurm.submissions import CellInQueue

State = Literal["done", "running", "queued", "failed", "blocked", "ready", "waiting"]
"""``queued``: a SLURM job waits for its turn; ``ready``: all inputs are there and nobody works on it; ``waiting``: for inputs;
``blocked``: a cell that it needs has failed."""


@dataclass(frozen=True)
class CellState:
    """One cell as seen from outside."""

    cell: Cell
    state: State
    note: dict[str, Any] | None = None
    message: str = ""
    num_attempts: int = 0
    node: str = ""
    """Where it runs, or was tried last."""

    @property
    def fraction(self) -> float:
        """How much of it is done, in [0, 1]."""
        if self.state == "done":
            return 1.0
        if self.note is None or not self.note["total"]:
            return 0.0
        return min(1.0, float(self.note["done"]) / float(self.note["total"]))

    @property
    def rate(self) -> float | None:
        """Units a second in the current attempt, or None before there is a second look at it."""
        if self.state != "running" or self.note is None or not self.note.get("elapsed_s"):
            return None
        gained = float(self.note["done"]) - float(self.note.get("from", 0))
        return gained / float(self.note["elapsed_s"]) if gained > 0 else None

    @property
    def time_left_s(self) -> float | None:
        """Seconds that the running cell still needs at its rate."""
        if self.rate is None or self.note is None:
            return None
        return (float(self.note["total"]) - float(self.note["done"])) / self.rate

    def describe(self) -> str:
        """Progress in a few words, e.g. ``320/600 steps, loss 1.23``."""
        if self.note is None:
            return self.message
        numbers = ", ".join(
            f"{name} {'not finite' if value is None else f'{value:.3g}'}"
            for name, value in self.note["numbers"].items()
        )
        return f"{self.note['done']}/{self.note['total']} {self.note['unit']}" + (f", {numbers}" if numbers else "")


def cell_states(
    plan: Plan,
    store: Store,
    known_done: set[str] | None = None,
    in_queue: Mapping[str, CellInQueue] | None = None,
) -> list[CellState]:
    """Look at the store, and at what the queue was found to hold; inputs before users."""
    done = known_done if known_done is not None else set()
    listing = store.listing()
    lost: dict[str, str] = {}
    """Label of the failed cell behind each failed or blocked one."""
    states = []
    for cell in plan:
        if cell.id in done or (listing.may_be_complete(cell) and store.is_complete(cell)):
            done.add(cell.id)
            states.append(CellState(cell, "done"))
            continue
        state = _open_state(cell, store, listing, done, lost, in_queue or {})
        if state.state in ("failed", "blocked"):
            lost[cell.id] = cell.label if state.state == "failed" else lost.get(cell.id, cell.label)
        states.append(state)
    return states


def _open_state(
    cell: Cell,
    store: Store,
    listing: Listing,
    done: set[str],
    lost: dict[str, str],
    in_queue: Mapping[str, CellInQueue],
) -> CellState:
    started = cell.id in listing.work
    attempts = read_attempts(store, cell.id) if started else []
    node = str(attempts[-1].get("host", "")) if attempts else ""
    note = read_progress(store, cell.id) if started else None
    if cell.id in listing.locks and store.is_claimed(cell.id):
        return CellState(cell, "running", note, "", len(attempts), node)
    failure = store.failure(cell.id) if cell.id in listing.failed else None
    if failure is not None and failure.kind != "blocked":
        return CellState(cell, "failed", None, failure.message, len(attempts), node)
    for needed in inputs_of(cell):
        if needed.id in lost:
            lost[cell.id] = lost[needed.id]
            return CellState(cell, "blocked", None, f"needs {lost[needed.id]}, which failed", len(attempts), node)
    if failure is not None:
        return CellState(cell, "blocked", None, failure.message, len(attempts), node)
    entry = in_queue.get(cell.id)
    if entry is not None:
        message = f"job {entry.job.id} on {entry.job.node} starts" if entry.job.is_running else _why(entry)
        return CellState(cell, "queued", note, message, len(attempts), node)
    return CellState(
        cell,
        "ready" if all(needed.id in done for needed in inputs_of(cell)) else "waiting",
        note,
        "",
        len(attempts),
        node,
    )


def _why(entry: CellInQueue) -> str:
    return f"job {entry.job.id} waits" + (f": {entry.job.reason}" if entry.job.reason not in ("None", "") else "")


def quick_state(cell: Cell | CellSpec, store: Store, listing: Listing) -> Literal["done", "running", "failed", "open"]:
    """Tell the state of one cell by itself, without its plan and the queue."""
    if listing.may_be_complete(cell) and store.is_complete(cell):
        return "done"
    if cell.id in listing.locks and store.is_claimed(cell.id):
        return "running"
    return "failed" if cell.id in listing.failed else "open"


def describe_cell(cell: Cell | CellSpec, store: Store) -> dict[str, Any]:
    """Return what the store tells of one cell, for people: state, attempts, place, what it needs."""
    state = quick_state(cell, store, store.listing())
    done = state == "done"
    attempts = store.provenance(cell)["attempts"] if done else read_attempts(store, cell.id)
    failure = store.failure(cell.id) if state == "failed" else None
    note = None if done else read_progress(store, cell.id)
    folder = store.cell_folder(cell) if done else store.work_folder(cell.id)
    return {
        "cell": cell.label,
        "id": cell.id,
        "stage": str(cell.identity["stage"]),
        "state": state,
        "progress": f"{note['done']}/{note['total']} {note['unit']}" if note else "",
        "message": failure.message if failure is not None else "",
        "attempts": len(attempts),
        "node": str(attempts[-1].get("host", "")) if attempts else "",
        "folder": str(folder) if folder.exists() else "",
        "inputs": [cell_id[:12] for ids in cell.identity["inputs"].values() for cell_id in ids],
    }


def format_seconds(seconds: float) -> str:
    """Write a duration as people say it, e.g. ``2 min 05 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
