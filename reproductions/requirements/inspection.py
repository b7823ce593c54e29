"""What an inspector is, what it returns, and how one runs without ever crashing on odd content."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["ok", "unknown", "missing", "damaged", "not ready", "too small"]
"""``not ready``: there and whole, but something must be allowed or installed first; ``too small``: memory or disk."""

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


class FaultyFileError(Exception):
    """Says what is wrong with one file, as the end of a sentence that begins with the file's name."""


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


def refusal(error: OSError, place: Path) -> str:
    """Return one sentence about what the system would not do at a place."""
    where = error.filename or place
    if error.errno == errno.ELOOP:
        return f"{where} is a link that leads back to itself"
    if error.errno == errno.ENOTDIR:
        return f"{where} is not a folder"
    return f"{where} cannot be read ({error.strerror or error})"


def fault(root: Path, path: Path, check: Callable[[Path], None]) -> list[str]:
    """Run one check of one file below ``root``; return no sentence or one."""
    name = path.relative_to(root).as_posix() if path != root else path.name
    try:
        check(path)
    except FaultyFileError as found:
        return [f"{name} {found}"]
    except FileNotFoundError:
        return [f"{name} {'is a link to nothing' if path.is_symlink() else 'is missing'}"]
    except OSError as error:
        return [refusal(error, path)]
    except ValueError:  # a zero byte, from a name inside another file
        return [f"{name!r} is no name that a file can have"]
    return []


def check_is_folder(path: Path) -> None:
    """Make sure that a place that exists is a folder.

    Raises:
        OSError: it is not, or it is refused.
    """
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(path))


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        FaultyFileError: it holds anything else.
        OSError: it cannot be read.
    """
    check_is_file(path)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise FaultyFileError("is not readable JSON") from error
    if not isinstance(content, dict):
        raise FaultyFileError("is JSON, but not an object")
    return content


def check_is_file(path: Path) -> int:
    """Return the size of a file that holds something.

    Raises:
        FaultyFileError: a folder or something else, or empty.
        OSError: absent, or refused.
    """
    status = path.stat()
    if not path.is_file():
        raise FaultyFileError(f"is a {'folder' if path.is_dir() else 'special file'} where a file is expected")
    if status.st_size == 0:
        raise FaultyFileError("is empty")
    return status.st_size
