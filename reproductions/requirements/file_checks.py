"""What is wrong with one file or folder, in words; odd content and refusals of the system never crash a look."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class FaultyFileError(Exception):
    """Says what is wrong with one file, as the end of a sentence that begins with the file's name."""


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
