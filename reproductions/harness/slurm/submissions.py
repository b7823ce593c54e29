"""What was submitted, as files of the store: which cells each job array holds, how jobs ended, which nodes to leave out.

Layout of ``jobs/<run>/``: ``array-<number>.json`` lists the cells of one array in the order of its tasks, written *before*
sbatch is called; ``exit-<job>-<restart>`` is the exit status of a job whose process was killed; ``left-out`` names nodes.
The queue is the truth about which jobs live: each carries run and array number in its comment, so nothing is lost when
the submitter is killed at any moment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from methods.common.errors import InputError
from reproductions.harness.files import write_json
from reproductions.harness.slurm import queue
from reproductions.harness.store import Store

_COMMENT = re.compile(r"segrepro:([\w-]+):(\d+)")


@dataclass(frozen=True)
class CellInQueue:
    """A live job and the cell that it is for."""

    cell_id: str
    job: queue.Job
    run_id: str


def comment(run_id: str, number: int) -> str:
    """What the jobs of one array carry in the queue."""
    return f"segrepro:{run_id}:{number}"


def record_array(store: Store, run_id: str, number: int, cell_ids: list[str]) -> None:
    """Write down the cells of an array that is about to be submitted."""
    write_json(_array_file(store, run_id, number), {"cells": cell_ids})


def cells_in_queue(store: Store, jobs: Iterable[queue.Job] | None = None) -> dict[str, CellInQueue]:
    """Find the live job of each cell of this store, among ``jobs`` or in the queue; jobs that can never start do not count.

    Raises:
        InputError: the controller does not answer.
    """
    arrays: dict[tuple[str, int], list[str]] = {}
    found: dict[str, CellInQueue] = {}
    for job in queue.live_jobs() if jobs is None else jobs:
        match = _COMMENT.fullmatch(job.comment)
        if match is None or job.is_hopeless:
            continue
        run_id, number = match[1], int(match[2])
        if (run_id, number) not in arrays:
            arrays[run_id, number] = _read_array(store, run_id, number)
        cells, index = arrays[run_id, number], _task_index(job.id)
        if index < len(cells):
            entry = CellInQueue(cells[index], job, run_id)
            if entry.cell_id not in found or job.is_running:
                found[entry.cell_id] = entry
    return found


def has_pickle(store: Store, entry: CellInQueue) -> bool:
    """True when the job will find what submitit left for it; a submitter killed right after sbatch leaves nothing."""
    return (store.root / "jobs" / entry.run_id / f"{entry.job.id}_submitted.pkl").is_file()


def exit_file(store: Store, run_id: str) -> str:
    """The start of the path of exit notes, for the batch script."""
    return str(store.root / "jobs" / run_id / "exit-")


def exit_note(store: Store, run_id: str, job_id: str | None, restart: int) -> int | None:
    """Return the exit status with which the job of an attempt was killed, if the batch script lived to tell."""
    with suppress(OSError, ValueError):
        return int((store.root / "jobs" / run_id / f"exit-{job_id}-{restart}").read_text())
    return None


def leave_node_out(store: Store, run_id: str, node: str) -> None:
    """Keep all waiting jobs of a run, and those still to be submitted in it, away from a node."""
    path = store.root / "jobs" / run_id / "left-out"
    with suppress(OSError), path.open("a") as file:
        file.write(f"{node}\n")
    with suppress(InputError):
        waiting = [entry.job.id for entry in cells_in_queue(store).values() if not entry.job.is_running]
        queue.leave_out(node, waiting)


def nodes_left_out(store: Store, run_id: str) -> list[str]:
    """Return the nodes that failed in a run."""
    with suppress(OSError):
        return sorted(set((store.root / "jobs" / run_id / "left-out").read_text().split()))
    return []


def _array_file(store: Store, run_id: str, number: int) -> Path:
    return store.root / "jobs" / run_id / f"array-{number:05d}.json"


def _read_array(store: Store, run_id: str, number: int) -> list[str]:
    """Return the cells of an array; none for jobs of another store."""
    try:
        return [str(cell_id) for cell_id in json.loads(_array_file(store, run_id, number).read_text())["cells"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _task_index(job_id: str) -> int:
    return int(job_id.partition("_")[2] or 0)
