"""Writing a file so that a crash never leaves half of it, and telling files apart by what is in them."""

import hashlib
import os
from pathlib import Path
from typing import overload

AnyPath = Path | str
"""The name of a file or folder as people give it."""


@overload
def as_path(place: AnyPath) -> Path: ...


@overload
def as_path(place: AnyPath | None) -> Path | None: ...


def as_path(place: AnyPath | None) -> Path | None:
    """Return the name of a file or folder as a path; None stays."""
    return Path(place) if isinstance(place, str) else place


MADE_HERE = ".segrepro-made"
"""Marks a folder that this project wrote, such as a report, so that it is never taken for a part of the data that it may lie among."""


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either its old content or all of the new one, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
