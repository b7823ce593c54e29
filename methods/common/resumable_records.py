"""JSON records in a file that grows, and that a killed stage goes on with: one a line, or one list.

Lines say themselves how far they are whole, so a checkpoint need only know how many there were. A list is one JSON value that
ends when the stage does; its checkpoints know length and checksum of what was written.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError

if TYPE_CHECKING:  # a stage that only reads lines needs no torch
    from methods.common.state_file import Checkpoints

_BYTES_READ = 1 << 20


def append_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Add records at the end of a file, one a line."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def keep_lines(path: Path, num_lines: int) -> list[dict[str, Any]]:
    """Cut a file back to its first whole lines and return their records; fewer than asked where the file is damaged or short.

    A file that is missing is made, empty.
    """
    path.touch()
    records: list[dict[str, Any]] = []
    size = 0
    for line, record in _lines(path):
        if len(records) == num_lines or record is None or not line.endswith(b"\n"):
            break
        records.append(record)
        size += len(line)
    os.truncate(path, size)
    return records


def keep_batches(
    path: Path, checksums: Sequence[Sequence[int]], checksum_of: Callable[[dict[str, Any]], int | None]
) -> int:
    """Keep the lines of the first whole batches of records and cut the file after them; return how many batches are whole.

    Args:
        path: of the lines.
        checksums: of what each record of each batch that a checkpoint knows stands for.
        checksum_of: of what lies on disk for a record; None where something is missing.
    """
    listed = keep_lines(path, sum(len(batch) for batch in checksums))
    whole, start = 0, 0
    for batch in checksums:
        records = listed[start : start + len(batch)]
        if len(records) < len(batch) or [checksum_of(record) for record in records] != list(batch):
            break
        whole, start = whole + 1, start + len(batch)
    keep_lines(path, start)
    return whole


def batches_done(checkpoints: Checkpoints, keep: Callable[[Sequence[Sequence[int]]], int]) -> list[dict[str, Any]]:
    """Return what the newest checkpoint knows of the batches whose files are whole; one that knows of others is forgotten.

    Args:
        checkpoints: of the stage; each holds a record a batch, with the ``checksums`` of what it wrote.
        keep: cuts the files after the first whole batches, and returns how many those are.
    """
    found = checkpoints.load()
    done: list[dict[str, Any]] = [] if found is None else found[1]
    whole = keep([batch["checksums"] for batch in done])
    if whole < len(done):
        checkpoints.clear()
    return done[:whole]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read every record.

    Raises:
        InputError: the file is missing, or a line is no JSON object.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing; name a folder that has it")
    records = []
    for number, (_, record) in enumerate(_lines(path), start=1):
        if record is None:
            raise InputError(f"{path}, line {number} is no JSON object; mend or remove the line")
        records.append(record)
    return records


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Yield each line with its end, and its record, None where it is no JSON object."""
    with path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            yield line, record if isinstance(record, dict) else None


class GrowingList:
    """A list of records in a JSON file; the bytes are those of ``json.dump`` for the whole list.

    Going on cuts the file back to the newest checkpoint; a file that is shorter or damaged is begun again.
    """

    def __init__(self, path: Path, checkpoints: Checkpoints) -> None:
        """Open a list, with what the newest checkpoint knows of it; the checkpoints are its own."""
        self._checkpoints = checkpoints
        found = checkpoints.load()
        counts: list[int] = [0, 0, 0, 0] if found is None else found[1]
        self.done, self.length, self._bytes, self._checksum = counts
        path.touch()
        if _checksum(path, self._bytes) != self._checksum:
            checkpoints.clear()
            self.done = self.length = self._bytes = self._checksum = 0
        os.truncate(path, self._bytes)
        self._file = path.open("ab")

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
