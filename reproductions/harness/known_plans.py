"""Plans that runs of a store were asked for: so that it can be told which cells nobody asks for any more.

``plans/<key>.json`` holds one request. A run writes it before it looks at any cell, under the lock by which ``segrepro gc`` removes
cells; so what a run finds finished stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from reproductions.harness.files import write_json
from reproductions.harness.lock import wait_for_lock
from reproductions.harness.store import Store

_KEY_DIGITS = 8


@dataclass(frozen=True)
class KnownPlan:
    """One plan that was asked for."""

    key: str
    """Names it on the command line."""
    name: str
    """Of the plan, as the specs of its cells have it, e.g. ``mrca-mini``."""
    command: str
    """By which it was asked for, in whatever store."""
    request: Mapping[str, Any]
    """What the command line was asked, to plan it again."""
    cells: tuple[str, ...]
    """Ids of all its cells when it was last asked for."""
    asked_utc: str
    forgotten: bool = False
    """Whether nobody wants its cells any more."""


def remember(store: Store, name: str, command: str, request: Mapping[str, Any], cells: Iterable[str]) -> None:
    """Write down that a plan is asked for, before any of its cells is looked at."""
    key = hashlib.sha256(command.encode()).hexdigest()[:_KEY_DIGITS]
    known = KnownPlan(key, name, command, request, tuple(cells), datetime.now(UTC).isoformat(timespec="seconds"))
    with plans_lock(store):
        _write(store, known)


def forget(store: Store, known: KnownPlan) -> None:
    """Write down that nobody wants the plan's cells; the caller holds :func:`plans_lock`."""
    _write(store, replace(known, forgotten=True))


def known_plans(store: Store) -> Iterator[KnownPlan]:
    """Read every plan that was asked for, in the order of keys; damaged files are passed over."""
    for path in sorted((store.root / "plans").glob("*.json")):
        try:
            document = json.loads(path.read_text())
            yield KnownPlan(**{**document, "cells": tuple(document["cells"])})
        except (OSError, ValueError, TypeError, KeyError):
            continue


@contextmanager
def plans_lock(store: Store) -> Iterator[None]:
    """Keep everybody else from asking for plans, and from removing cells."""
    with wait_for_lock(store.root / "locks" / "plans"):
        yield


def _write(store: Store, known: KnownPlan) -> None:
    folder = store.root / "plans"
    folder.mkdir(exist_ok=True, mode=0o700)
    write_json(folder / f"{known.key}.json", asdict(known))
