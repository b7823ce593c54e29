"""Large JSON files of records, cut into parts that can be read one by one.

This covers files as tools write them: records of one list, one behind the other, no lists of objects within a record. Whatever looks
otherwise is answered with None, and the caller reads the file with `json`, which takes anything and whose checks name the fault.
A cut in a wrong place, such as within a text, leaves parts that are no sound records, which the reader of the parts finds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    def read(self) -> NDArray[np.uint8]:
        """Return the bytes, which are the file's own pages: nothing is copied, and they go when the array does."""
        before = self.start % ALLOCATIONGRANULARITY
        with self.file.open("rb") as handle:
            length, offset = before + self.stop - self.start, self.start - before
            return np.frombuffer(mmap(handle.fileno(), length, access=ACCESS_READ, offset=offset), np.uint8)[before:]


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
