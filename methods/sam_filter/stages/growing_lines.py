"""A file of JSON records, one a line, that grows and that a killed stage goes on with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from methods.common.errors import InputError


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
