"""File primitives of the store: JSON, flushing to disk, sealing, and telling a full disk from other trouble."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from methods.common.files import file_sha256, write_atomic

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE_BYTES = 1 << 18


def json_bytes(value: Any) -> bytes:
    """Serialise for people: indented, keys in the order given; what UTF-8 cannot hold (names of files may) as JSON's escapes."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace") + b"\n"


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically and flushed to disk."""
    write_atomic(path, json_bytes(value))


def write_note(path: Path, data: bytes) -> None:
    """Write atomically but without flushing, into a folder that exists: for what may be lost in a power cut."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """True when the error, or one behind it, says that there is no room, or when ``folder``'s disk has none.

    Some libraries lose the error number on the way (an image that could not be written is just "not written").
    """
    cause: BaseException | None = error
    while cause is not None:
        if (isinstance(cause, OSError) and cause.errno in _FULL) or "No space left on device" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return not _has_room(folder)


def _has_room(folder: Path) -> bool:
    try:
        status = os.statvfs(folder)
    except OSError:
        return True
    enough_files = status.f_files == 0 or status.f_favail > 0
    return status.f_bavail * status.f_frsize >= _LITTLE_BYTES and enough_files


def sync_folder(path: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_MANY_FILES = 64
"""Above this, one flush of everything first makes the flush of each file quick; only the latter reports errors."""


def sync_below(folder: Path) -> None:
    """Flush every file and folder below ``folder``, but not the folder itself."""
    places = list(folder.rglob("*"))
    files = [path for path in places if path.is_file()]
    if len(files) > _MANY_FILES:
        os.sync()
    for path in files:
        _sync(path)
    for path in places:
        if path.is_dir():
            _sync(path)


def seal(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size, change times and SHA-256 of every file below ``folder``, by relative name."""
    sealed = {}
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        status = path.stat()
        sealed[path.relative_to(folder).as_posix()] = {
            "bytes": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "ctime_ns": status.st_ctime_ns,
            "sha256": file_sha256(path),
        }
    return sealed
