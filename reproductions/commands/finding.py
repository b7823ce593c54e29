"""Where ``logs``, ``why`` and ``status`` look for the cell that they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from methods.common.errors import InputError
from reproductions.harness.find import Search
from reproductions.harness.known_plans import known_plans
from reproductions.harness.plan import Plan
from reproductions.study.registry import load_paper, paper_ids
from reproductions.study.request import Request, request_from_record

ValueT = TypeVar("ValueT")


def search_plans(request: Request) -> Search:
    """Look in the store and in plans: those that are asked, of the named paper or of every one, else those of the store's runs.

    Plans are made when they are first needed, as the store alone tells of most cells. One that cannot be made, because an option is
    not for its paper or its data are elsewhere, is passed over; what the store holds of it is found all the same.

    Raises:
        InputError: the named paper is unknown.
    """
    if request.paper_id:
        load_paper(request.paper_id)
    requests, asked = {}, ""
    if not request.paper_id and request.names_no_plan:
        requests = dict(_known_requests(request))
        asked = "which runs of this store were asked for; --paper and --tier name others"
    if not requests:
        named = [request.paper_id] if request.paper_id else paper_ids()
        requests = {paper_id: replace(request, paper_id=paper_id) for paper_id in named}
        asked = f"--tier {request.tier}" + ("" if request.num_seeds is None else f" --seeds {request.num_seeds}")
    made = _Made(requests)
    return Search(_Lazily(lambda: made.plans), request.store, asked, _Lazily(lambda: made.unplanned))


def _known_requests(request: Request) -> Iterator[tuple[str, Request]]:
    """Yield what runs of the store were asked for, by their commands."""
    for known in known_plans(request.store):
        with suppress(KeyError, TypeError, InputError):  # written by another version
            if not known.forgotten:
                yield known.command, request_from_record(known.request, request.store, request.site)


class _Made:
    """The plans of requests, and why there is none of some."""

    def __init__(self, requests: Mapping[str, Request]) -> None:
        self._requests = requests

    @cached_property
    def plans(self) -> Mapping[str, Plan]:
        return {name: made for name, made in self._all.items() if isinstance(made, Plan)}

    @cached_property
    def unplanned(self) -> Mapping[str, str]:
        return {name: str(made) for name, made in self._all.items() if isinstance(made, InputError)}

    @cached_property
    def _all(self) -> Mapping[str, Plan | InputError]:
        return {name: _plan(request) for name, request in self._requests.items()}


def _plan(request: Request) -> Plan | InputError:
    try:
        return load_paper(request.paper_id).plan(request)
    except InputError as error:
        return error


class _Lazily(Mapping[str, ValueT]):
    """A mapping that is made when it is first looked at."""

    def __init__(self, make: Callable[[], Mapping[str, ValueT]]) -> None:
        self._make = make

    def __getitem__(self, key: str) -> ValueT:
        return self._make()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make())

    def __len__(self) -> int:
        return len(self._make())
