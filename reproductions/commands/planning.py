"""What ``segrepro plan`` prints: the cells, and what the missing ones cost by stage, by kind of stage and by arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reproductions.commands.printing import console, print_json, print_table
from reproductions.commands.running import Cluster, costs
from reproductions.harness.states import format_seconds

if TYPE_CHECKING:
    from reproductions.harness.cost import Share, StageCost
    from reproductions.study.paper import Paper
    from reproductions.study.request import Request


def print_plan(paper: Paper, request: Request, cluster: Cluster, as_json: bool) -> None:
    """Print a plan; published data and weights that are not there yet are taken as if they were, and named.

    Raises:
        InputError: the request makes no sense, or something of the user's own is missing.
    """
    from reproductions.harness.cost import shares

    assuming = replace(request, assume_published=True)
    planned = paper.plan(assuming)
    assumed = [need.what for need in paper.needs(assuming) if need.is_published and not need.place.exists()]
    expected = costs(planned, request, cluster)
    kinds, arms = shares(planned, request.store, expected)
    missing = {cell.id for cell in planned.missing(request.store)}
    if as_json:
        print_json(
            {
                "cells": [
                    {"id": cell.id, "label": cell.label, "done": cell.id not in missing, **cell.identity}
                    for cell in planned
                ],
                "costs": [{**vars(cost), "source": cost.source} for cost in expected],
                "kinds": [vars(share) for share in kinds],
                "arms": [vars(share) for share in arms],
                "assumed": assumed,
            }
        )
        return
    rows = [
        (
            cell.label,
            cell.stage.name,
            cell.id[:12],
            "missing" if cell.id in missing else "done",
            format_seconds(cell.cost_s),
        )
        for cell in planned
    ]
    print_table(("cell", "stage", "id", "state", "expected"), rows)
    _print_costs(expected, kinds, arms)
    out = console()
    if assumed:
        print(f"assumed to be there, so ids are not final: {', '.join(assumed)}")
    out.print(f"{len(planned)} cells, {len(planned) - len(missing)} done, {len(missing)} missing")


def _print_costs(expected: Sequence[StageCost], kinds: Sequence[Share], arms: Sequence[Share]) -> None:
    rows = [(*_cells(cost.stage, cost.num_missing, cost), cost.source) for cost in expected if cost.num_missing]
    total = _cells(
        "all stages",
        sum(cost.num_missing for cost in expected),
        *(cost for cost in expected if cost.num_missing),
    )
    print()
    print_table(("stage", *_COLUMNS, "rates"), [*rows, (*total, "")])
    if len(kinds) > 1:
        print()
        print_table(("kind", *_COLUMNS), [_cells(share.name, share.num_missing, share) for share in kinds])
    if len(arms) > 1:
        print()
        header = ("arm, with all that it needs", *_COLUMNS, "of it alone: GPU hours", "disk")
        print_table(
            header,
            [
                (
                    *_cells(share.name, share.num_missing, share),
                    _hours(share.alone_gpu_hours),
                    _disk(share.alone_disk_bytes),
                )
                for share in arms
            ],
        )


_COLUMNS = ("missing", "GPU hours", "CPU hours", "disk")


def _cells(name: str, num_missing: int, *costs: StageCost | Share) -> tuple[str, ...]:
    return (
        name,
        str(num_missing),
        _hours(sum(cost.gpu_hours for cost in costs)),
        _hours(sum(cost.cpu_hours for cost in costs)),
        _disk(sum(cost.disk_bytes for cost in costs)),
    )


def _hours(hours: float) -> str:
    if hours >= 1000:
        return f"{hours:,.0f}"
    return f"{hours:.3g}" if hours else "0"


def _disk(num_bytes: float) -> str:
    return f"{num_bytes / 1e12:.3g} TB" if num_bytes >= 1e12 else f"{num_bytes / 1e9:.3g} GB"
