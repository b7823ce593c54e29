"""The command line: ``segrepro plan | run | status | logs | retry | cancel | report | why | check | evaluate | render``."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

_GARBAGE_EVERY = 50_000
"""New objects between two looks for garbage. Python's 700 take a tenth of the time of loading what follows, and a third of that of
a plan of ten thousand cells."""
gc.set_threshold(_GARBAGE_EVERY)

import typer

from methods.common.errors import InputError
from reproductions.commands.comparing import compare_reports
from reproductions.commands.evaluate.commands import app as evaluate_app
from reproductions.commands.garbage import collect_garbage
from reproductions.commands.options import (
    DEFAULT_OUT,
    JsonOption,
    OutOption,
    names_a_cell,
    names_a_plan,
    names_anything,
    names_papers,
)
from reproductions.commands.packing import export_report, import_report
from reproductions.commands.palette_check import check_palettes
from reproductions.commands.predictions import export_predictions
from reproductions.commands.printing import console, print_json
from reproductions.commands.render import app as render_app
from reproductions.commands.settings import settings

if TYPE_CHECKING:
    from reproductions.commands.running import How
    from reproductions.harness.find import Search
    from reproductions.harness.plan import Plan
    from reproductions.study.paper import Paper
    from reproductions.study.request import Request

app = typer.Typer(
    help="Reproduce and audit papers that train image segmenters on generated data.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(names_a_plan(settings))
app.command("compare")(compare_reports)
app.command("gc")(collect_garbage)
app.command("export")(names_a_plan(export_report))
app.command("import")(import_report)
app.command("palette-check")(check_palettes)
app.command("export-predictions")(names_a_cell(export_predictions))
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(render_app, name="render")


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"segrepro {version('segrepro')}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


ClusterOption = Annotated[str, typer.Option("--cluster", help="Where to run: local or slurm.")]
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Processes here; as many as cores.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Stay until the cluster is through.")]
ParallelOption = Annotated[int | None, typer.Option("--max-parallel", min=1, help="Jobs of an array at once.")]
HoursOption = Annotated[float | None, typer.Option("--max-gpu-hours", min=0, help="Refuse to start more than this.")]
LoadOption = Annotated[bool, typer.Option("--load", help="Also load each network and send a tiny batch through it.")]
CurvesOption = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="FOLDER", help="Show curves of running trainings there, for TensorBoard."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Submit though `check` finds problems.")]


@app.command()
@names_a_plan
def plan(
    paper: Paper,
    request: Request,
    cluster: ClusterOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Show the cells behind a report, which of them are missing, and what they will cost; published data need not be there."""
    from reproductions.commands.planning import print_plan
    from reproductions.commands.running import check_cluster

    print_plan(paper, request, check_cluster(cluster), as_json)


@app.command()
@names_papers
def run(
    request: Request,
    cluster: ClusterOption = "local",
    workers: WorkersOption = None,
    in_process: Annotated[bool, typer.Option("--in-process", help="Run in this process, for debugging.")] = False,
    wait: WaitOption = False,
    max_parallel: ParallelOption = None,
    max_gpu_hours: HoursOption = None,
    force: ForceOption = False,
    tensorboard: CurvesOption = None,
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Run what is missing, then write the report. Interrupt it at any time; the same command goes on. PAPER may be all."""
    from reproductions.commands.running import How, check_cluster
    from reproductions.commands.several import for_each_paper
    from reproductions.harness.store import Store

    how = How(check_cluster(cluster), workers, in_process, wait, max_parallel, max_gpu_hours, force, tensorboard)

    def one(paper: Paper, request: Request) -> int:
        Store.create(request.store.root)
        planned = paper.plan(request)
        return _run(paper, request, planned, planned, how, out)

    raise typer.Exit(for_each_paper(request, out, one))


@app.command()
@names_a_plan
def retry(
    paper: Paper,
    request: Request,
    failed: Annotated[
        bool, typer.Option("--failed", help="All failed cells and what needs them (the default).")
    ] = False,
    cell: Annotated[str | None, typer.Option("--cell", help="Only this one: label or first digits of its id.")] = None,
    cluster: ClusterOption = "local",
    workers: WorkersOption = None,
    wait: WaitOption = False,
    max_parallel: ParallelOption = None,
    max_gpu_hours: HoursOption = None,
    force: ForceOption = False,
    tensorboard: CurvesOption = None,
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Try failed cells again, and what waits for them; nothing else is started."""
    from reproductions.commands.running import How, check_cluster, failed_part
    from reproductions.harness.store import Store

    if failed and cell is not None:
        raise InputError("--failed means all failed cells and --cell one; give only one of them")
    request.store.check_there()
    how = How(check_cluster(cluster), workers, False, wait, max_parallel, max_gpu_hours, force, tensorboard)
    Store.create(request.store.root)
    planned = paper.plan(request)
    raise typer.Exit(_run(paper, request, planned, failed_part(planned, request, cell), how, out))


def _run(paper: Paper, request: Request, planned: Plan, part: Plan, how: How, out: Path) -> int:
    """Run a part of the plan; write the report once all of it is there."""
    from reproductions.commands.places import check_reports
    from reproductions.commands.running import print_failures, run_plan
    from reproductions.harness.known_plans import remember

    check_reports(paper, request, out)
    screen = console()
    remember(request.store, planned.name, request.command(), request.record(), [cell.id for cell in planned])
    outcome = run_plan(paper, request, part, how, screen)
    if outcome is None:
        return 0
    if outcome.interrupted:
        what = "the jobs go on without you" if how.cluster == "slurm" else "the same command goes on from here"
        screen.print(f"interrupted; {what}")
        return outcome.exit_code
    if outcome.failures:
        print_failures(part, outcome.failures)
        return outcome.exit_code
    if part is not planned and planned.missing(request.store):
        screen.print(
            f"done; `{request.again('run')}` does the rest and writes the report", markup=False, highlight=False
        )
        return 0
    screen.print(f"report: {paper.report(request, planned, out)}", markup=False, highlight=False)
    return 0


@app.command()
@names_a_plan
def cancel(paper: Paper, request: Request) -> None:
    """Cancel the plan's jobs on the cluster, and stop runs of this store on this machine; what is saved stays."""
    from reproductions.commands.running import cancel as cancel_jobs

    request.store.check_there()
    told = cancel_jobs(paper.plan(request), request)
    console().print(f"told {told} job(s) to stop; the same run goes on from what is saved")


@app.command()
@names_a_cell
def logs(
    search: Search,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="Label, or the first digits of an id.")],
) -> None:
    """Print the attempts at a cell and what they printed."""
    from reproductions.commands.running import print_log

    print_log(search, cell, console())


@app.command()
@names_anything
def status(
    request: Request,
    once: Annotated[bool, typer.Option("--once", help="Print once, even on a terminal.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the state of every cell of a paper's plan, live on a terminal while something runs; of one cell; or of the store."""
    from reproductions.commands.looking import print_status

    print_status(request, once, as_json)


@app.command()
@names_papers
def report(
    request: Request,
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Write the report from what is finished; arms that were not run are marked so. PAPER may be all."""
    from reproductions.commands.places import check_reports
    from reproductions.commands.several import for_each_paper

    request.store.check_there()

    def one(paper: Paper, request: Request) -> int:
        check_reports(paper, request, out)
        path = paper.report(request, paper.plan(request), out)
        console().print(f"report: {path}", markup=False, highlight=False)
        return 0

    raise typer.Exit(for_each_paper(request, out, one))


@app.command()
@names_a_cell
def why(
    search: Search,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="Label, or the first digits of an id.")],
    other: Annotated[
        str | None, typer.Argument(metavar="[OTHER]", help="Compare with this cell; else with the plans.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which setting, input or code version makes two cells different, or a stored cell and what is asked now."""
    from reproductions.commands.looking import print_why

    print_why(search, cell, other, as_json)


@app.command()
@names_a_plan
def check(
    paper: Paper,
    request: Request,
    cluster: ClusterOption = "local",
    load: LoadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look whether everything that the plan needs is there and whole; exit code 2 when it is not."""
    from reproductions.commands.running import check_cluster, damaged_cells, preflight, try_networks
    from reproductions.harness.store import Store
    from reproductions.requirements.preflight import fatal, print_findings

    found = preflight(paper, request, check_cluster(cluster))
    if load:
        found += try_networks(paper, request, found)
    damaged = [] if fatal(found) else damaged_cells(paper.plan(request), request.store)
    if request.store.is_there:
        Store.create(request.store.root)
    if as_json:
        print_json({"findings": [finding.record() for finding in found], "damaged": damaged})
    else:
        print_findings(found, console())
        for label, reason in damaged:
            print(f"damaged, the next run makes it anew: {label} ({reason})")
    if fatal(found):
        raise typer.Exit(2)


_FAULTS_OF_PLACES = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
}
"""What is wrong with the place that the user named, wherever in the code it shows."""


def _end_with(sentence: str) -> NoReturn:
    print(f"segrepro: {' '.join(sentence.splitlines())}", file=sys.stderr)
    sys.exit(2)


def _check_working_folder() -> None:
    try:
        os.getcwd()  # noqa: PTH109 - a Path would not be used
    except FileNotFoundError as error:
        raise InputError("the working folder is no longer there; go to one that is") from error


def main() -> None:
    """Run the command line; the user's mistakes become one sentence and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not have every letter
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that files aside are removed
    try:
        _check_working_folder()
        app()
    except InputError as error:
        _end_with(str(error))
    except OSError as error:
        if error.errno not in _FAULTS_OF_PLACES:
            raise
        if error.filename is None:  # no room for what is printed
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _end_with(
            f"{error.filename or 'the output'} cannot be used ({error.strerror}); name another place, or make it usable"
        )
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if "torch" not in sys.modules:  # whose libraries complain of what is left at the end
            gc.freeze()  # the interpreter would look through everything once more, for 40 ms


if __name__ == "__main__":
    main()
