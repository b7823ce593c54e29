"""Every paper that the command line knows: its plans at each tier are complete, alike each time, and share what they should.

A new paper is covered by being registered.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import pytest

from methods.common.stage import StageKind
from reproductions.harness.cell import Cell
from reproductions.harness.plan import Plan, inputs_of
from reproductions.study.paper import StudiedPaper
from reproductions.study.request import Tier
from tests.contracts.papers import TIERS, known_papers, load, made_up_places, plan, request
from tests.e2e.smoke_runs import REPOSITORY

PLANS = [(paper_id, tier) for paper_id in known_papers() for tier in TIERS]

every_plan = pytest.mark.parametrize(("paper_id", "tier"), PLANS)


def arms_of(paper_id: str, tier: Tier, **changes: Any) -> tuple[str, ...]:
    """The arms of a tier; none where a plan has no arms to choose from."""
    paper = load(paper_id)
    if not isinstance(paper, StudiedPaper):
        return ()
    return tuple(
        dict.fromkeys(arm.id for asked in paper.asked(request(paper_id, tier, **changes)) for arm in asked.arms)
    )


def planned(paper_id: str, tier: Tier, **changes: Any) -> Plan:
    with made_up_places(paper_id, tier):
        return load(paper_id).plan(request(paper_id, tier, **changes))


def ids(cells: Iterable[Cell]) -> list[str]:
    return [cell.id for cell in cells]


# -- one plan ------------------------------------------------------------------------------------------------------------------


@every_plan
def test_every_cell_is_told_apart_and_comes_after_its_inputs(paper_id: str, tier: Tier) -> None:
    cells = list(plan(paper_id, tier))
    assert cells
    assert len({cell.label for cell in cells}) == len(cells)
    known: set[str] = set()
    for cell in cells:
        assert set(ids(inputs_of(cell))) <= known, cell.label
        assert all(cell.inputs.values()), f"{cell.label}: a role is given nothing"
        known.add(cell.id)


@every_plan
def test_every_cell_says_what_it_takes(paper_id: str, tier: Tier) -> None:
    for cell in plan(paper_id, tier):
        assert cell.stage.kind in get_args(StageKind)
        for number in (cell.cost_s, cell.disk_bytes):
            assert math.isfinite(number), cell.label
            assert number > 0, cell.label


@every_plan
def test_it_is_the_same_each_time(paper_id: str, tier: Tier) -> None:
    assert ids(planned(paper_id, tier)) == ids(plan(paper_id, tier))


def test_it_is_the_same_in_another_process() -> None:
    """Where sets and dicts by hash are in another order."""
    code = (
        "import json\n"
        "from tests.contracts.papers import TIERS, known_papers, plan\n"
        "print(json.dumps([[cell.id for cell in plan(p, t)] for p in known_papers() for t in TIERS]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "5"},
    )
    assert json.loads(done.stdout) == [ids(plan(*which)) for which in PLANS]


# -- arms ------------------------------------------------------------------------------------------------------------------------


@every_plan
def test_an_arm_is_the_same_whatever_is_asked_for_beside_it(paper_id: str, tier: Tier) -> None:
    whole = set(ids(plan(paper_id, tier)))
    for arm in arms_of(paper_id, tier):
        assert set(ids(planned(paper_id, tier, arms=(arm,)))) <= whole, arm
    arms = arms_of(paper_id, tier)
    if arms:
        backwards = planned(paper_id, tier, arms=tuple(reversed(arms)))
        assert ids(backwards) == ids(planned(paper_id, tier, arms=arms))


@every_plan
def test_every_arm_ends_in_an_evaluation_of_its_own(paper_id: str, tier: Tier) -> None:
    """Two arms may share what they do, but not be one."""
    ends: dict[str, set[str]] = {}
    for arm in arms_of(paper_id, tier):
        targets = planned(paper_id, tier, arms=(arm,)).targets
        ends[arm] = {cell.id for cell in targets if cell.stage.kind == "evaluate"}
        assert ends[arm], arm
    assert len(set(map(frozenset, ends.values()))) == len(ends)


@pytest.mark.parametrize("paper_id", known_papers())
def test_smoke_runs_every_arm_of_the_other_tiers(paper_id: str) -> None:
    for tier in TIERS:
        assert set(arms_of(paper_id, tier)) <= set(arms_of(paper_id, "smoke")), tier


READ_WHAT_IS_PUBLISHED = {"ade20k_segments"}
"""Stages that turn a published archive into another layout, which the drawn worlds have from the start."""


@pytest.mark.parametrize("paper_id", known_papers())
def test_smoke_runs_every_stage_of_the_other_tiers(paper_id: str) -> None:
    smoke = {cell.stage.name for cell in plan(paper_id, "smoke")}
    for tier in TIERS:
        assert {cell.stage.name for cell in plan(paper_id, tier)} <= smoke | READ_WHAT_IS_PUBLISHED, tier


# -- seeds -----------------------------------------------------------------------------------------------------------------------


def drawn_by(cell: Cell, known: dict[str, frozenset[tuple[str, int]]]) -> frozenset[tuple[str, int]]:
    """Axes and seeds that decide a cell: what it draws from, and what its inputs draw from."""
    if cell.id not in known:
        own = {(axis, getattr(cell.seeds, axis)) for axis in cell.stage.seed_axes}
        known[cell.id] = frozenset(own).union(*(drawn_by(needed, known) for needed in inputs_of(cell)))
    return known[cell.id]


@every_plan
def test_two_seeds_share_what_draws_from_equal_seeds_and_nothing_else(paper_id: str, tier: Tier) -> None:
    one, two = plan(paper_id, tier), planned(paper_id, tier, num_seeds=2)
    assert set(ids(one)) <= set(ids(two)), "a second seed changes cells of the first"
    known: dict[str, frozenset[tuple[str, int]]] = {}
    of_first = {cell.label: cell for cell in one}
    for cell in two:
        if cell.id not in set(ids(one)):
            twin = of_first[cell.label.replace("seed1/", "seed0/")]
            assert drawn_by(cell, known) != drawn_by(twin, known), f"{cell.label} draws what {twin.label} draws"


@every_plan
def test_every_arm_is_evaluated_anew_with_another_seed(paper_id: str, tier: Tier) -> None:
    """But for what draws nothing, such as measuring what networks cost."""
    for arm in arms_of(paper_id, tier):
        one, two = (
            {cell.id for cell in planned(paper_id, tier, arms=(arm,), num_seeds=number).targets if cell.stage.seed_axes}
            for number in (1, 2)
        )
        assert len(two) == 2 * len(one), arm


@every_plan
def test_cells_that_are_one_say_the_same_of_themselves(paper_id: str, tier: Tier) -> None:
    """Arms name what they share each in its own way, but it costs the same."""
    said: dict[str, set[tuple[object, ...]]] = {}
    for cell in every_cell(planned(paper_id, tier, num_seeds=2).targets):
        said.setdefault(cell.id, set()).add((cell.stage, cell.seeds.data, cell.cost_s, cell.disk_bytes))
    assert [facts for facts in said.values() if len(facts) > 1] == []


def every_cell(targets: Iterable[Cell]) -> Iterator[Cell]:
    """Every cell as it was planned, however many of them are one."""
    waiting, seen = list(targets), set()
    while waiting:
        cell = waiting.pop()
        if id(cell) not in seen:
            seen.add(id(cell))
            yield cell
            waiting += inputs_of(cell)
