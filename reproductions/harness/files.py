"""File primitives of the store: JSON, flushing to disk, sealing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from methods.common.files import write_atomic
from reproductions.harness.fingerprint import file_sha256


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented for people."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def sync_folder(path: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_MANY_FILES = 64
"""Above this one flush of everything is quicker than one for each file."""


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below ``folder``."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) > _MANY_FILES:
        os.sync()
        return
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for path in {folder, *(file.parent for file in files)}:
        sync_folder(path)


def seal(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size, change time and SHA-256 of every file below ``folder``, by relative name."""
    sealed = {}
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        status = path.stat()
        sealed[path.relative_to(folder).as_posix()] = {
            "bytes": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sha256": file_sha256(path),
        }
    return sealed
