"""Large JSON files of records, cut into parts that are read column by column, without a Python object for each record.

This covers files as tools write them: records of one list, one behind the other in one style of spaces and line ends, numbers where
numbers belong, no lists of objects within a record. Whatever looks otherwise is answered with None, and the caller reads the part
again with `json`, which takes anything and whose checks name the fault.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

_SEAM = re.compile(rb"\}\s*,\s*\{")
_ANNOTATIONS = re.compile(rb'"annotations"\s*:\s*\[\s*\{')
_CUT_OUT = "segrepro reads the records of this list apart"
_LIST_END = re.compile(rb"\}\s*\]")


@dataclass(frozen=True)
class FilePart:
    """Bytes of a file that hold whole records, separated by commas."""

    file: Path
    start: int
    stop: int


def parts_of_list(file: Path, part_bytes: int) -> list[FilePart] | None:
    """Cut a file that is one list of records."""
    content = _content(file)
    if content is None:
        return None
    start, stop = _skip_space(content, 0, 1), _skip_space(content, len(content) - 1, -1)
    if stop <= start or content[start : start + 1] != b"[" or content[stop : stop + 1] != b"]":
        return None
    first, last = _skip_space(content, start + 1, 1), _skip_space(content, stop - 1, -1)
    if first == stop:
        return []
    if content[first : first + 1] != b"{" or content[last : last + 1] != b"}":
        return None
    return _cut(file, content, first, last + 1, part_bytes)


def parts_of_annotations(file: Path, part_bytes: int) -> tuple[dict[str, Any], list[FilePart]] | None:
    """Cut the list `annotations` of a file that is one object; return the rest of the object too, parsed."""
    content = _content(file)
    opening = None if content is None else _ANNOTATIONS.search(content)
    if content is None or opening is None:
        return None
    closing = _LIST_END.search(content, opening.end())
    if closing is None:
        return None
    try:
        rest = json.loads(content[: opening.end() - 1] + json.dumps(_CUT_OUT).encode() + content[closing.end() - 1 :])
    except (ValueError, RecursionError):
        return None
    if not isinstance(rest, dict) or rest.get("annotations") != [_CUT_OUT]:  # a list of that name elsewhere, or two
        return None
    return rest | {"annotations": []}, _cut(file, content, opening.end() - 1, closing.start() + 1, part_bytes)


def _content(file: Path) -> mmap | None:
    try:
        with file.open("rb") as handle:
            return mmap(handle.fileno(), 0, access=ACCESS_READ)
    except (OSError, ValueError):  # not there, or empty
        return None


def _skip_space(content: mmap, place: int, step: int) -> int:
    while 0 <= place < len(content) and content[place : place + 1].isspace():
        place += step
    return place


def _cut(file: Path, content: mmap, start: int, stop: int, part_bytes: int) -> list[FilePart]:
    parts = []
    while start < stop:
        seam = _SEAM.search(content, min(start + part_bytes, stop), stop)
        end, following = (seam.start() + 1, seam.end() - 1) if seam else (stop, stop)
        parts.append(FilePart(file, start, end))
        start = following
    return parts


@dataclass(frozen=True)
class Lines:
    """Text that holds one record a line."""

    text: bytes
    num_records: int


def lines_of(part: FilePart) -> Lines:
    """Read a part and turn what is between its records into line ends.

    Seams are taken to look all like the first one. Where they do not, records are left on one line, which :func:`read_table`
    notices by their number.
    """
    with part.file.open("rb") as handle:
        handle.seek(part.start)
        text = handle.read(part.stop - part.start)
    first = _SEAM.search(text)
    if first is None:
        return Lines(text, 1)
    return Lines(text.replace(first[0], b"}\n{"), text.count(first[0]) + 1)


def take_apart(lines: Lines, mark: bytes) -> tuple[Lines, list[tuple[int, Any]]] | None:
    """Take the records that hold a mark out of the others, with their places; None where that cannot be done."""
    if mark not in lines.text:
        return lines, []
    pieces = lines.text.split(b"\n{")  # indented records have line ends inside
    if len(pieces) != lines.num_records:
        return None
    kept, apart = [], []
    for place, line in enumerate(pieces):
        whole = line if place == 0 else b"{" + line
        if mark not in line:
            kept.append(whole)
            continue
        try:
            apart.append((place, json.loads(whole)))
        except (ValueError, RecursionError):
            return None
    return Lines(b"\n".join(kept), len(kept)), apart


def read_table(lines: Lines, schema: pa.Schema) -> dict[str, pa.Array] | None:
    """Read the fields of ``schema``, one column each; None where a record has one of another type or lacks a required one.

    Fields marked as nullable may be absent.
    """
    import pyarrow as pa
    from pyarrow import json as arrow_json

    try:
        table = arrow_json.read_json(
            pa.BufferReader(lines.text),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(lines.text) + 1),
            parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
            memory_pool=pa.system_memory_pool(),  # which gives the next part the memory of the last one
        )
    except pa.ArrowInvalid:
        return None
    required = [field.name for field in schema if not field.nullable]
    if table.num_rows != lines.num_records or any(table.column(name).null_count for name in required):
        return None
    return {name: table.column(name).combine_chunks() for name in schema.names}


def as_array(column: pa.Array) -> NDArray[Any]:
    """Return a column of numbers, none missing.

    Arrow's own `to_numpy` would load pandas, which takes a second.
    """
    return np.from_dlpack(column)


def as_lists(column: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """Return a column of lists as where each list begins, with the end, and the members of all lists."""
    offset_N1 = as_array(column.offsets).astype(np.int64)
    return offset_N1 - offset_N1[0], column.values[int(offset_N1[0]) : int(offset_N1[-1])]
