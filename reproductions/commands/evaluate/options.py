"""The command group ``segrepro evaluate``, and the options that its commands share."""

import inspect
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from methods.common.errors import InputError
from reproductions.commands.evaluate.task import DEFAULT_RESAMPLES, DEFAULT_SEED, Request, Task

app = typer.Typer(
    help="Evaluate predictions by a metric's official definition; docs/metrics.md has all of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _shared(
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers here.")] = None,
    per_class_file: Annotated[
        Path | None, typer.Option("--per-class", metavar="FILE", help="Write one CSV row a class here.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option("--compare", metavar="OTHER", help="Other predictions of the same form: is there a difference?"),
    ] = None,
    num_resamples: Annotated[
        int | None,
        typer.Option("--resamples", min=1, help=f"Resamples of the comparison.  [default: {DEFAULT_RESAMPLES}]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help=f"Seed of the resamples.  [default: {DEFAULT_SEED}]")
    ] = None,
    official: Annotated[
        bool, typer.Option("--official", help="Run the official package instead, to check us.")
    ] = False,
    num_processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Processes to use.  [default: as many as cores]")
    ] = None,
) -> None:
    """Only carries the options."""


def _without(*names: str) -> list[inspect.Parameter]:
    return [one for name, one in inspect.signature(_shared).parameters.items() if name not in names]


def metric(
    name: str, *, official: bool = False, processes: bool = False, classes: bool = True
) -> Callable[[Callable[..., Task]], Callable[..., None]]:
    """Make ``task(...) -> Task`` the command ``name``, with the shared options that fit it.

    Args:
        name: of the metric.
        official: there is an official package to run instead.
        processes: the metric uses processes.
        classes: the metric has values by class.
    """
    offered = {"official": official, "num_processes": processes, "per_class_file": classes}
    shared = _without(*(option for option, fits in offered.items() if not fits))

    def register(task: Callable[..., Task]) -> Callable[..., None]:
        own = list(inspect.signature(task).parameters.values())
        places = set(_options_of_places((*own, *shared)))

        def command(**options: Any) -> None:
            _refuse_empty(places, sys.argv[1:])
            if processes:  # one thread each: the numerical library would start more as soon as it is loaded
                os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            from reproductions.commands.evaluate.run import run

            given = {one.name: options.pop(one.name) for one in shared}
            if not processes and not given.get("official"):
                given["num_processes"] = 1
            run(task(**options), Request(name, **given))

        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *shared)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        command.__doc__ = task.__doc__
        return app.command(name)(command)

    return register


def _options_of_places(parameters: Iterable[inspect.Parameter]) -> Iterable[str]:
    """Name the options whose values are files or folders."""
    for parameter in parameters:
        kind, option = get_args(parameter.annotation)
        if Path in (kind, *get_args(kind)):
            # Typer moves the first name out of its place as a default only when it builds the command.
            yield from (name for name in (option.default, *option.param_decls) if isinstance(name, str))


def _refuse_empty(places: Collection[str], words: Sequence[str]) -> None:
    """Refuse an empty name, as `--predictions "$OUT"` gives with OUT unset; as a path it would be the folder one is in.

    Raises:
        InputError: one is empty.
    """
    following = dict(pairwise([*words, "end"]))
    for option in sorted(places):
        if following.get(option) == "" or f"{option}=" in words:
            raise InputError(f"{option} is empty; name what belongs there, or leave the option out")
