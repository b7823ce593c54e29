"""Cells are found by label or id in plans and store, and ``why`` sets what is stored beside what is asked now."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from reproductions.harness.cell import Cell, External
from reproductions.harness.find import Search, find_in_plan
from reproductions.harness.launcher import prepare, run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.states import describe_cell
from reproductions.harness.store import Store
from reproductions.harness.why import ABSENT, Cause, Difference, causes, explain
from tests.harness.toy import TABLE, WALK, TableConfig, WalkConfig, draw_cell, fail_cell, shards_cell, walk_cell


def planned(*cells, name: str = "toy") -> dict[str, Plan]:
    return {name: Plan(f"{name}-now", cells)}


def test_a_cell_of_any_plan_is_found_by_label_and_by_id(store: Store) -> None:
    walk, shards = walk_cell(0), shards_cell(1)
    search = Search(planned(walk) | planned(shards, name="other"), store)
    for cell in (walk, shards):
        assert search.find(cell.label) is cell
        assert search.find(cell.id[:4]) is cell
        assert search.find(cell.id) is cell
    assert search.origin(shards) == "other-now"


def test_a_cell_of_no_plan_is_found_in_the_store(store: Store) -> None:
    """Planned and never begun, or finished and its spec lost."""
    begun, finished = walk_cell(0, draw_cell()), draw_cell(7)
    prepare(Plan("toy-then", (begun,)), store)
    assert run_in_process(Plan("toy-then", (finished,)), store, lambda: None).exit_code == 0
    search = Search(planned(shards_cell()), store)
    for name in (begun.label, begun.id[:6]):
        found = search.find(name)
        assert (found.id, found.identity, search.origin(found)) == (begun.id, begun.identity, "toy-then")
    shutil.rmtree(store.root / "specs")
    for name in (finished.label, finished.id[:6], finished.id):
        found = Search(planned(shards_cell()), store).find(name)
        assert (found.id, found.identity) == (finished.id, finished.identity)
        assert store.is_complete(found)


def test_what_was_run_goes_before_what_could_be(store: Store) -> None:
    """Where it is asked what happened: only cells that the store knows have something to tell."""
    then, now = walk_cell(0, steps=3), walk_cell(0, steps=4)
    prepare(Plan("toy-then", (then,)), store)
    assert Search(planned(now), store).find_begun("walk/0").id == then.id
    assert Search(planned(now), store).find("walk/0") is now
    prepare(Plan("toy-now", (now,)), store)
    assert Search(planned(now), store).find_begun("walk/0") is now
    assert Search(planned(draw_cell()), store).find_begun("draw/0").label == "draw/0", "nothing has happened to it yet"


def test_several_cells_of_a_label_are_told_apart_by_their_ids(store: Store) -> None:
    one, other = walk_cell(0, steps=3), walk_cell(0, steps=4)
    search = Search(planned(one) | planned(other, name="other"), store)
    with pytest.raises(
        InputError, match=rf"'walk/0' fits 2 cells, {one.id[:12]} \(toy-now\), {other.id[:12]} \(other-now\); give"
    ):
        search.find("walk/0")
    many = planned(*(walk_cell(0, steps=steps) for steps in range(3, 9)))
    with pytest.raises(InputError, match=r"fits 6 cells, .* and 2 more; give"):
        Search(many, store).find("walk/0")


def test_an_unknown_name_gets_near_ones_and_where_they_were_looked_for(store: Store) -> None:
    prepare(Plan("toy-then", (draw_cell(12),)), store)
    search = Search(planned(walk_cell(3)), store, "--tier mini", {"seggen": "its data are missing"})
    told = (
        f"no cell 'wlak/3' in the plans of toy (--tier mini) or in the store {store.root}; nearest: walk/3; "
        "seggen cannot be planned: its data are missing"
    )
    with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
        search.find("wlak/3")
    with pytest.raises(InputError, match="nearest: draw/12"):
        search.find("drwa/12")
    with pytest.raises(InputError, match=r"^no cell '0123abcd' in any plan or in the store [^;]*$"):
        Search({}, store).find("0123abcd")
    for name in ("/", "[", "*", "../specs"):
        with pytest.raises(InputError, match=r"^no cell"):
            search.find(name)


def test_a_damaged_spec_hides_its_cell_and_no_other(store: Store) -> None:
    torn, whole = draw_cell(1), draw_cell(2)
    prepare(Plan("toy-then", (torn, whole)), store)
    (store.root / "specs" / f"{torn.id}.json").write_text("{")
    search = Search({}, store)
    assert search.find("draw/2").id == whole.id
    with pytest.raises(InputError, match="no cell 'draw/1'"):
        search.find("draw/1")


def test_a_cell_of_one_plan_only(store: Store) -> None:
    plan = Plan("toy-now", (walk_cell(0, draw_cell()), walk_cell(1)))
    assert find_in_plan("walk/1", plan).label == "walk/1"
    with pytest.raises(InputError, match=r"^no cell 'walk1' in the plan toy-now; nearest: walk/1, walk/0$"):
        find_in_plan("walk1", plan)


def test_why_compares_a_stored_cell_with_what_is_asked_now(store: Store) -> None:
    old = Plan("toy-then", (walk_cell(0, draw_cell(), steps=5), walk_cell(1, steps=5)))
    prepare(old, store)
    now = planned(walk_cell(0, draw_cell(), steps=6), walk_cell(1, steps=5))
    stored = next(cell for cell in old if cell.label == "walk/0")
    for name in (stored.id[:10], "walk/0"):
        left, right, found = explain(name, None, Search(now, store))
        assert left.name == f"walk/0 as stored ({stored.id[:12]}, toy-then)"
        assert re.fullmatch(r"walk/0 as asked now \(.{12}, toy-now\)", right.name)
        assert found == [Difference("config.steps", 5, 6)]
    other = Search(planned(walk_cell(0, draw_cell(), steps=5), walk_cell(2)), store)
    _, _, found = explain("walk/0", "walk/2", other)
    assert {one.path for one in found} == {"config.steps", "inputs.start", "seeds.training"}


def test_why_of_two_labels_compares_what_was_run_not_what_could_be(store: Store) -> None:
    """A label stands for other cells at another tier, whose plan is at hand as well."""
    run = [walk_cell(0, draw_cell(), steps=5), walk_cell(1, steps=5)]
    prepare(Plan("toy-then", tuple(run)), store)
    usual = planned(walk_cell(0, draw_cell(), steps=9), walk_cell(1, steps=9))
    left, right, _ = explain("walk/0", "walk/1", Search(usual, store))
    assert [left.cell.id, right.cell.id] == [cell.id for cell in run]


def test_why_takes_the_stored_cell_that_is_most_alike(store: Store) -> None:
    prepare(Plan("toy-then", (walk_cell(0, steps=5, step_s=1.0), walk_cell(0, steps=5), draw_cell(9))), store)
    asked = walk_cell(0, steps=6)
    left, _, found = explain("walk/0", None, Search(planned(asked), store))
    assert found == [Difference("config.steps", 5, 6)]
    left, right, found = explain("draw/9", None, Search(planned(draw_cell(3), walk_cell(9)), store))
    assert (left.name.split()[0], right.name.split()[0]) == ("draw/9", "draw/3"), "no cell of that label is asked for"
    assert found == [Difference("seeds.data", 9, 3)]


def test_why_says_whether_there_is_anything_stored(store: Store) -> None:
    search = Search(planned(draw_cell()), store)
    left, right, found = explain("draw/0", None, search)
    assert (left, found, left.is_stored) == (right, [], False)
    prepare(search.plans["toy"], store)
    left, _, _ = explain("draw/0", None, search)
    assert left.is_stored
    assert "stored and asked now" in left.name


def test_why_without_anything_of_the_stage_in_a_plan(store: Store) -> None:
    prepare(Plan("toy-then", (walk_cell(5),)), store)
    with pytest.raises(InputError, match="no plan asked now has a 'toy_walk' cell"):
        explain("walk/5", None, Search(planned(draw_cell()), store))


def test_what_a_finished_cell_says_of_itself_is_held_against_its_id(store: Store) -> None:
    cell = draw_cell()
    run_in_process(Plan("toy", (cell,)), store, lambda: None)
    shutil.rmtree(store.root / "specs")
    [found] = store.known_cells()
    assert found.id == cell.id
    document = store.cell_folder(cell) / "cell.json"
    document.write_text(document.read_text().replace('"size": 8', '"size": 9'))
    assert list(store.known_cells()) == []


def test_a_label_goes_before_ids_that_begin_so_and_any_prefix_will_do(store: Store) -> None:
    walk = walk_cell(1)
    prepare(Plan("toy-then", (walk,)), store)
    for length in (1, 3, 9, 64):
        assert Search({}, store).find(walk.id[:length]).id == walk.id
    labelled = replace(draw_cell(3), label=walk.id[0])
    assert Search(planned(labelled), store).find(walk.id[0]) is labelled


def test_why_follows_inputs_to_the_cell_in_which_the_difference_begins(store: Store) -> None:
    def chain(size: int) -> Cell:
        walk = walk_cell(0, draw_cell(size=size), steps=5)
        return Cell(TABLE, TableConfig(), Seeds(), "table", {"rows": [walk, walk_cell(1, steps=5)]})

    prepare(Plan("toy-then", (chain(8),)), store)
    search = Search(planned(chain(9)), store)
    left, right, found = explain("table", None, search)
    assert [item.path for item in found] == ["inputs.rows[0]"]
    assert causes(left.cell, right.cell, search) == [Cause("draw/0", "setting", "config.size", 8, 9)]


def test_why_names_code_versions_seeds_and_what_came_from_outside(store: Store) -> None:
    then = Cell(WALK, WalkConfig(steps=5), Seeds(training=1), "walk", {}, {"data": External(Path("x"), "aa")})
    newer = replace(WALK, version=2)
    now = Cell(newer, WalkConfig(steps=5), Seeds(training=2), "walk", {}, {"data": External(Path("x"), "bb")})
    prepare(Plan("toy-then", (then,)), store)
    search = Search(planned(now), store)
    left, right, _ = explain("walk", None, search)
    assert {(item.kind, item.path, item.left, item.right) for item in causes(left.cell, right.cell, search)} == {
        ("code version", "version", 1, 2),
        ("seed", "seeds.training", 1, 2),
        ("data or weights from outside", "external.data", "aa", "bb"),
    }


def test_why_tells_inputs_that_came_went_or_are_forgotten(store: Store) -> None:
    def table(*rows: Cell) -> Cell:
        return Cell(TABLE, TableConfig(), Seeds(), "table", {"rows": rows})

    one, two, three = draw_cell(1), draw_cell(2), walk_cell(3)
    prepare(Plan("toy-then", (table(one, two),)), store)
    search = Search(planned(table(one, two, three)), store)
    left, right, _ = explain("table", None, search)
    added = Cause("table", "input", "inputs.rows", ABSENT, f"walk/3 ({three.id[:12]})")
    assert causes(left.cell, right.cell, search) == [added]
    search = Search(planned(table(two, one)), store)
    left, right, _ = explain("table", None, search)
    assert [item.left for item in causes(left.cell, right.cell, search)] == ["in another order"]
    (store.root / "specs" / f"{one.id}.json").unlink()
    search = Search(planned(table(three, two)), store)
    left, right, _ = explain("table", None, search)
    assert [(item.left, item.right) for item in causes(left.cell, right.cell, search)] == [
        (f"{one.id[:12]}, which is no longer known", f"walk/3 ({three.id[:12]})")
    ]


def test_what_the_store_tells_of_one_cell(store: Store) -> None:
    walk, broken = walk_cell(0, draw_cell(), steps=3), fail_cell("input")
    run_in_process(Plan("toy", (walk, broken)), store, lambda: None)
    told = describe_cell(walk, store)
    assert (told["cell"], told["state"], told["attempts"]) == ("walk/0", "done", 1)
    assert told["inputs"] == [draw_cell().id[:12]]
    assert Path(told["folder"]) == store.cell_folder(walk)
    assert (describe_cell(broken, store)["state"], describe_cell(broken, store)["message"]) == (
        "failed",
        "the toy is broken; mend it",
    )
    assert describe_cell(draw_cell(5), store)["state"] == "open"
    with store.claim(draw_cell(5).id):
        assert describe_cell(draw_cell(5), store)["state"] == "running"
