"""What an inspector is, what it returns, and how one runs without ever crashing on odd content."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reproductions.requirements.file_checks import refusal

State = Literal["ok", "unknown", "missing", "damaged", "not ready", "too small", "does not load"]
"""``not ready``: there and whole, but something must be allowed or installed first; ``too small``: memory or disk; ``does not load``: it
was tried."""

HARMLESS: frozenset[State] = frozenset({"ok", "unknown"})
"""States in which a plan may start."""


@dataclass(frozen=True)
class Inspection:
    """What was found at one place."""

    state: State
    problems: tuple[str, ...] = ()
    """One sentence each; files are named from the place on."""
    notes: tuple[str, ...] = ()
    """What a user may want to know although it stops nothing."""
    steps: tuple[str, ...] = ()
    """What to do about the problems, where that is not to get the thing anew."""


Inspector = Callable[[Path], Inspection]
"""Looks at a place that exists; seconds at most, whatever its size. What the system refuses it may raise as OSError."""


def judge(problems: Iterable[str], notes: Iterable[str] = ()) -> Inspection:
    """Return ``damaged`` when there is any problem, else ``ok``."""
    found = tuple(problems)
    return Inspection("damaged" if found else "ok", found, tuple(notes))


def inspect_place(place: Path, inspector: Inspector) -> Inspection:
    """Run an inspector; absent places, refused access and links in circles become a state with one sentence."""
    try:
        place.stat()
        return inspector(place)
    except FileNotFoundError as error:
        return Inspection("missing", (_what_is_absent(place, error),))
    except OSError as error:
        return Inspection("damaged", (refusal(error, place),))


def _what_is_absent(place: Path, error: OSError) -> str:
    if place.is_symlink():
        return f"{place} is a link to {place.readlink()}, which is not there"
    absent = Path(error.filename) if error.filename else place
    return f"there is no {absent if absent.is_relative_to(place) else place}"
