"""Start a plan on SLURM, and, for who wants to wait, keep it going until everything is settled."""

from __future__ import annotations

import time
from collections.abc import Callable

from methods.common.errors import InputError
from reproductions.harness.launcher import Outcome, outcome_of
from reproductions.harness.plan import Plan
from reproductions.harness.site import Site
from reproductions.harness.slurm.submissions import cells_in_queue
from reproductions.harness.slurm.submit import submit
from reproductions.harness.states import cell_states
from reproductions.harness.store import Store

_LOOK_EVERY_S = 1.0
_ASK_EVERY_S = 5.0
_MAX_RESUBMISSIONS = 20
"""How often lost jobs are submitted again within one wait before it is given up. Our choice."""
_MAX_SILENT_ASKS = 60
"""Questions in a row that the controller may leave unanswered (five minutes) before waiting is given up."""


def wait(
    plan: Plan, store: Store, site: Site, max_parallel: int | None, run_id: str, watch: Callable[[], None]
) -> Outcome:
    """Wait until every cell is finished, failed or blocked. Jobs that vanish (their batch script died) are submitted again.

    Ctrl-C ends the waiting, not the jobs.

    Raises:
        InputError: jobs cannot be submitted again.
    """
    missing = plan.missing(store)
    num_resubmitted, lost_before, asked = 0, frozenset[str](), time.monotonic()
    try:
        while open_cells := _open_cells(plan, store):
            watch()
            time.sleep(_LOOK_EVERY_S)
            if time.monotonic() - asked < _ASK_EVERY_S:
                continue
            asked = time.monotonic()
            lost = frozenset(open_cells - _covered(store))
            if lost & lost_before:  # twice in a row: not just between its end and its record
                if num_resubmitted == _MAX_RESUBMISSIONS:
                    break
                num_resubmitted += 1
                submit(plan, store, site, max_parallel, run_id, again=True)
                lost = frozenset()
            lost_before = lost
    except KeyboardInterrupt:
        return outcome_of(plan, store, missing, interrupted=True)
    watch()
    return outcome_of(plan, store, missing, interrupted=False)


def _covered(store: Store) -> set[str]:
    """Cells that have a job. While the controller does not answer, patience: jobs run on without it."""
    for _ in range(_MAX_SILENT_ASKS):
        try:
            return set(cells_in_queue(store))
        except InputError:
            time.sleep(_ASK_EVERY_S)
    return set(cells_in_queue(store))


def _open_cells(plan: Plan, store: Store) -> set[str]:
    states = cell_states(plan, store)
    return {state.cell.id for state in states if state.state in ("ready", "waiting", "running")}
