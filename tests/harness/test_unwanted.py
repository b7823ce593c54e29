"""``gc``: cells that no known plan wants are told and freed; what somebody works on or waits for stays, and so does the unknown."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from methods.common.errors import InputError
from reproductions.cli import app
from reproductions.harness.cell import Cell
from reproductions.harness.known_plans import forget, known_plans, plans_lock, remember
from reproductions.harness.launcher import prepare, run_in_process
from reproductions.harness.lock import is_locked
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.harness.unwanted import judge_cells, remove
from reproductions.study.registry import load_paper
from reproductions.study.request import Request, request_from_record
from tests.harness.toy import draw_cell, walk_cell


def ran(store: Store, *cells: Cell, name: str = "toy") -> Plan:
    plan = Plan(name, cells)
    assert run_in_process(plan, store, lambda: None).exit_code == 0
    return plan


def test_cells_of_known_plans_go_when_no_plan_wants_them(store: Store) -> None:
    old, new = walk_cell(0, draw_cell(1), steps=3), walk_cell(0, draw_cell(1), steps=4)
    ran(store, old)
    wanted = {cell.id for cell in ran(store, new)}
    found = judge_cells(store, wanted, {"toy"})
    assert [one.cell.id for one in found.unwanted] == [old.id]
    assert (found.num_wanted, found.num_in_work, found.num_unknown) == (2, 0, 0)
    size = sum(path.stat().st_size for path in store.cell_folder(old).rglob("*"))
    [one] = found.unwanted
    assert size < one.num_bytes < size + 2000, "its spec and log count as well"
    assert remove(store, found.unwanted) == one.num_bytes
    left = {path.name for path in store.root.rglob("*") if old.id[:20] in path.name and path.parent.name != "locks"}
    assert not left
    assert store.is_complete(new)
    assert store.damage(new) is None


def test_what_somebody_works_on_or_waits_for_stays_with_its_inputs(store: Store) -> None:
    start, other = draw_cell(1), draw_cell(2)
    ran(store, start, other)
    working, queued = walk_cell(0, start), walk_cell(1, other)
    prepare(Plan("toy", (working, queued)), store)
    with store.claim(working.id):
        found = judge_cells(store, set(), {"toy"}, queued=[queued.id])
    assert (found.unwanted, found.num_in_work) == ((), 4)
    assert len(judge_cells(store, set(), {"toy"}).unwanted) == 4


def test_a_cell_that_is_begun_meanwhile_stays(store: Store) -> None:
    cell = draw_cell()
    ran(store, cell)
    found = judge_cells(store, set(), {"toy"})
    with store.claim(cell.id):
        assert remove(store, found.unwanted) == 0
    assert store.is_complete(cell)


def test_cells_of_plans_that_nobody_wrote_down_stay_though_their_specs_are_lost(store: Store) -> None:
    cell = draw_cell()
    ran(store, cell, name="older")
    (store.root / "specs" / f"{cell.id}.json").unlink()
    found = judge_cells(store, set(), {"toy"})
    assert (found.unwanted, found.num_unknown) == ((), 1)
    assert len(judge_cells(store, set(), {"older"}).unwanted) == 1, "the finished cell knows its plan"


def test_plans_are_remembered_by_their_command_and_forgotten(store: Store) -> None:
    for cells in (["a"], ["a", "b"]):
        remember(store, "toy", "segrepro run toy", {"x": 1}, cells)
    remember(store, "toy", "segrepro run toy --seeds 2", {}, ["c"])
    first, second = sorted(known_plans(store), key=lambda one: len(one.command))
    assert (first.cells, first.request, first.forgotten) == (("a", "b"), {"x": 1}, False)
    assert second.cells == ("c",)
    forget(store, first)
    assert [one.forgotten for one in sorted(known_plans(store), key=lambda one: len(one.command))] == [True, False]
    remember(store, "toy", "segrepro run toy", {}, ["a"])
    assert not any(one.forgotten for one in known_plans(store)), "who asks again wants it again"
    (store.root / "plans" / f"{first.key}.json").write_text("{")
    assert list(known_plans(store)) == [second]


def test_a_plan_is_remembered_under_the_lock_by_which_cells_are_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    monkeypatch.setattr(
        "reproductions.harness.known_plans._write", lambda *_: held.append(is_locked(store.root / "locks" / "plans"))
    )
    remember(store, "toy", "segrepro run toy", {}, [])
    with plans_lock(store):
        assert is_locked(store.root / "locks" / "plans")
    assert held == [True]


def test_a_request_survives_its_record(store: Store, tmp_path: Path) -> None:
    asked = Request("mrca", store, "smoke", ("xpaste",), 2, tmp_path, None, tmp_path / "g", {"recipe.base_lr": "0.1"})
    assert request_from_record(json.loads(json.dumps(asked.record())), store, asked.site) == asked


def collect(store: Store, *words: str) -> str:
    done = CliRunner().invoke(app, ["gc", "--store", str(store.root), *words])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_shows_first_and_frees_what_the_plans_of_now_do_not_want(store: Store) -> None:
    def asked(**changes: Any) -> Plan:
        request = Request("mrca", store, "smoke", ("no_aug",), 1, **changes)
        plan = load_paper("mrca").plan(request)
        prepare(plan, store)
        remember(store, plan.name, request.command(), request.record(), [cell.id for cell in plan])
        return plan

    plain, changed = asked(), asked(settings={"recipe.base_lr": "0.001"})
    alone = {cell.id for cell in changed} - {cell.id for cell in plain}
    assert 0 < len(alone) < len(changed)
    assert "there is nothing to remove" in collect(store)
    [key] = [known.key for known in known_plans(store) if "base_lr" in known.command]
    assert key in collect(store, "--plans")
    shown = collect(store, "--forget", key)
    assert "nothing was removed; --delete removes them" in shown
    assert f"kept: {len(plain)} cells that known plans want" in shown
    assert len(list((store.root / "specs").iterdir())) == len(plain) + len(alone)
    told = collect(store, "--forget", key[:4], "--delete")
    assert f"freed, {len(alone)} cells" in told
    assert {path.stem for path in (store.root / "specs").iterdir()} == {cell.id for cell in plain}
    assert "there is nothing to remove" in collect(store)


def test_a_plan_that_cannot_be_made_here_keeps_what_it_wanted(store: Store) -> None:
    cell, other = draw_cell(1), draw_cell(2)
    ran(store, cell, other)
    remember(store, "toy", "segrepro run gone", {"paper_id": "gone", "tier": "mini"}, [cell.id])
    assert "freed, 1 cells" in collect(store, "--delete")
    assert store.is_complete(cell)
    assert not store.is_complete(other)


def test_a_plan_that_is_none_is_not_forgotten(store: Store) -> None:
    with pytest.raises(InputError, match="0 plans are called 'abcd'; `segrepro gc --plans`"):
        collect(store, "--forget", "abcd")
