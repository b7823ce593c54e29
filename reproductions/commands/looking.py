"""What ``segrepro why``, and ``segrepro status`` of one cell or of a whole store, print."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError
from reproductions.commands.finding import search_plans
from reproductions.commands.printing import console, print_json, print_table
from reproductions.study.registry import load_paper, paper_ids

if TYPE_CHECKING:
    from reproductions.harness.find import Search
    from reproductions.harness.store import Store
    from reproductions.study.request import Request


def print_why(search: Search, name: str, other: str | None, as_json: bool) -> None:
    """Print what made two cells different, or a stored cell and what is asked now.

    Raises:
        InputError: a name fits nothing, or several cells.
    """
    from reproductions.harness.why import causes, explain

    left, right, found = explain(name, other, search)
    behind = causes(left.cell, right.cell, search)
    if as_json:
        print_json(
            {
                "left": left.name,
                "right": right.name,
                "differences": [vars(item) for item in found],
                "causes": [vars(item) for item in behind],
            }
        )
        return
    out = console()
    out.print(f"left:  {left.name}\nright: {right.name}", markup=False, highlight=False)
    if not found:
        told = "no difference: they are the same cell" if left.is_stored else "nothing like it is in the store yet"
        out.print(told, markup=False, highlight=False)
        return
    rows = [(item.label, item.kind, item.path, json.dumps(item.left), json.dumps(item.right)) for item in behind]
    print_table(("in", "what", "where", "left", "right"), rows)


def print_status(request: Request, once: bool, as_json: bool) -> None:
    """Print the state of a plan, of one cell whatever it is of, or without a name how far each plan of the store is.

    Raises:
        InputError: the name is neither a paper nor one cell, or there is no store.
    """
    request.store.check_there()
    name = request.paper_id
    if not name:
        _print_store(request.store, as_json)
    elif name in paper_ids():
        _print_plan(request, once, as_json)
    else:
        _print_cell(name, request, as_json)


def _print_plan(request: Request, once: bool, as_json: bool) -> None:
    from reproductions.harness import status as view

    planned, out = load_paper(request.paper_id).plan(request), console()
    if as_json:
        print_json(view.as_records(view.look(planned, request.store)))
    elif out.is_terminal and not once:
        view.watch(lambda: view.look(planned, request.store), out)
    else:
        view.print_once(view.look(planned, request.store), out)


def _print_cell(name: str, request: Request, as_json: bool) -> None:
    from reproductions.harness.states import describe_cell

    search = search_plans(replace(request, paper_id=""))
    try:
        cell = search.find_begun(name)
    except InputError as error:
        raise InputError(f"there is no paper {name!r} ({', '.join(paper_ids())}), and {error}") from error
    told: dict[str, Any] = {**describe_cell(cell, request.store), "plan": search.origin(cell)}
    if as_json:
        print_json(told)
        return
    width = max(map(len, told))
    for key, value in told.items():
        if value not in ("", None, []):
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"{key:{width}}  {shown}")


def _print_store(store: Store, as_json: bool) -> None:
    """Count the states of all cells of a store by the plan that they were last run for."""
    from reproductions.harness.known_plans import known_plans
    from reproductions.harness.states import quick_state

    listing = store.listing()
    counts: dict[str, Counter[str]] = {}
    wanted_by = {cell_id: known.name for known in known_plans(store) for cell_id in known.cells}
    for cell in store.known_cells():
        plan = cell.scale or wanted_by.get(cell.id, "an earlier plan")
        counts.setdefault(plan, Counter())[quick_state(cell, store, listing)] += 1
    if as_json:
        print_json({plan: dict(count) for plan, count in sorted(counts.items())})
        return
    if not counts:
        print(f"the store {store.root} holds no cell; `segrepro run PAPER` begins one")
        return
    states = ("done", "running", "failed", "open")
    rows = [(plan, *(str(count[state]) for state in states)) for plan, count in sorted(counts.items())]
    print_table(("plan", *states), rows)
