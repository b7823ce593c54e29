"""What a run says of its cells on a console that is no terminal."""

import io

from rich.console import Console

from reproductions.harness.launcher import run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.progress import Display
from reproductions.harness.store import Store
from tests.harness.toy import draw_cell


def test_cells_that_finish_between_two_looks_are_counted_one_by_one(store: Store) -> None:
    plan, said = Plan("toy", tuple(draw_cell(seed) for seed in range(4))), io.StringIO()
    run_in_process(Plan("toy", plan.targets[:1]), store, lambda: None)
    display = Display(plan, store, Console(file=said))
    run_in_process(plan, store, lambda: None)
    display.finish()
    assert [line.split()[0] for line in said.getvalue().splitlines()] == ["[2/4]", "[3/4]", "[4/4]"]
