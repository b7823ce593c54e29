"""Turn the missing cells of a plan into SLURM jobs: one job a cell, cells that are alike in one job array.

A job waits (``afterok``) for exactly the jobs that make its inputs, so that one failed cell stops only what depends on it.
Cells of one kind that wait for the same jobs share an array.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from methods.common.errors import InputError
from reproductions.harness.cell import Cell
from reproductions.harness.files import is_disk_full
from reproductions.harness.launcher import prepare
from reproductions.harness.lock import wait_for_lock
from reproductions.harness.plan import Plan, inputs_of
from reproductions.harness.site import Site, StageResources
from reproductions.harness.slurm import queue
from reproductions.harness.slurm.job import CellJob
from reproductions.harness.slurm.submissions import (
    cells_in_queue,
    comment,
    exit_file,
    has_pickle,
    nodes_left_out,
    record_array,
)
from reproductions.harness.slurm.users_options import hidden, partition_of_user
from reproductions.harness.states import cell_states
from reproductions.harness.store import Store

SAVE_WITHIN_S = 120
"""A job is told this long before its time limit to save and be queued again; a sixth of the limit where that is less."""
_MAX_RESTARTS = 200
"""Restarts by the batch script after which even a process that is killed before it can count its attempts is given up."""
_DAY_MIN = 24 * 60
_REQUEUE_STATUSES = (124, 125, 134, 135, 136, 137, 138, 139)
"""Exit statuses of srun that mean: a process of a team was lost, out of memory, or ended by a signal that nobody sends on
purpose."""


@dataclass(frozen=True)
class Submission:
    """What a call of :func:`submit` did."""

    num_submitted: int
    num_arrays: int
    num_already_queued: int
    num_done: int


@dataclass(frozen=True)
class Batch:
    """Cells that become one job array."""

    cells: tuple[Cell, ...]
    resources: StageResources
    waits_for: tuple[str, ...]
    """Job ids, or ids of whole arrays."""


class _Jobs:
    """The job of each cell, and how to wait for several of them in few words."""

    def __init__(self, by_cell: Mapping[str, str]) -> None:
        self._by_cell = dict(by_cell)
        self._array_sizes: dict[str, int] = {}

    def add(self, batch: Batch, ids: Sequence[str]) -> None:
        """Note the jobs of a batch that was submitted."""
        self._by_cell.update((cell.id, job_id) for cell, job_id in zip(batch.cells, ids, strict=True))
        if len(ids) > 1:
            self._array_sizes[ids[0].partition("_")[0]] = len(ids)

    def behind(self, cell: Cell) -> tuple[str, ...]:
        """Return what a cell has to wait for; an array is named as a whole where all of it is needed."""
        ids = {self._by_cell[needed.id] for needed in inputs_of(cell) if needed.id in self._by_cell}
        for array, size in self._array_sizes.items():
            tasks = {f"{array}_{index}" for index in range(size)}
            if tasks <= ids:
                ids = ids - tasks | {array}
        return tuple(sorted(ids))


def submit(
    plan: Plan, store: Store, site: Site, max_parallel: int | None, run_id: str, again: bool = False
) -> Submission:
    """Submit what is neither finished nor in the queue. Two submitters at once take turns, and the second finds all queued.

    ``again`` leaves what has failed, and what needs it, as it is; else a failed cell gets a new chance.

    Raises:
        InputError: an unknown partition, more than the partition allows, no SLURM, a full disk.
    """
    resources = check_site(plan, site)
    try:
        with _turn(store):
            return _submit(plan, store, site, max_parallel, run_id, again, resources)
    except OSError as error:
        if not is_disk_full(error, store.root):
            raise
        raise InputError(store.full_message) from error


def _submit(
    plan: Plan,
    store: Store,
    site: Site,
    max_parallel: int | None,
    run_id: str,
    again: bool,
    resources: Mapping[str, StageResources],
) -> Submission:
    missing = {cell.id for cell in prepare(plan, store, forget_failures=not again)}
    queued = cells_in_queue(store)
    orphans = [entry for entry in queued.values() if not has_pickle(store, entry)]
    queue.cancel(entry.job.id for entry in orphans)
    for entry in orphans:
        del queued[entry.cell_id]
    jobs = _Jobs({cell_id: entry.job.id for cell_id, entry in queued.items() if cell_id in missing})
    given_up = {s.cell.id for s in cell_states(plan, store) if s.state in ("failed", "blocked")}
    waiting = [cell for cell in plan if cell.id in missing - given_up and cell.id not in queued]
    executor = _Executor(store, site, max_parallel or site.max_parallel, run_id)
    for level in levels(waiting):
        for batch in batches(level, resources, jobs, executor.max_array_size):
            jobs.add(batch, executor.submit(batch))
    return Submission(len(waiting), executor.num_arrays, len(missing) - len(waiting), len(plan) - len(missing))


def levels(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Sort cells (inputs first) by the longest chain of unfinished cells before them."""
    depth: dict[str, int] = {}
    found: list[list[Cell]] = []
    for cell in cells:
        own = 1 + max((depth[needed.id] for needed in inputs_of(cell) if needed.id in depth), default=-1)
        depth[cell.id] = own
        if own == len(found):
            found.append([])
        found[own].append(cell)
    return found


def batches(
    level: Sequence[Cell], resources: Mapping[str, StageResources], jobs: _Jobs, max_size: int
) -> Iterator[Batch]:
    """Group the cells of one level by kind and by what they wait for."""
    groups: dict[tuple[str, tuple[str, ...]], list[Cell]] = {}
    for cell in level:
        groups.setdefault((_key(cell), jobs.behind(cell)), []).append(cell)
    for (key, waits_for), cells in groups.items():
        for start in range(0, len(cells), max_size):
            yield Batch(tuple(cells[start : start + max_size]), resources[key], waits_for)


def _key(cell: Cell) -> str:
    return f"{cell.stage.kind}/{cell.stage.runs_on_team}"


def check_site(plan: Plan, site: Site) -> dict[str, StageResources]:
    """Hold the site file against the cluster; return what each kind of cell asks for, time limits filled in.

    Raises:
        InputError: an unknown partition, or more time than it allows; no SLURM here.
    """
    known = {partition.name: partition for partition in queue.partitions()}
    queue.check_has_srun()
    found = {}
    for cell in plan:
        if _key(cell) not in found:
            asked = site.resources(cell.stage.kind, cell.stage.runs_on_team)
            found[_key(cell)] = _check_partition(asked, cell.stage.kind, known)
    return found


def _check_partition(asked: StageResources, kind: str, known: Mapping[str, queue.Partition]) -> StageResources:
    """Check one kind of stage; of several partitions, as sbatch takes them with commas, one that fits is enough."""
    places = _partitions_asked(asked, kind, known)
    title = " and ".join(place.name for place in places)
    limits = [place.max_time_min for place in places]
    longest = None if None in limits else max(limit for limit in limits if limit is not None)
    if asked.time_min is not None and longest is not None and asked.time_min > longest:
        raise InputError(
            f"{kind} stages ask for {asked.time_min} min, but partition {title} allows {longest}; lower time_min "
            "in the site file: a job that reaches its limit saves and goes on in the next"
        )
    if asked.gpus and not any("gpu" in place.gres for place in places):
        raise InputError(
            f"{kind} stages ask for {asked.gpus} GPU(s), but partition {title} has none; name another partition, "
            f"or set stages.{kind}.gpus = 0 in the site file"
        )
    usual = [time for place in places if (time := place.default_time_min or place.max_time_min) is not None]
    named = ",".join(place.name for place in places) if asked.partition or partition_of_user() else None
    return asked.model_copy(update={"time_min": asked.time_min or min(usual, default=_DAY_MIN), "partition": named})


def _partitions_asked(
    asked: StageResources, kind: str, known: Mapping[str, queue.Partition]
) -> Sequence[queue.Partition]:
    """Return the partitions that a kind of stage may run on; the default one where none is named."""
    names = ", ".join(sorted(known))
    told = asked.partition or partition_of_user()
    if told is None:
        default = next((partition for partition in known.values() if partition.is_default), None)
        if default is None:
            raise InputError(f"the cluster has no default partition; name one of {names} in the site file")
        return [default]
    wanted = list(dict.fromkeys(filter(None, (name.strip().removesuffix("*") for name in told.split(",")))))
    if not wanted:
        raise InputError(f"{kind} stages ask for the partition {told!r}, which names none; choose from {names}")
    for name in wanted:
        if name not in known:
            raise InputError(f"{kind} stages ask for the partition {name!r}, which is not here; choose from {names}")
    return [known[name] for name in wanted]


@contextmanager
def _turn(store: Store) -> Iterator[None]:
    """Wait until no other process submits jobs of this store."""
    with wait_for_lock(store.root / "locks" / "submit"):
        yield


class _Executor:
    """Submits batches through submitit."""

    def __init__(self, store: Store, site: Site, max_parallel: int, run_id: str) -> None:
        self.num_arrays = 0
        self._store = store
        self._site = site
        self._max_parallel = max_parallel
        self._run_id = run_id
        self._folder = store.root / "jobs" / run_id
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._first_number = len(list(self._folder.glob("array-*.json")))
        self.max_array_size = queue.max_array_size()

    def submit(self, batch: Batch) -> list[str]:
        """Submit one batch and return the id of each cell's job.

        Raises:
            InputError: sbatch refuses.
        """
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        from reproductions.harness.slurm.executor import SlurmExecutor

        number = self._first_number + self.num_arrays
        record_array(self._store, self._run_id, number, [cell.id for cell in batch.cells])
        executor = SlurmExecutor(folder=self._folder, max_num_timeout=_MAX_RESTARTS)
        parameters = self._parameters(batch, number)
        executor.update_parameters(**parameters)
        try:
            with hidden([*parameters, *parameters["additional_parameters"]]), executor.batch():
                made = [
                    executor.submit(CellJob(str(self._store.root), (cell.id,), self._run_id)) for cell in batch.cells
                ]
        except FailedJobError as error:
            if isinstance(error.__cause__, UnicodeDecodeError):
                self._cancel_unnumbered(number, "")
                raise InputError(
                    "sbatch answered with letters that are not UTF-8, as a message of the site may have; what it submitted was cancelled; "
                    "ask the site for UTF-8, or put an sbatch in PATH that leaves the message out"
                ) from error
            said = " ".join(str(error).split())
            raise InputError(f"sbatch refused {batch.cells[0].stage.kind} jobs: {said}") from error
        except FailedSubmissionError as error:
            self._cancel_unnumbered(number, str(error))
            raise InputError(
                "sbatch did not answer `Submitted batch job <number>`, so it is a wrapper that answers in words of its own; what it "
                "submitted was cancelled; put SLURM's own sbatch first in PATH"
            ) from error
        self.num_arrays += 1
        return [str(job.job_id) for job in made]

    def _cancel_unnumbered(self, number: int, told: str) -> None:
        """Cancel what was submitted without telling its number: by a number that was all the answer, and by the comment in the queue."""
        alone = re.search(r'"\s*(\d+)(?:;\S*)?\s*"', told)
        mine = comment(self._run_id, number)
        found = {job.id.partition("_")[0] for job in queue.live_jobs() if job.comment == mine}
        queue.cancel(sorted(found | ({alone[1]} if alone else set())))

    def _parameters(self, batch: Batch, number: int) -> dict[str, Any]:
        asked = batch.resources
        assert asked.time_min is not None, "filled in by check_site"
        exclude = [*self._site.exclude, *nodes_left_out(self._store, self._run_id)]
        extra: dict[str, Any] = {**asked.sbatch, "requeue": True, "kill-on-invalid-dep": "yes"}
        optional = {
            "partition": asked.partition,
            "account": asked.account,
            "qos": asked.qos,
            "constraint": asked.constraint,
            "mem": f"{round(asked.memory_gib * 1024)}M" if asked.memory_gib is not None else None,
            "gpus_per_node": asked.gpus or None,
            "exclude": ",".join(exclude) or None,
            "dependency": f"afterok:{':'.join(batch.waits_for)}" if batch.waits_for else None,
        }
        return {
            "job_name": f"segrepro-{batch.cells[0].stage.kind}",
            "comment": comment(self._run_id, number),
            "nodes": asked.nodes,
            "ntasks_per_node": asked.processes,
            "cpus_per_task": asked.cpus,
            "time": asked.time_min,
            "signal_delay_s": min(SAVE_WITHIN_S, asked.time_min * 10),
            "array_parallelism": self._max_parallel,
            "setup": [*self._requeue_when_killed(), *self._site.setup],
            "srun_args": ["--kill-on-bad-exit=1", f"--cpus-per-task={asked.cpus}"],
            "additional_parameters": extra,
            "wckey": asked.wckey,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _requeue_when_killed(self) -> list[str]:
        """Shell lines by which the batch script, which outlives its step, notes a kill and queues the job again."""
        note = shlex.quote(exit_file(self._store, self._run_id))
        return [
            'segrepro_job="${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}"',
            'segrepro_job="${segrepro_job:-$SLURM_JOB_ID}"',
            'segrepro_restart="${SLURM_RESTART_COUNT:-0}"',
            "segrepro_left() {",
            "  status=$?",
            '  unset "${!SQUEUE_@}"',  # with which users filter what squeue shows them
            f"  case $status in {'|'.join(map(str, _REQUEUE_STATUSES))}) ;; *) return ;; esac",
            # Where SLURM itself ends the job, for another one or to requeue it, nothing is to be done.
            '  case $(squeue -h -j "$segrepro_job" -o %T) in RUNNING|"") ;; *) return ;; esac',
            f'  note={note}"$segrepro_job-$segrepro_restart"',
            '  [ -s "$note" ] || echo "$status" > "$note"',
            f'  if [ "$segrepro_restart" -lt {_MAX_RESTARTS} ]; then scontrol requeue "$segrepro_job"; fi',
            "}",
            "trap segrepro_left EXIT",
        ]
