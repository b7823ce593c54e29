"""Where ``logs`` and ``why`` look for the cell that they are given."""

from __future__ import annotations

from dataclasses import replace

from methods.common.errors import InputError
from reproductions.harness.find import Search
from reproductions.harness.plan import Plan
from reproductions.study.registry import load_paper, paper_ids
from reproductions.study.request import Request


def search_plans(request: Request) -> Search:
    """Plan what is asked, of the named paper or of every one, and look there and in the store.

    A paper that cannot be planned so, because an option is not for it or its data are elsewhere, is passed over; what the store
    holds of it is found all the same.

    Raises:
        InputError: the named paper is unknown.
    """
    if request.paper_id:
        load_paper(request.paper_id)
    plans: dict[str, Plan] = {}
    unplanned: dict[str, str] = {}
    for paper_id in [request.paper_id] if request.paper_id else paper_ids():
        try:
            plans[paper_id] = load_paper(paper_id).plan(replace(request, paper_id=paper_id))
        except InputError as error:
            unplanned[paper_id] = str(error)
    seeds = "" if request.num_seeds is None else f" --seeds {request.num_seeds}"
    return Search(plans, request.store, f"--tier {request.tier}{seeds}", unplanned)
