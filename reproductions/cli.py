"""The command line: ``segrepro plan | run | status | report | why | check``."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from methods.common.errors import InputError
from reproductions.options import DEFAULT_OUT, JsonOption, OutOption, names_a_plan

if TYPE_CHECKING:
    from rich.console import Console

    from reproductions.harness.plan import Plan
    from reproductions.paper import Paper, Request

app = typer.Typer(
    help="Reproduce and audit papers that train image segmenters on generated data.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _console() -> Console:
    from rich.console import Console

    return Console(soft_wrap=True)


@app.command()
@names_a_plan
def plan(
    paper: Paper,
    request: Request,
    as_json: JsonOption = False,
) -> None:
    """Show the cells behind a report, and which of them are missing, without running anything."""
    from reproductions.harness.progress import format_seconds

    planned = paper.plan(request)
    done = {cell.id for cell in planned if request.store.is_complete(cell)}
    if as_json:
        _print_json(
            [{"id": cell.id, "label": cell.label, "done": cell.id in done, **cell.identity} for cell in planned]
        )
        return
    rows = [
        (
            cell.label,
            cell.stage.name,
            cell.id[:12],
            "done" if cell.id in done else "missing",
            format_seconds(cell.cost_s),
        )
        for cell in planned
    ]
    _print_table(("cell", "stage", "id", "state", "expected"), rows)
    missing_s = sum(cell.cost_s for cell in planned if cell.id not in done)
    _console().print(
        f"{len(planned)} cells, {len(done)} done, {len(planned) - len(done)} missing; "
        f"about {format_seconds(missing_s)} of one core's work left"
    )


@app.command()
@names_a_plan
def run(
    paper: Paper,
    request: Request,
    cluster: Annotated[str, typer.Option("--cluster", help="Where to run: local.")] = "local",
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes; as many as cores.")] = None,
    in_process: Annotated[bool, typer.Option("--in-process", help="Run in this process, for debugging.")] = False,
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Run what is missing, then write the report. Interrupt it at any time; the same command goes on."""
    from reproductions.harness.store import Store

    if cluster != "local":
        raise InputError(f"unknown cluster {cluster!r}; choose local")
    Store.create(request.store.root)
    planned = paper.plan(request)
    raise typer.Exit(_run(paper, request, planned, workers, in_process, out))


def _run(paper: Paper, request: Request, planned: Plan, workers: int | None, in_process: bool, out: Path) -> int:
    from reproductions.harness.launcher import run_in_process, run_local
    from reproductions.harness.progress import Display

    console = _console()
    for cell, reason in planned.drop_damaged(request.store):
        console.print(f"damaged, will be made anew: {cell.label} ({reason})", style="yellow", markup=False)
    display = Display(planned, request.store, console)
    with display.shown():
        if in_process:
            outcome = run_in_process(planned, request.store, display.update)
        else:
            num_workers = workers or len(os.sched_getaffinity(0))
            outcome = run_local(planned, request.store, num_workers, display.update)
    display.finish()
    if outcome.interrupted:
        console.print("interrupted; the same command goes on from here")
        return outcome.exit_code
    if outcome.failures:
        _print_failures(planned, outcome.failures)
        return outcome.exit_code
    console.print(f"report: {paper.report(request, planned, out)}", markup=False, highlight=False)
    return 0


def _print_failures(planned: Plan, failures: dict[str, Any]) -> None:
    blocked = sum(1 for failure in failures.values() if failure.kind == "blocked")
    for cell_id, failure in failures.items():
        if failure.kind != "blocked":
            print(f"segrepro: {planned[cell_id].label} ({cell_id[:12]}): {failure.message}", file=sys.stderr)
            if failure.traceback:
                print(failure.traceback, file=sys.stderr)
    if blocked:
        print(f"segrepro: {blocked} cells that need them were not run; everything else is kept", file=sys.stderr)


@app.command()
@names_a_plan
def status(
    paper: Paper,
    request: Request,
    as_json: JsonOption = False,
) -> None:
    """Show the state of every cell, from the store alone."""
    from reproductions.harness.progress import cell_states

    states = cell_states(paper.plan(request), request.store)
    if as_json:
        _print_json(
            [
                {"id": s.cell.id, "label": s.cell.label, "state": s.state, "fraction": s.fraction, "message": s.message}
                for s in states
            ]
        )
        return
    _print_table(("cell", "id", "state", ""), [(s.cell.label, s.cell.id[:12], s.state, s.describe()) for s in states])
    counts = Counter(state.state for state in states)
    _console().print(", ".join(f"{number} {name}" for name, number in counts.items()) + f" of {len(states)} cells")


@app.command()
@names_a_plan
def report(
    paper: Paper,
    request: Request,
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Write the report from what is finished; arms that were not run are marked so."""
    path = paper.report(request, paper.plan(request), out)
    _console().print(f"report: {path}", markup=False, highlight=False)


@app.command()
@names_a_plan
def why(
    paper: Paper,
    request: Request,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="Label, or the first digits of an id.")],
    other: Annotated[
        str | None, typer.Argument(metavar="[OTHER]", help="Compare with this cell; else with the plan.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what differs between two cells, or between a cell and what is asked now."""
    from reproductions.harness.why import explain

    left, right, found = explain(cell, other, request.store, paper.plan(request))
    if as_json:
        _print_json({"left": left.name, "right": right.name, "differences": [vars(item) for item in found]})
        return
    console = _console()
    console.print(f"left:  {left.name}\nright: {right.name}", markup=False, highlight=False)
    if not found:
        console.print("no difference: they are the same cell")
        return
    _print_table(("where", "left", "right"), [(d.path, json.dumps(d.left), json.dumps(d.right)) for d in found])


@app.command()
@names_a_plan
def check(
    paper: Paper,
    request: Request,
    as_json: JsonOption = False,
) -> None:
    """Look whether everything that the plan needs is there and whole; exit code 2 when it is not."""
    from reproductions.harness.store import Store

    needs = list(paper.needs(request))
    damaged: list[tuple[str, str]] = []
    if all(need.found for need in needs):
        planned = paper.plan(request)
        finished = [cell for cell in planned if request.store.is_complete(cell)]
        damaged = [(c.label, reason) for c in finished if (reason := request.store.damage(c, deep=True)) is not None]
    if request.store.root.exists():
        Store.create(request.store.root)
    if as_json:
        _print_json({"needs": [vars(need) for need in needs], "damaged": damaged})
    else:
        _print_table(
            ("needed", "where", "state"),
            [(need.what, need.place, "found" if need.found else f"missing: {need.remedy}") for need in needs]
            + [(label, str(request.store.root), f"damaged: {reason}") for label, reason in damaged],
        )
    if any(not need.found for need in needs):
        raise typer.Exit(2)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table

    table = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    _console().print(table, markup=False)


def main() -> None:
    """Run the command line; the user's mistakes become one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        print(f"segrepro: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
