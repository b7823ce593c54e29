"""The options that say which plan is meant; every command that needs one takes the same."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reproductions.study.request import Request

StoreOption = Annotated[Path | None, typer.Option("--store", help="Folder that holds finished work; .segrepro.")]
SiteOption = Annotated[Path | None, typer.Option("--site", help="Site file; segrepro.toml here (docs/cluster.md).")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for reports.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_GIVEN = {"paper": "Paper", "request": "Request", "search": "Search"}
"""Parameters of commands that no option fills, and their annotations."""

DEFAULT_OUT = Path("reports/generated")


def _request(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="Paper id, e.g. mrca; for run and report also all.")],
    tier: Annotated[str | None, typer.Option("--tier", help="smoke, mini or paper.")] = "mini",
    arms: Annotated[
        str | None,
        typer.Option("--arms", help="Comma-separated arms; the usual ones when left out, every one with all."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Number of seeds; 3, or what the paper needs at tier mini.")
    ] = None,
    store: StoreOption = None,
    data: Annotated[Path | None, typer.Option("--data", help="Your own data folder (docs/own-data.md).")] = None,
    objects: Annotated[Path | None, typer.Option("--objects", help="Your own RGBA cut-outs, a folder a class.")] = None,
    generator: Annotated[Path | None, typer.Option("--generator", help="A diffusers text-to-image folder.")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; repeatable.")
    ] = [],  # noqa: B006 - typer copies it
    site: SiteOption = None,
) -> Request:
    """Check the options for form.

    Raises:
        InputError: an unknown tier, a setting that is not name=value, a mistake in the site file.
    """
    from reproductions.harness.site import read_site
    from reproductions.harness.store import Store
    from reproductions.study.request import USUAL_STORE, Request, check_tier
    from reproductions.study.settings import parse_settings

    known_site = read_site(site)
    for variable, place in (("SEGREPRO_DATA", known_site.data), ("SEGREPRO_WEIGHTS", known_site.weights)):
        if place is not None:
            os.environ.setdefault(variable, str(place))
    return Request(
        paper_id=paper,
        store=Store(store or known_site.store or Path(USUAL_STORE)),
        tier=check_tier(tier or "mini"),
        arms=tuple(name.strip() for name in arms.split(",") if name.strip()) if arms is not None else None,
        num_seeds=seeds,
        data=data,
        objects=objects,
        generator=generator,
        settings=parse_settings(settings),
        site=known_site,
        site_file=site,
        names_no_plan=not (tier or arms or seeds or data or objects or generator or settings),
    )


def names_a_plan(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command(paper, request, ...)`` the options that name a plan; it gets the loaded paper and the request."""

    def with_plan(request: Request, **own: Any) -> None:
        from reproductions.study.registry import load_paper

        command(load_paper(request.paper_id), request, **own)

    return _with_options(command, with_plan, _parameters(_request))


def names_papers(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command(request, ...)`` the options that name a plan, where the paper may also be ``all`` (:mod:`.several`)."""

    def with_request(request: Request, **own: Any) -> None:
        command(request, **own)

    return _with_options(command, with_request, _parameters(_request))


def names_a_cell(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command(search, ...)`` the options that name plans; it gets a search through those plans and the store.

    The first argument on the command line is the cell, wherever it comes from, so the paper is an option (:mod:`.finding` says what
    is looked through without it).
    """
    every = Annotated[str, typer.Option("--paper", help="Look in its plan; else in those of all papers.")]
    paper, *others = _of_any_tier()

    def with_search(request: Request, **own: Any) -> None:
        from reproductions.commands.finding import search_plans

        if own.get("other") is None:  # two planned cells can be compared before there is a store
            request.store.check_there()
        command(search_plans(request), **own)

    return _with_options(command, with_search, [paper.replace(annotation=every, default=""), *others])


def names_anything(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command(request, ...)`` the options that name a plan; its first argument may be a paper, a cell, or left out."""
    name = Annotated[str, typer.Argument(metavar="[PAPER or CELL]", help="Paper id, label or first digits of an id.")]
    paper, *others = _of_any_tier()

    def with_name(request: Request, **own: Any) -> None:
        command(request, **own)

    return _with_options(command, with_name, [paper.replace(annotation=name, default=""), *others])


def _of_any_tier() -> list[inspect.Parameter]:
    """Options that name a plan, where the tier may be left out to mean what the store was asked for."""
    return [one.replace(default=None) if one.name == "tier" else one for one in _parameters(_request)]


def _with_options(
    command: Callable[..., None], run: Callable[..., None], shared: Sequence[inspect.Parameter]
) -> Callable[..., None]:
    """Return ``run(request, ...)`` under the name of ``command``, with its own options and the shared ones behind a request."""
    names = [parameter.name for parameter in shared]

    def with_request(**options: Any) -> None:
        request = _request(**{name: options.pop(name) for name in names})
        run(request, **options)

    own = [parameter for parameter in _parameters(command) if parameter.name not in _GIVEN]
    arguments = sorted([*shared, *own], key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in arguments]
    with_request.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_request.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    with_request.__name__, with_request.__doc__ = command.__name__, command.__doc__
    return with_request


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Parameters with evaluated annotations, but for those that only type checkers know."""
    return [
        parameter
        if parameter.annotation in _GIVEN.values()
        else parameter.replace(annotation=eval(parameter.annotation, function.__globals__))
        for parameter in inspect.signature(function).parameters.values()
    ]
