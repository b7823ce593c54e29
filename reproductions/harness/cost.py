"""What a plan will still cost: GPU hours, CPU hours and disk, measured where the store holds the like, assumed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reproductions.harness.cell import Cell
from reproductions.harness.plan import Plan
from reproductions.harness.site import StageResources
from reproductions.harness.store import Store

Resources = Callable[[Cell], StageResources]
"""What a cell's job asks for."""


@dataclass(frozen=True)
class StageCost:
    """What is missing of one stage."""

    stage: str
    num_cells: int
    num_missing: int
    gpu_hours: float
    cpu_hours: float
    disk_bytes: float
    num_measured: int
    """Finished cells that the rates come from; 0: the rates are assumptions."""

    @property
    def source(self) -> str:
        """Where the rates come from, in words."""
        if self.num_missing == 0:
            return ""
        return f"measured on {self.num_measured} cells" if self.num_measured else "assumed"


@dataclass(frozen=True)
class Share:
    """What a part of the missing cells takes: those of one kind of stage, or those that one arm needs."""

    name: str
    num_missing: int
    gpu_hours: float
    cpu_hours: float
    disk_bytes: float
    alone_gpu_hours: float = 0.0
    """Of those that nothing else needs."""
    alone_disk_bytes: float = 0.0


def shares(plan: Plan, store: Store, costs: Sequence[StageCost]) -> tuple[list[Share], list[Share]]:
    """Split what is missing by kind of stage, and by what asks for it; what several ask for counts for each of them.

    Args:
        plan: as :func:`estimate` got it.
        store: the same.
        costs: what it returned.
    """
    by_stage = {cost.stage: cost for cost in costs}
    missing = plan.missing(store)
    expected: dict[str, float] = {}
    for cell in missing:
        expected[cell.stage.name] = expected.get(cell.stage.name, 0.0) + cell.cost_s
    kinds: dict[str, Share] = {}
    groups = {name: Share(name, 0, 0.0, 0.0, 0.0) for name in plan.groups}
    for cell in missing:
        cost = by_stage[cell.stage.name]
        part = cell.cost_s / expected[cell.stage.name] if expected[cell.stage.name] else 0.0
        disk = cell.disk_bytes if not cost.num_measured else cost.disk_bytes / cost.num_missing
        mine = (part * cost.gpu_hours, part * cost.cpu_hours, disk)
        kind = str(cell.stage.kind)
        kinds[kind] = _added(kinds.get(kind, Share(kind, 0, 0.0, 0.0, 0.0)), *mine)
        askers = plan.askers[cell.id]
        for name in askers:
            groups[name] = _added(groups[name], *mine, alone=len(askers) == 1)
    return list(kinds.values()), list(groups.values())


def _added(share: Share, gpu_hours: float, cpu_hours: float, disk_bytes: float, alone: bool = False) -> Share:
    return Share(
        share.name,
        share.num_missing + 1,
        share.gpu_hours + gpu_hours,
        share.cpu_hours + cpu_hours,
        share.disk_bytes + disk_bytes,
        share.alone_gpu_hours + alone * gpu_hours,
        share.alone_disk_bytes + alone * disk_bytes,
    )


@dataclass(frozen=True)
class _Rate:
    """Measured over finished cells of a stage at this scale."""

    num_cells: int = 0
    seconds_per_expected: float = 1.0
    bytes_per_cell: float = 0.0


def estimate(plan: Plan, store: Store, resources: Resources) -> list[StageCost]:
    """Estimate every stage of a plan, in the plan's order.

    The seconds of a cell are those that its planner expects of one process, times what finished cells of the same stage
    and plan took (all processes of a team together) over what was expected of them. A team needs as many in all.
    """
    by_stage: dict[str, list[Cell]] = {}
    for cell in plan:
        by_stage.setdefault(cell.stage.name, []).append(cell)
    missing = {cell.id for cell in plan.missing(store)}
    return [_stage_cost(stage, cells, missing, plan.name, store, resources) for stage, cells in by_stage.items()]


def _stage_cost(
    stage: str, cells: list[Cell], missing_ids: set[str], scale: str, store: Store, resources: Resources
) -> StageCost:
    missing = [cell for cell in cells if cell.id in missing_ids]
    asked = resources(cells[0])
    uses_gpu = bool(asked.gpus) and cells[0].stage.uses_gpu
    rate = _measured(stage, scale, uses_gpu, store) if missing else _Rate()
    hours = sum(cell.cost_s for cell in missing) * rate.seconds_per_expected / 3600
    return StageCost(
        stage,
        len(cells),
        len(missing),
        hours if uses_gpu else 0.0,
        hours * asked.cpus,
        len(missing) * rate.bytes_per_cell if rate.num_cells else sum(cell.disk_bytes for cell in missing),
        rate.num_cells,
    )


def _measured(stage: str, scale: str, uses_gpu: bool, store: Store) -> _Rate:
    found = [
        (provenance, size)
        for provenance, size in _finished(stage, store)
        if provenance.get("scale") == scale and provenance.get("expected_s") and bool(provenance.get("gpu")) == uses_gpu
    ]
    if not found:
        return _Rate()
    taken = sum(float(provenance["wall_s"]) * int(provenance.get("processes", 1)) for provenance, _ in found)
    expected = sum(float(provenance["expected_s"]) for provenance, _ in found)
    return _Rate(len(found), taken / expected, sum(size for _, size in found) / len(found))


def _finished(stage: str, store: Store) -> Iterator[tuple[dict[str, Any], int]]:
    """Provenance and size in bytes of every finished cell of a stage; torn ones say nothing."""
    for folder in sorted((store.root / "cells" / stage).glob("[0-9a-f]*")):
        try:
            provenance = json.loads((folder / "provenance.json").read_text())
            files = json.loads((folder / "seal.json").read_text())["files"]
            yield provenance, sum(int(entry["bytes"]) for entry in files.values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
