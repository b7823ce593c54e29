"""A failing cell stops only what depends on it; the exit code says whose fault it was."""

import re
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.harness.cell import Cell
from reproductions.harness.launcher import Outcome, run_in_process, run_local
from reproductions.harness.plan import Plan
from reproductions.harness.store import Failure, Store
from tests.harness.toy import draw_cell, fail_cell, shards_cell, walk_cell


def run(store: Store, *targets: Cell) -> Outcome:
    return run_in_process(Plan("toy", targets), store, lambda: None)


def by_label(outcome: Outcome, *targets: Cell) -> dict[str, Failure]:
    return {cell.label: outcome.failures[cell.id] for cell in Plan("toy", targets) if cell.id in outcome.failures}


def test_only_dependants_are_blocked(store: Store) -> None:
    broken = fail_cell("error", draw_cell(1))
    targets = (fail_cell("input", walk_cell(0, broken, steps=2)), walk_cell(1, draw_cell(2), steps=2), shards_cell())
    outcome = run(store, *targets)
    failures = by_label(outcome, *targets)
    assert {label: failure.kind for label, failure in failures.items()} == {
        "fail/error": "error",
        "walk/0": "blocked",
        "fail/input": "blocked",
    }
    assert failures["fail/error"].message == "RuntimeError: boom"
    assert "in fail" in failures["fail/error"].traceback
    assert {failure.message for failure in failures.values() if failure.kind == "blocked"} == {
        "needs fail/error, which failed"
    }
    assert (outcome.num_cells, outcome.num_made, outcome.exit_code) == (7, 4, 1)


@pytest.mark.parametrize(
    ("how", "kind", "message", "exit_code"),
    [
        ("error", "error", "RuntimeError: boom", 1),
        ("input", "input", "the toy is broken; mend it", 2),
        ("exit", "error", "SystemExit: 3", 1),
        ("nan", "error", "ValueError: the record's scores[1].AP is nan; only finite numbers are results", 1),
        ("type", "error", "ValueError: the record's value is a float32; records hold plain numbers and text", 1),
        ("axis", "error", "AssertionError: the stage draws from the 'data' seeds but does not list them", 1),
    ],
)
def test_how_a_cell_fails(how: str, kind: str, message: str, exit_code: int, store: Store) -> None:
    outcome = run(store, fail_cell(how))
    [failure] = outcome.failures.values()
    assert failure.kind == kind
    assert failure.message.startswith(message)
    assert failure.attempts == 1
    assert outcome.exit_code == exit_code


def test_exit_codes() -> None:
    mine, yours, blocked = (Failure(kind, "", "", 1) for kind in ("error", "input", "blocked"))
    assert Outcome(1, 1, {}, interrupted=False).exit_code == 0
    assert Outcome(2, 0, {"a": yours, "b": blocked}, interrupted=False).exit_code == 2
    assert Outcome(3, 0, {"a": yours, "b": mine, "c": blocked}, interrupted=False).exit_code == 1
    assert Outcome(1, 0, {"a": mine}, interrupted=True).exit_code == 130


def test_a_stage_that_kills_its_process_is_given_up(store: Store) -> None:
    """With real processes: three tries, then it is marked; the others are done, by the processes that replaced it."""
    targets = (walk_cell(0, fail_cell("kill"), steps=2), shards_cell(shards=2))
    outcome = run_local(Plan("toy", targets), store, 1, lambda: None)
    failures = by_label(outcome, *targets)
    assert {label: failure.kind for label, failure in failures.items()} == {"fail/kill": "error", "walk/0": "blocked"}
    assert failures["fail/kill"].message.startswith(
        "its process was killed 3 times in a row without a new checkpoint (out of memory?)"
    )
    assert failures["fail/kill"].attempts == 3
    assert (outcome.num_made, outcome.exit_code) == (1, 1)


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^the store .*/file/store cannot be written .*--store or STORE=$"):
        Store.create(tmp_path / "file" / "store")
    with pytest.raises(InputError, match="cannot be written"):
        Store.create(Path("/proc/store"))


def test_a_store_that_is_taken_away_from_a_run_is_no_full_disk(store: Store) -> None:
    """Processes that start make the folder of their run anew, but in it is nothing of the run."""
    plan = Plan("toy", (walk_cell(0, draw_cell(), steps=3),))

    def take_away() -> None:
        if store.root.exists():
            store.root.rename(store.root.with_name("elsewhere"))

    sentence = f"the store {store.root} was removed or moved while this run worked in it; bring it back, or begin anew with the same command"
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        run_local(plan, store, 1, take_away)


def test_the_store_is_private(store: Store) -> None:
    run(store, draw_cell(), shards_cell())
    folders = [store.root, *(path for path in store.root.rglob("*") if path.is_dir())]
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}
