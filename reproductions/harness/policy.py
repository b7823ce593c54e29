"""What becomes of a cell whose attempt ended early: the classes of ends, and how often each is forgiven in one run.

====================  =========================================  ==================================================
outcome               what happened                              what follows
====================  =========================================  ==================================================
``stopped``           the user interrupted the run               the next run goes on from the newest checkpoint
``preempted``         another job took the place, or the job     goes on from the newest checkpoint
                      was requeued by hand
``timed_out``         the job's time limit came near             saves, is queued again, goes on; given up after
                                                                 three in a row without a new checkpoint
``node_failure``      its node went down                         goes on elsewhere; the node is left out
``out_of_memory``     GPU or CPU memory did not suffice          once more, each batch in twice as many parts
``killed``            its process vanished without a word        goes on from the newest checkpoint; given up
                                                                 after three in a row without a new one
``not_finite``        the loss was not a finite number           fails; the last good step stays as checkpoint
``failed``            an error                                   fails, with its traceback
====================  =========================================  ==================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Outcome = Literal[
    "running",
    "finished",
    "stopped",
    "preempted",
    "timed_out",
    "node_failure",
    "out_of_memory",
    "killed",
    "not_finite",
    "failed",
]

BUDGET: dict[Outcome, int] = {
    "preempted": 100,
    "timed_out": 1000,
    "node_failure": 10,
    "out_of_memory": 1,
    "killed": 20,
}
"""How often each end is forgiven a cell within one run; one more, and the cell has failed. Our choice."""
_IN_A_ROW = 3
"""Attempts that may end by the time limit, or by a kill, one after another without a new checkpoint. Our choice."""
_WORDS: dict[Outcome, str] = {
    "preempted": "it was pre-empted or requeued",
    "timed_out": "it reached its time limit",
    "node_failure": "its node went down",
    "out_of_memory": "it ran out of memory",
    "killed": "its process was killed",
}


def verdict(attempts: Sequence[dict[str, Any]], run_id: str) -> str | None:
    """Return why a cell is given up, in a sentence, or None when it may be tried (again).

    Args:
        attempts: every attempt so far, each with an outcome other than "running".
        run_id: the run that wants to try; attempts of earlier runs do not count.
    """
    mine = [one for one in attempts if one["run"] == run_id]
    for outcome, budget in BUDGET.items():
        number = sum(1 for one in mine if one["outcome"] == outcome)
        if number > budget:
            return f"{_WORDS[outcome]} {number} times in one run{_advice(outcome)}"
    last = mine[-_IN_A_ROW:]
    outcomes, steps = {one["outcome"] for one in last}, {one.get("step") for one in last}
    if len(last) == _IN_A_ROW and len(steps) == 1 and outcomes in ({"timed_out"}, {"killed"}):
        [outcome] = outcomes
        return f"{_WORDS[outcome]} {_IN_A_ROW} times in a row without a new checkpoint{_advice(outcome)}"
    return None


def batch_parts(attempts: Sequence[dict[str, Any]], run_id: str) -> int:
    """Return in how many parts each batch must go through the network: doubled by every lack of memory in this run."""
    return 1 << sum(1 for one in attempts if one["run"] == run_id and one["outcome"] == "out_of_memory")


def _advice(outcome: Outcome) -> str:
    return {
        "out_of_memory": ", the second time with each batch in two parts; use a larger GPU or node, or a smaller batch_size",
        "killed": " (out of memory?); `segrepro logs` and its label show its last words",
        "timed_out": "; raise time_min of its stages in the site file",
    }.get(outcome, "")
