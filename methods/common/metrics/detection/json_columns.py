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
_SHORT_SEAMS = (b"},{", b"}, {", b"},\n{")
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

    text: NDArray[np.uint8]
    num_records: int


def lines_of(part: FilePart) -> Lines:
    """Read a part and turn what is between its records into line ends.

    The seams of files that are not indented are found a few times as fast as by searching for any seam.
    """
    text = np.fromfile(part.file, np.uint8, part.stop - part.start, offset=part.start)
    first = _SEAM.search(text.data)
    if first is not None and first[0] not in _SHORT_SEAMS:
        lines, num_seams = _SEAM.subn(b"}\n{", text.data)
        return Lines(np.frombuffer(lines, np.uint8), num_seams + 1)
    brace = np.flatnonzero(text == ord("{"))[1:]
    brace = brace[brace >= 3]
    before, further, furthest = text[brace - 1], text[brace - 2], text[brace - 3]
    tight = (before == ord(",")) & (further == ord("}"))
    spaced = ((before == ord(" ")) | (before == ord("\n"))) & (further == ord(",")) & (furthest == ord("}"))
    commas = np.concatenate([brace[tight] - 1, brace[spaced] - 2])
    text[commas] = ord("\n")
    if spaced.any():
        text[brace[spaced] - 1] = ord("\n")
    return Lines(text, len(commas) + 1)


def take_apart(lines: Lines, mark: bytes) -> tuple[Lines, list[tuple[int, Any]]] | None:
    """Take the records that hold a mark out of the others, with their places; None where one is no JSON."""
    text = lines.text.tobytes()
    kept, apart = [], []
    begin, place = 0, 0  # of the text that was not looked at yet, and the number of its first record
    while (found := text.find(mark, begin)) >= 0:
        start = text.rfind(_LINE, begin, found) + 1 or begin
        stop = text.find(_LINE, found)
        stop = len(text) if stop < 0 else stop + 1
        place += text.count(_LINE, begin, start) + (start > begin)
        try:
            apart.append((place, json.loads(text[start:stop])))
        except (ValueError, RecursionError):
            return None
        kept.append(text[begin:start])
        begin, place = stop, place + 1
    if not apart:
        return lines, []
    kept.append(text[begin:])
    return Lines(np.frombuffer(b"".join(kept), np.uint8), lines.num_records - len(apart)), apart


_LINE = b"\n{"
"""Where a record begins, but for the first. Indented records have line ends inside, but no brace behind one."""


def read_table(lines: Lines, schema: pa.Schema) -> dict[str, pa.Array] | None:
    """Read the fields of ``schema``, one column each; None where a record has one of another type or lacks a required one.

    Fields marked as nullable may be absent.
    """
    import pyarrow as pa
    from pyarrow import json as arrow_json

    try:
        table = arrow_json.read_json(
            pa.BufferReader(pa.py_buffer(lines.text)),
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
