"""Each way in which an attempt can end, and what follows from it."""

from typing import Any

import pytest

from reproductions.harness import policy
from reproductions.harness.attempts import Attempts, read_attempts
from reproductions.harness.launcher import Outcome, prepare, run_in_process, run_local
from reproductions.harness.logs import log_path
from reproductions.harness.plan import Plan
from reproductions.harness.states import cell_states
from reproductions.harness.store import Store
from reproductions.harness.worker import Worker
from tests.harness.toy import draw_cell, fail_cell, shards_cell, walk_cell


def run(plan: Plan, store: Store) -> Outcome:
    return run_in_process(plan, store, lambda: None)


def attempt(outcome: str, step: int = 0, run: str = "run") -> dict[str, Any]:
    return {"run": run, "outcome": outcome, "step": step}


def test_out_of_memory_is_tried_once_more_in_smaller_parts(store: Store) -> None:
    cell = fail_cell("memory_of_parts")
    assert run(Plan("toy", (cell,)), store).exit_code == 0
    assert [one["outcome"] for one in store.provenance(cell)["attempts"]] == ["out_of_memory", "finished"]


def test_out_of_memory_twice_is_given_up_and_the_rest_goes_on(store: Store) -> None:
    cell, other = fail_cell("memory"), shards_cell(shards=1)
    outcome = run(Plan("toy", (cell, other)), store)
    assert outcome.exit_code == 1
    assert store.is_complete(other)
    assert outcome.failures[cell.id].message.startswith("it ran out of memory 2 times in one run, the second time with")
    assert [one["outcome"] for one in read_attempts(store, cell.id)] == ["out_of_memory"] * 2


def test_a_loss_that_is_not_finite_is_the_users_to_mend(store: Store) -> None:
    cell = fail_cell("not_finite")
    outcome = run(Plan("toy", (cell,)), store)
    assert outcome.exit_code == 2
    assert outcome.failures[cell.id].kind == "not_finite"
    assert [one["outcome"] for one in read_attempts(store, cell.id)] == ["not_finite"]


def test_dependants_of_a_failed_cell_are_marked_even_where_nobody_wrote_it_down(store: Store) -> None:
    """On a cluster the jobs of dependants are dropped; nothing of ours runs that could leave a mark."""
    bad = fail_cell("error")
    middle = walk_cell(0, bad, steps=1)
    assert run(Plan("toy", (bad,)), store).exit_code == 1
    states = {s.cell.label: s for s in cell_states(Plan("toy", (walk_cell(1, middle), draw_cell())), store)}
    assert {label: s.state for label, s in states.items()} == {
        "fail/error": "failed",
        "walk/0": "blocked",
        "walk/1": "blocked",
        "draw/0": "ready",
    }
    assert states["walk/1"].message == "needs fail/error, which failed"


@pytest.mark.parametrize(
    ("attempts", "given_up"),
    [
        ([], None),
        ([attempt("preempted")] * 100, None),
        ([attempt("preempted")] * 101, "it was pre-empted or requeued 101 times in one run"),
        ([attempt("node_failure")] * 11, "its node went down 11 times in one run"),
        ([attempt("timed_out", step) for step in (1, 2, 2)], None),
        (
            [attempt("timed_out", step) for step in (2, 2, 2)],
            "it reached its time limit 3 times in a row without a new",
        ),
        ([attempt("killed", step) for step in (5, 6, 7, 8)], None),
        (
            [attempt("killed", 5)] * 3,
            "its process was killed 3 times in a row without a new checkpoint (out of memory?)",
        ),
        ([attempt("killed", 5), attempt("preempted", 5), attempt("killed", 5), attempt("killed", 5)], None),
        ([attempt("killed", 5, run="before")] * 9, None),
        ([attempt("out_of_memory")], None),
    ],
)
def test_budgets(attempts: list[dict[str, Any]], given_up: str | None) -> None:
    found = policy.verdict(attempts, "run")
    assert found is None if given_up is None else found is not None and found.startswith(given_up)


def test_parts_double_with_every_lack_of_memory_of_this_run() -> None:
    assert policy.batch_parts([attempt("out_of_memory", run="before"), attempt("failed")], "run") == 1
    assert policy.batch_parts([attempt("out_of_memory"), attempt("killed"), attempt("out_of_memory")], "run") == 4


def test_a_silent_end_is_explained_by_who_comes_next(store: Store) -> None:
    cell = walk_cell(steps=2)
    before = Attempts(store, cell.id, "run")
    before.begin()
    prepare(Plan("toy", (cell,)), store)
    seen = []

    def explain(one: dict[str, Any]) -> policy.Outcome:
        seen.append(one["run"])
        return "node_failure"

    Worker(store, "run", explain).run([cell.id])
    assert seen == ["run"]
    assert [one["outcome"] for one in store.provenance(cell)["attempts"]] == ["node_failure", "finished"]


def test_what_a_cell_prints_goes_to_its_log(store: Store) -> None:
    good, bad = draw_cell(), fail_cell("error")
    assert run_local(Plan("toy", (good, bad)), store, 1, lambda: None).exit_code == 1
    assert "begin draw/0" in log_path(store, good.id).read_text()
    assert "RuntimeError: boom" in log_path(store, bad.id).read_text()
