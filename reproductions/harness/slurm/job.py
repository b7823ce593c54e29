"""What runs inside a SLURM job: the cells of one array task, in one process or in a team of them.

submitit pickles a :class:`CellJob`. SLURM replays the pickle as it was when the job was submitted, after a node failure
too, so it carries a store path, cell ids and the name of the run, nothing that changes.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from methods.common.training.distributed import ALONE, Team
from reproductions.harness import policy
from reproductions.harness.attempts import Attempt, job_id
from reproductions.harness.slurm import queue
from reproductions.harness.slurm.submissions import exit_file, exit_note, leave_node_out
from reproductions.harness.store import Store
from reproductions.harness.threads import limit_threads
from reproductions.harness.worker import OUT_OF_MEMORY_STATUS, Worker

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

_FIRST_PORT, _NUM_PORTS = 20_000, 20_000
_TIMED_OUT_WITHIN_S = 300.0
"""A request to save this close to the time limit comes from the limit, not from another job; SLURM may be a minute early."""
_NEARLY_ALL = 0.9
_KILLED_STATUS = 128 + signal.SIGKILL


class CellsFailedError(Exception):
    """Ends the job with an exit status other than 0, so that SLURM drops the jobs that wait for it."""


@dataclass(frozen=True)
class CellJob:
    """Callable that submitit runs."""

    store_root: str
    cell_ids: tuple[str, ...]
    run_id: str

    def __call__(self) -> None:
        """Do the cells; leave by submitit's own way when SLURM wants the machine back.

        Raises:
            CellsFailedError: a cell failed; its record in the store says why.
        """
        requeue = signal.getsignal(signal.SIGUSR2)
        limit_threads()
        team = _join_team(self.run_id)
        worker = Worker(
            Store(Path(self.store_root)), self.run_id, self._explain_death, _why_stopped, team, True, self._leave_team
        )
        _on_signals(worker)
        if not team.is_first:
            for cell_id in self.cell_ids:
                worker.follow(cell_id)
            return
        try:
            worker.run(self.cell_ids)
        finally:
            for _ in self.cell_ids:
                worker.end_following()
        self._leave(worker, requeue)

    def checkpoint(self) -> DelayedSubmission:
        """Tell submitit to requeue the same call, should the request come before or after the worker's own time."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _leave_team(self, status: int) -> NoReturn:
        """Note why, before SLURM kills the other processes, whose exit status would hide it."""
        if status == OUT_OF_MEMORY_STATUS:
            store, restart = Store(Path(self.store_root)), os.environ.get("SLURM_RESTART_COUNT", "0")
            with suppress(OSError):
                Path(f"{exit_file(store, self.run_id)}{job_id()}-{restart}").write_text(str(status))
        os._exit(status)

    def _leave(self, worker: Worker, requeue: Any) -> None:
        store = worker.store
        specs = [store.read_spec(cell_id) for cell_id in self.cell_ids]
        undone = [spec for spec in specs if not store.is_complete(spec)]
        failed = [spec.label for spec in undone if store.failure(spec.id) is not None]
        if failed or worker.disk_is_full:
            raise CellsFailedError(", ".join(failed) or store.full_message)
        if undone and worker.stop.is_set and callable(requeue):
            requeue(signal.SIGUSR2, None)

    def _explain_death(self, attempt: Attempt) -> policy.Outcome:
        """Say how an attempt ended that left no word, from the batch script's note and the state of the node."""
        store = Store(Path(self.store_root))
        status = exit_note(store, attempt["run"], attempt.get("job"), attempt.get("restart", 0))
        if status is not None:
            return "out_of_memory" if status == OUT_OF_MEMORY_STATUS or _filled_memory(attempt, status) else "killed"
        if attempt.get("job") is None:
            return "killed"
        if queue.is_node_down(attempt["host"]):
            leave_node_out(store, self.run_id, attempt["host"])
            return "node_failure"
        return "preempted"


def _filled_memory(attempt: Attempt, status: int) -> bool:
    """True for a kill of a process that had used nearly all that the job may use (SLURM's variable, MiB a node)."""
    limit = os.environ.get("SLURM_MEM_PER_NODE", "")
    return status == _KILLED_STATUS and limit.isdecimal() and attempt["peak_memory_mib"] > _NEARLY_ALL * int(limit) > 0


def _on_signals(worker: Worker) -> None:
    """SIGUSR2: the time is nearly up, save and leave. SIGTERM: a kill may follow, save and go on until it comes."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        worker.stop.set()

    def save(_number: int, _frame: FrameType | None) -> None:
        worker.stop.ask_to_save()

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
        signal.SIGUSR2: leave,
        signal.SIGTERM: save,
        signal.SIGINT: leave,
    }
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)


def _why_stopped() -> policy.Outcome:
    """Tell a time limit that comes near from a job that wants the place."""
    job = job_id()
    left = queue.time_left_s(job) if job is not None else None
    return "timed_out" if left is not None and left <= _TIMED_OUT_WITHIN_S else "preempted"


def _join_team(run_id: str) -> Team:
    """Meet the other processes of the job; a job of one process needs no torch."""
    size = int(os.environ.get("SLURM_NTASKS", "1"))
    if size == 1:
        return ALONE
    import torch

    nodes = os.environ["SLURM_JOB_NODELIST"]
    names = subprocess.run(
        ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True
    ).stdout.split()
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["SLURM_LOCALID"]) % torch.cuda.device_count())
    # Another port at each restart: processes of the attempt before may not have gone yet.
    number = int(os.environ["SLURM_JOB_ID"]) * 31 + int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    return Team.join(
        _address(names[0]), _FIRST_PORT + number % _NUM_PORTS, int(os.environ["SLURM_PROCID"]), size, device
    )


def _address(node: str) -> str:
    """Return the address of a node as SLURM knows it; a node's name need not be in the name service."""
    with suppress(Exception):
        for word in queue.show_node(node):
            if word.startswith("NodeAddr="):
                return word.removeprefix("NodeAddr=")
    return node
