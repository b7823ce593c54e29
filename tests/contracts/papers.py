"""What the contracts hold for: every known paper, and one cell for each stage and each shape of its config."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

import methods
from methods.common.stage import Stage
from reproductions.harness.cell import Cell
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.study.paper import Paper
from reproductions.study.registry import load_paper, paper_ids
from reproductions.study.request import Request, Tier

TIERS: tuple[Tier, ...] = ("smoke", "mini", "paper")
NOWHERE = Store(Path("/nowhere"))
"""A store that does not exist: planning looks into none."""


def known_papers() -> tuple[str, ...]:
    """Id of every plan that the command line can run."""
    return paper_ids()


def load(paper_id: str) -> Paper:
    return load_paper(paper_id)


SHARDS_AT_PAPER = {
    "mrca": ("xpaste.num_shards",),
    "sam_filter": ("num_shards",),
    "diffumask_robust": ("num_shards",),
    "instance_synthesis": ("num_shards",),
    "seggen": ("num_shards",),
}
"""Settings of tier paper that say into how many cells pictures are cut: few tell the same as the tier's own 64, in a tenth of the time."""


def request(paper_id: str, tier: Tier = "smoke", **changes: Any) -> Request:
    few = dict.fromkeys(SHARDS_AT_PAPER.get(paper_id, ()), "3") if tier == "paper" else {}
    return Request(paper_id, NOWHERE, tier=tier, **{"num_seeds": 1, "settings": few, **changes})


@cache
def plan(paper_id: str, tier: Tier) -> Plan:
    """The plan of all arms with one seed; what tier paper needs from outside is made up."""
    with made_up_places(paper_id, tier):
        return load(paper_id).plan(request(paper_id, tier))


def smoke_plan(paper_id: str) -> Plan:
    return plan(paper_id, "smoke")


@contextmanager
def made_up_places(paper_id: str, tier: Tier) -> Iterator[None]:
    """Within the block, everything that a tier needs from outside is there, each place as a file of its own."""
    if tier != "paper":
        yield
        return
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for variable in ("SEGREPRO_WEIGHTS", "SEGREPRO_DATA"):
            patch.setenv(variable, str(Path(folder) / variable))
        for need in load(paper_id).needs(request(paper_id, tier)):
            assert need.place.is_relative_to(folder), (
                f"{need.what} is looked for at {need.place}, which nobody can move"
            )
            need.place.parent.mkdir(parents=True, exist_ok=True)
            need.place.write_text(need.place.name)
        yield


# -- stages ----------------------------------------------------------------------------------------------------------------


@cache
def defined_stages() -> dict[str, Stage[Any]]:
    """Every stage that a module of ``methods`` defines, by name."""
    found: dict[str, Stage[Any]] = {}
    for module in _modules(methods):
        for value in vars(module).values():
            if isinstance(value, Stage):
                assert found.setdefault(value.name, value) is value, f"two stages are called {value.name!r}"
    return found


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)


# -- shapes ----------------------------------------------------------------------------------------------------------------

Choice = tuple[str, str]
"""The place of a choice, and what is chosen there."""


Shape = tuple[str, frozenset[Choice]]
"""Name of a stage, and what a cell's work depends on."""


def shape_of(cell: Cell) -> Shape:
    """Cells of one shape run the same code, however large their numbers are."""
    return cell.stage.name, makes_of(cell)


def makes_of(cell: Cell) -> frozenset[Choice]:
    """What a cell's work depends on beside the size of its numbers: its roles, and what its config chooses between."""
    roles = ",".join(sorted((*cell.inputs, *cell.external)))
    return frozenset({("roles", roles), *choices_of(cell.config)})


def choices_of(config: BaseModel, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield what a config chooses between: types of its parts, words of a closed list, switches, what is left out."""
    for name, field in type(config).model_fields.items():
        value, path = getattr(config, name), f"{place}{name}"
        if isinstance(value, BaseModel):
            yield path, type(value).__name__
            yield from choices_of(value, f"{path}.")
        elif (
            value is None or isinstance(value, bool) or (isinstance(value, str) and "Literal" in repr(field.annotation))
        ):
            yield path, repr(value)


def parts_of(config: BaseModel, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], BaseModel]]:
    """Yield every config within a config with the way to it, itself first."""
    yield path, config
    for name in type(config).model_fields:
        value = getattr(config, name)
        for index, item in enumerate(value) if isinstance(value, tuple | list) else [(None, value)]:
            if isinstance(item, BaseModel):
                yield from parts_of(item, (*path, name) if index is None else (*path, name, index))


@cache
def chosen_cells() -> dict[str, tuple[str, Cell]]:
    """Smoke cells that have, stage by stage, every set of roles and every choice at least once, with the ids of their papers, by paper
    and label; of equal use the cheapest."""
    of_stage: dict[str, list[tuple[str, Cell, frozenset[Choice]]]] = {}
    for paper_id in known_papers():
        for cell in smoke_plan(paper_id):
            of_stage.setdefault(cell.stage.name, []).append((paper_id, cell, makes_of(cell)))
    chosen: list[tuple[str, Cell]] = []
    for cells in of_stage.values():
        missing = frozenset[Choice]().union(*(makes for *_, makes in cells))
        while missing:
            paper_id, cell, makes = max(cells, key=lambda one: (len(one[2] & missing), -one[1].cost_s))
            chosen.append((paper_id, cell))
            missing -= makes
    return {f"{paper_id}: {cell.label}": (paper_id, cell) for paper_id, cell in chosen}


def is_first_shape(label: str) -> bool:
    """Whether a chosen cell is the first of its stage."""
    stage = chosen_cells()[label][1].stage
    return label == next(other for other, (_, cell) in chosen_cells().items() if cell.stage is stage)


def chosen_plan(paper_id: str) -> Plan:
    """The part of a paper's smoke plan that the chosen cells and the shards beside them need."""
    chosen = [cell for owner, cell in chosen_cells().values() if owner == paper_id]
    shared_out = {_work_of(cell) for cell in chosen if hasattr(cell.config, "num_shards")}
    beside = [cell for cell in smoke_plan(paper_id) if _work_of(cell) in shared_out]
    return Plan(paper_id, (*chosen, *beside))


def _work_of(cell: Cell) -> tuple[str, tuple[str, ...]]:
    """What shards of one work have in common."""
    return cell.stage.name, tuple(sorted(one.id for cells in cell.inputs.values() for one in cells))
