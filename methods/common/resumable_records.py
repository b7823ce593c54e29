"""JSON records on disk that grow and that a killed stage goes on with: one a line, or one list."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from methods.common.errors import InputError
from methods.common.stage import Context


def to_line(record: dict[str, Any]) -> str:
    """Return a record as a line."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def keep_lines(path: Path, num_lines: int) -> list[dict[str, Any]]:
    """Cut a file back to its first whole lines and return their records; fewer than asked where the file is damaged or short.

    A file that is missing is made, empty.
    """
    path.touch()
    records: list[dict[str, Any]] = []
    size = 0
    with path.open("rb") as file:
        for line in file:
            record = _parse(line) if len(records) < num_lines else None
            if record is None:
                break
            records.append(record)
            size += len(line)
    with path.open("r+b") as file:
        file.truncate(size)
    return records


def append_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Add records at the end."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(to_line(record) for record in records)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read every record.

    Raises:
        InputError: the file is missing, or a line is no JSON object.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing; name a folder that has it")
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        record = _parse(line + b"\n")
        if record is None:
            raise InputError(f"{path}, line {number} is no JSON object; mend or remove the line")
        records.append(record)
    return records


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


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
