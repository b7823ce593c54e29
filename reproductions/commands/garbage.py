"""What ``segrepro gc`` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from methods.common.errors import InputError
from reproductions.commands.options import SiteOption, StoreOption
from reproductions.commands.printing import print_table

if TYPE_CHECKING:
    from reproductions.harness.known_plans import KnownPlan
    from reproductions.harness.site import Site
    from reproductions.harness.store import Store
    from reproductions.harness.unwanted import Unwanted


def collect_garbage(
    store: StoreOption = None,
    site: SiteOption = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; else they are only shown.")] = False,
    forget: Annotated[
        list[str], typer.Option("--forget", metavar="PLAN", help="A plan that nobody wants any more; repeatable.")
    ] = [],  # noqa: B006 - typer copies it
    plans: Annotated[bool, typer.Option("--plans", help="Only list the plans that runs were asked for.")] = False,
) -> None:
    """Show the cells that no known plan wants, and with --delete free them; never what somebody works on or waits for."""
    from reproductions.harness.known_plans import known_plans, plans_lock
    from reproductions.harness.site import read_site
    from reproductions.harness.store import Store
    from reproductions.study.request import USUAL_STORE

    known_site = read_site(site)
    place = Store(store or known_site.store or Path(USUAL_STORE))
    place.check_there()
    if plans:
        _print_plans(list(known_plans(place)))
        return
    if delete:
        place = Store.create(place.root)
        with plans_lock(place):
            _collect(place, known_site, forget, delete=True)
    else:
        _collect(place, known_site, forget, delete=False)


def _collect(store: Store, site: Site, forgotten: Sequence[str], delete: bool) -> None:
    from reproductions.harness import known_plans as plans
    from reproductions.harness.unwanted import judge_cells, remove

    known = list(plans.known_plans(store))
    dropped = [_named(key, known) for key in forgotten]
    wanted = {
        cell_id
        for one in known
        if not one.forgotten and one not in dropped
        for cell_id in _wanted_now(one, store, site)
    }
    found = judge_cells(store, wanted, {one.name for one in known}, _queued(store))
    if delete:
        for one in dropped:
            plans.forget(store, one)
        print(f"{_size(remove(store, found.unwanted))} freed, {len(found.unwanted)} cells")
    elif found.unwanted:
        _print_unwanted(found.unwanted)
    print(f"kept: {found.num_wanted} cells that known plans want", end="")
    print(f", {found.num_in_work} that somebody works on or waits for" if found.num_in_work else "", end="")
    print(f", {found.num_unknown} of plans that no run has written down" if found.num_unknown else "")
    if not delete:
        print("nothing was removed; --delete removes them" if found.unwanted else "there is nothing to remove")


def _named(key: str, known: Sequence[KnownPlan]) -> KnownPlan:
    fitting = [one for one in known if one.key.startswith(key) and key]
    if len(fitting) != 1:
        raise InputError(f"{len(fitting)} plans are called {key!r}; `segrepro gc --plans` lists them")
    return fitting[0]


def _wanted_now(known: KnownPlan, store: Store, site: Site) -> Iterator[str]:
    """Plan it again: after a change of the code it may want other cells. Where it cannot be planned here, what it wanted then."""
    from reproductions.study.registry import load_paper
    from reproductions.study.request import request_from_record

    try:
        request = request_from_record(known.request, store, site)
        yield from [cell.id for cell in load_paper(request.paper_id).plan(request)]
    except (InputError, KeyError, TypeError):
        yield from known.cells


def _queued(store: Store) -> list[str]:
    from reproductions.harness.slurm import queue
    from reproductions.harness.slurm.submissions import cells_in_queue

    try:
        return list(cells_in_queue(store)) if queue.has_slurm() else []
    except queue.NoClusterError:
        return []


def _print_plans(known: Sequence[KnownPlan]) -> None:
    rows = [
        (one.key, one.asked_utc, str(len(one.cells)), "forgotten" if one.forgotten else "", one.command)
        for one in known
    ]
    print_table(("plan", "last asked", "cells", "", "command"), rows)


def _print_unwanted(unwanted: Sequence[Unwanted]) -> None:
    groups: dict[tuple[str, str], list[int]] = {}
    for one in unwanted:
        groups.setdefault((one.scale, one.cell.stage_name), []).append(one.num_bytes)
    rows = [(scale, stage, str(len(sizes)), _size(sum(sizes))) for (scale, stage), sizes in sorted(groups.items())]
    total = ("all", "", str(len(unwanted)), _size(sum(one.num_bytes for one in unwanted)))
    print_table(("plan", "stage", "cells", "size"), [*rows, total])


def _size(num_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}"
    return f"{num_bytes} B"
