"""What ``segrepro run``, ``retry`` and ``cancel`` do, here or on a cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from methods.common.errors import InputError
from reproductions.harness.site import Site, StageResources
from reproductions.harness.threads import num_cores

if TYPE_CHECKING:
    from rich.console import Console

    from reproductions.harness.cell import Cell
    from reproductions.harness.cost import StageCost
    from reproductions.harness.find import Search
    from reproductions.harness.launcher import Outcome
    from reproductions.harness.plan import Plan
    from reproductions.harness.store import Store
    from reproductions.requirements.preflight import Finding
    from reproductions.study.paper import Paper
    from reproductions.study.request import Request

Cluster = Literal["local", "slurm"]


@dataclass(frozen=True)
class How:
    """How to run a plan."""

    cluster: Cluster = "local"
    workers: int | None = None
    """Processes of this machine; as many as cores when left out."""
    in_process: bool = False
    wait: bool = False
    """Stay until all jobs of the cluster are through."""
    max_parallel: int | None = None
    """Jobs of an array that may run at once."""
    max_gpu_hours: float | None = None
    force: bool = False
    """Submit though the preflight fails."""
    tensorboard: Path | None = None
    """Folder in which trainings show their curves while they run."""


def check_cluster(name: str) -> Cluster:
    """Return ``name`` when it is a kind of cluster.

    Raises:
        InputError: it is not.
    """
    if name not in get_args(Cluster):
        raise InputError(f"unknown cluster {name!r}; choose one of {', '.join(get_args(Cluster))}")
    return name  # type: ignore[return-value]


def costs(planned: Plan, request: Request, cluster: Cluster) -> list[StageCost]:
    """Estimate what the missing cells will take there. What tier paper expects is expected of GPUs, be there one or not."""
    from reproductions.harness.cost import estimate
    from reproductions.harness.launcher import visible_gpus

    has_gpu = bool(visible_gpus()) or request.tier == "paper"

    def here(cell: Cell) -> StageResources:
        return StageResources(gpus=int(has_gpu))

    def there(cell: Cell) -> StageResources:
        return request.site.resources(cell.stage.kind, cell.stage.runs_on_team)

    return estimate(planned, request.store, there if cluster == "slurm" else here)


def run_plan(paper: Paper, request: Request, planned: Plan, how: How, console: Console) -> Outcome | None:
    """Run what is missing; None when jobs were submitted and nobody waits for them.

    Raises:
        InputError: the plan costs more than allowed, the preflight of a cluster run fails, or TensorBoard is asked for and not installed.
    """
    if how.tensorboard is None:
        return _run_plan(paper, request, planned, how, console)
    from methods.common.training.live_curves import require_tensorboard
    from reproductions.harness.threads import changed_environment
    from reproductions.harness.worker import CURVES_VARIABLE

    require_tensorboard()
    folder = how.tensorboard.resolve()
    console.print(f"curves: tensorboard --logdir {folder}", markup=False, highlight=False, soft_wrap=True)
    with changed_environment({CURVES_VARIABLE: str(folder)}):
        return _run_plan(paper, request, planned, how, console)


def _run_plan(paper: Paper, request: Request, planned: Plan, how: How, console: Console) -> Outcome | None:
    """Run what is missing; see :func:`run_plan`."""
    from reproductions.harness.launcher import run_in_process, run_local
    from reproductions.harness.progress import Display

    _refuse_expensive(planned, request, how)
    for cell, reason in planned.drop_damaged(request.store):
        console.print(f"damaged, will be made anew: {cell.label} ({reason})", style="yellow", markup=False)
    if how.cluster == "slurm":
        return _run_on_slurm(paper, request, planned, how, console)
    if planned.missing(request.store) and not how.force:
        _look_at_own(paper, request, planned, console)
    display = Display(planned, request.store, console)
    with display.shown():
        if how.in_process:
            outcome = run_in_process(planned, request.store, display.update)
        else:
            num_workers = how.workers or num_cores()
            outcome = run_local(planned, request.store, num_workers, display.update)
    display.finish()
    return outcome


def _look_at_own(paper: Paper, request: Request, planned: Plan, console: Console) -> None:
    """Look at what the user brings before anything trains, and say what was derived or left out of it.

    Raises:
        InputError: something is missing or faulty.
    """
    from reproductions.requirements.preflight import fatal, own_findings

    found = own_findings(paper, request, planned)
    for finding in fatal(found):
        more = (
            f"; and {len(finding.problems) - 1} more, which `{request.again('check')}` lists"
            if finding.problems[1:]
            else ""
        )
        raise InputError(f"{finding.what}: {finding.problems[0]}{more}")
    for note in (note for finding in found for note in finding.notes):
        console.print(f"note: {note}", markup=False, highlight=False)


def _refuse_expensive(planned: Plan, request: Request, how: How) -> None:
    if how.max_gpu_hours is None:
        return
    total = sum(cost.gpu_hours for cost in costs(planned, request, how.cluster))
    if total > how.max_gpu_hours:
        raise InputError(
            f"what is missing takes about {total:.3g} GPU hours, more than --max-gpu-hours {how.max_gpu_hours:g}; "
            f"`{request.again('plan')} --cluster {how.cluster}` tells where they go; name fewer --arms or --seeds, or allow more"
        )


def _run_on_slurm(paper: Paper, request: Request, planned: Plan, how: How, console: Console) -> Outcome | None:
    from reproductions.harness.launcher import new_run_id, outcome_of
    from reproductions.harness.progress import Display
    from reproductions.harness.slurm.launch import wait
    from reproductions.harness.slurm.submit import check_site, submit

    store, site = request.store, request.site
    if not planned.missing(store):
        return outcome_of(planned, store, [], interrupted=False)
    check_site(planned, site)
    if not how.force:
        _refuse_unready(paper, request, planned)
    run_id = new_run_id()
    done = submit(planned, store, site, how.max_parallel, run_id)
    console.print(
        f"submitted {done.num_submitted} jobs in {done.num_arrays} arrays; {done.num_already_queued} were in the queue, "
        f"{done.num_done} cells are done",
        highlight=False,
    )
    if not how.wait:
        console.print(
            f"follow them with `{request.again('status')}`; once all is done, the same command writes the report",
            markup=False,
            highlight=False,
        )
        return None
    display = Display(planned, store, console)
    with display.shown():
        outcome = wait(planned, store, site, how.max_parallel, run_id, display.update)
    display.finish()
    return outcome


def preflight(paper: Paper, request: Request, cluster: Cluster, planned: Plan | None = None) -> list[Finding]:
    """Look at all that the plan needs: data, weights, GPU memory, disk, and the cluster's partitions.

    Raises:
        InputError: the request itself makes no sense.
    """
    from reproductions.requirements.preflight import disk_finding, fatal, findings, gpu_finding

    found = findings(paper, request, runs_here=cluster == "local")
    if planned is None and not fatal(found):
        planned = paper.plan(request)
    needed = sum(cost.disk_bytes for cost in costs(planned, request, cluster)) if planned is not None else None
    if cluster == "local":
        found.append(gpu_finding(_one_seed(paper, request) if planned is None else planned))
    found.append(disk_finding(request, needed))
    if cluster == "slurm" and planned is not None:
        found.append(_cluster_finding(planned, request.site))
    return found


def _one_seed(paper: Paper, request: Request) -> Plan | None:
    """Plan a seed though published data and weights are not there; None where something else is missing."""
    try:
        return paper.plan(replace(request, assume_published=True, num_seeds=1))
    except InputError:
        return None


def try_networks(paper: Paper, request: Request, found: Sequence[Finding]) -> list[Finding]:
    """Open every network of the plan, one after another, each in a process of its own; say on stderr which one it is.

    Raises:
        InputError: the request itself makes no sense.
    """
    from reproductions.requirements.trial_runs import loading_findings

    def announce(what: str) -> None:
        print(f"loading {what} ...", file=sys.stderr)

    return list(loading_findings(paper.trials(request), found, announce))


def _cluster_finding(planned: Plan, site: Site) -> Finding:
    """Hold the site file against the cluster's partitions and limits."""
    from reproductions.harness.slurm.submit import check_site
    from reproductions.requirements.preflight import Finding

    try:
        asked = check_site(planned, site)
    except InputError as error:
        return Finding("partitions and limits", "SLURM", "not ready", (str(error),), steps=(str(error),))
    notes = tuple(
        f"{kind.partition('/')[0]}: {resources.partition or 'default partition'}, {resources.gpus} GPU(s), "
        f"{resources.time_min} min"
        for kind, resources in asked.items()
    )
    return Finding("partitions and limits", "SLURM", "ok", notes=notes)


def _refuse_unready(paper: Paper, request: Request, planned: Plan) -> None:
    """Hold back jobs that would only fail on the cluster, hours later."""
    from reproductions.requirements.preflight import fatal

    found = fatal(preflight(paper, request, "slurm", planned))
    if found:
        raise InputError(
            f"nothing was submitted, the preflight found {len(found)} problem(s), first {found[0]}; "
            f"`{request.again('check')} --cluster slurm` lists all, --force submits all the same"
        )


def damaged_cells(planned: Plan, store: Store) -> list[tuple[str, str]]:
    """Hash every file of every finished cell; return label and reason of those that changed."""
    finished = [cell for cell in planned if store.is_complete(cell)]
    return [(cell.label, reason) for cell in finished if (reason := store.damage(cell, deep=True)) is not None]


def failed_part(planned: Plan, request: Request, label: str | None) -> Plan:
    """Return the plan of the failed cells and those that need them, or of the one cell that is named.

    Raises:
        InputError: nothing failed, or no cell has that name.
    """
    from reproductions.harness.find import find_in_plan
    from reproductions.harness.plan import Plan
    from reproductions.harness.states import cell_states

    if label is not None:
        return Plan(planned.name, (find_in_plan(label, planned),))
    lost = [state.cell for state in cell_states(planned, request.store) if state.state in ("failed", "blocked")]
    if not lost:
        raise InputError(f"no cell of this plan has failed; `{request.again('run')}` does what is missing")
    return Plan(planned.name, tuple(lost))


def print_failures(planned: Plan, failures: dict[str, Any]) -> None:
    """Tell what failed on stderr, one sentence each, tracebacks after them."""
    blocked = sum(1 for failure in failures.values() if failure.kind == "blocked")
    for cell_id, failure in failures.items():
        if failure.kind != "blocked":
            print(f"segrepro: {planned[cell_id].label} ({cell_id[:12]}): {failure.message}", file=sys.stderr)
            if failure.traceback:
                print(failure.traceback, file=sys.stderr)
    if blocked:
        print(f"segrepro: {blocked} cells that need them were not run; everything else is kept", file=sys.stderr)


def cancel(planned: Plan, request: Request) -> int:
    """Cancel every job of the plan's cells and stop runs of this store on this machine; return how many were told.

    Raises:
        InputError: SLURM does not answer.
    """
    from reproductions.harness.launcher import interrupt_local_runs
    from reproductions.harness.slurm import queue
    from reproductions.harness.slurm.submissions import cells_in_queue

    told = interrupt_local_runs(request.store)
    if queue.has_slurm():
        wanted = {cell.id for cell in planned}
        jobs = [entry.job.id for entry in cells_in_queue(request.store).values() if entry.cell_id in wanted]
        queue.cancel(jobs)
        told += len(jobs)
    return told


def print_log(search: Search, name: str, console: Console) -> None:
    """Print the attempts at a cell, then what they printed.

    Raises:
        InputError: no such cell, or several.
    """
    from reproductions.harness.attempts import read_attempts
    from reproductions.harness.logs import log_path
    from reproductions.harness.states import format_seconds

    cell, store = search.find_begun(name), search.store
    attempts = store.provenance(cell)["attempts"] if store.is_complete(cell) else read_attempts(store, cell.id)
    print(f"{cell.label} ({cell.id[:12]}, {search.origin(cell)}), {len(attempts)} attempt(s)")
    for number, one in enumerate(attempts, start=1):
        job = f", job {one['job']}" if one.get("job") else ""
        print(
            f"  {number}  {one['started_utc']}  {one['host']}{job}  {format_seconds(one['wall_s'])}  {one['outcome']}"
        )
    path: Path = log_path(store, cell.id)
    if path.is_file():
        print(path.read_text(errors="replace"), end="")
    else:
        why = "what they printed is not in this store" if attempts else "no attempt has printed anything yet"
        console.print(why, style="dim")
