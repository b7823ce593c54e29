"""A JSON list on disk that grows record by record, and that a killed stage goes on with."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from methods.common.stage import Context

_BYTES_READ = 1 << 20


class GrowingList:
    """A list of records in a JSON file; the bytes are those of ``json.dump`` for the whole list.

    Checkpoints keep how long the file was and its checksum. Going on cuts the file back to the newest checkpoint; a file
    that is shorter or damaged is begun again.
    """

    def __init__(self, path: Path, context: Context) -> None:
        self._checkpoints = context.checkpoints
        found = self._checkpoints.load()
        counts: list[int] = [0, 0, 0, 0] if found is None else found[1]
        self.done, self.length, self._bytes, self._checksum = counts
        path.touch()
        self._file = path.open("r+b")
        if _checksum(path, self._bytes) != self._checksum:
            self._checkpoints.clear()
            self.done = self.length = self._bytes = self._checksum = 0
        self._file.truncate(self._bytes)
        self._file.seek(self._bytes)

    def __enter__(self) -> GrowingList:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def extend(self, records: Sequence[Any], num_units: int) -> None:
        """Append records, and count units of work as done."""
        for record in records:
            self._write(("[" if self.length == 0 else ", ") + json.dumps(record))
            self.length += 1
        self.done += num_units

    def _write(self, text: str) -> None:
        data = text.encode()
        self._file.write(data)
        self._bytes += len(data)
        self._checksum = zlib.crc32(data, self._checksum)

    def save(self) -> None:
        """Save a checkpoint."""
        self._sync()
        self._checkpoints.save(self.done, [self.done, self.length, self._bytes, self._checksum])

    def close(self) -> None:
        """Save a checkpoint, then end the list."""
        self.save()
        self._file.write(b"]" if self.length else b"[]")
        self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def _checksum(path: Path, size: int) -> int | None:
    """Checksum of the first bytes of a file; None if it is shorter."""
    checksum = 0
    with path.open("rb") as file:
        while size > 0:
            data = file.read(min(size, _BYTES_READ))
            if not data:
                return None
            checksum, size = zlib.crc32(data, checksum), size - len(data)
    return checksum
