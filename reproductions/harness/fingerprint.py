"""Fingerprints of data and weights from outside: what is inside counts, not where it lies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from methods.common.errors import InputError
from methods.common.files import write_atomic
from reproductions.harness.cell import External

_BLOCK_BYTES = 1 << 20


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class Fingerprints:
    """Fingerprints files and folders; remembers each file by size and change time, so a second look is quick."""

    def __init__(self, memory_file: Path | None = None) -> None:
        self._memory_file = memory_file
        self._known: dict[str, list[int | str]] = {}
        self._changed = False
        if memory_file is not None and memory_file.is_file():
            try:
                self._known = json.loads(memory_file.read_text())
            except ValueError:  # torn: only a cache, start again
                self._known = {}

    def _file(self, path: Path) -> str:
        status = path.stat()
        known = self._known.get(str(path))
        if known is None or known[:2] != [status.st_size, status.st_mtime_ns]:
            known = [status.st_size, status.st_mtime_ns, file_sha256(path)]
            self._known[str(path)] = known
            self._changed = True
        return str(known[2])

    def of(self, path: Path, what: str) -> External:
        """Fingerprint a file or a folder (names and bytes of every file below it, hidden ones left out).

        Raises:
            InputError: the place is missing or holds no file.
        """
        path = path.resolve()
        if path.is_file():
            return External(path, self._file(path))
        if not path.is_dir():
            raise InputError(f"{what} is missing: there is no {path}; give another place or put it there")
        files = sorted(
            item
            for item in path.rglob("*")
            if item.is_file() and not any(part.startswith(".") for part in item.relative_to(path).parts)
        )
        if not files:
            raise InputError(f"{what} is empty: {path} holds no file")
        listing = [[item.relative_to(path).as_posix(), self._file(item)] for item in files]
        return External(path, hashlib.sha256(json.dumps(listing).encode()).hexdigest())

    def save(self) -> None:
        """Write the memory, when there is a place for it."""
        if self._memory_file is not None and self._changed:
            write_atomic(self._memory_file, json.dumps(self._known).encode())
