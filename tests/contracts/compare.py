"""Comparing what two runs left behind: bit for bit, or within rounding, whatever file the numbers are in."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import load

from methods.common.training.history import PACE_FILE
from tests.contracts.watch import State

_SHARD = re.compile(r"-\d+\.(parquet|safetensors)$")
"""What tells files apart that a stage cut its work into."""
_ORDER = " in order"


@dataclass(frozen=True)
class Rounding:
    """How far two results of the same work may lie apart."""

    relative: float = 1e-9
    """Of numbers, relative to the largest of their kind."""
    levels: int = 0
    """Of pixels, out of 255."""
    share: float = 0.0
    """Of the pixels of all pictures, how many may lie further apart."""


BYTES = Rounding(0.0)


def differences(one: State, other: State, rounding: Rounding) -> list[str]:
    """Name what differs by more; shards of one table count as the table, however it was cut. How fast a training was is no result."""
    one, other = (
        {name: data for name, data in state.items() if not name.endswith(PACE_FILE)} for state in (one, other)
    )
    if rounding == BYTES:
        return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    return _differences(dict(_values_of(one)), dict(_values_of(other)), rounding)


def differences_of_shards(one: Sequence[State], other: Sequence[State], rounding: Rounding) -> list[str]:
    """Name what differs by more between the same work shared out to some cells, and to others; order does not count."""
    left, right = (
        {name: value for files in shards for name, value in _values_of(files) if not name.endswith(_ORDER)}
        for shards in (one, other)
    )
    return _differences(left, right, rounding)


def _differences(left: Mapping[str, Any], right: Mapping[str, Any], rounding: Rounding) -> list[str]:
    found = sorted(left.keys() ^ right.keys())
    pixels = [0, 0]
    for name in sorted(left.keys() & right.keys()):
        if not _alike(left[name], right[name], rounding, pixels):
            found.append(f"{name}: {left[name]!r:.60} and {right[name]!r:.60}")
    far, total = pixels
    return found + ([f"{far} of {total} pixels"] if far > rounding.share * total else [])


def _alike(one: Any, other: Any, rounding: Rounding, pixels: list[int]) -> bool:
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return bool(one == other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype == np.uint8:
        pixels[0] += int((np.abs(one.astype(int) - other.astype(int)) > rounding.levels).sum())
        pixels[1] += one.size
        return True
    scale = float(np.nanmax(np.abs(one), initial=0.0))  # scores are NaN where they are undefined
    return bool(np.allclose(one, other, rtol=rounding.relative, atol=rounding.relative * scale, equal_nan=True))


def _values_of(files: State) -> Iterator[tuple[str, Any]]:
    """Yield every number, text and picture by a name that does not depend on how the files were cut."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(files):
        data = files[name]
        if name.endswith(".parquet"):
            tables.setdefault(_SHARD.sub("", name), []).extend(pq.read_table(io.BytesIO(data)).to_pylist())
        elif name.endswith((".png", ".jpg")):
            yield name, _picture(data)
        elif name.endswith(".safetensors"):
            yield from ((f"{_SHARD.sub('', name)} {key}", array) for key, array in load(data).items())
        elif name.endswith(".json"):
            yield from _leaves(json.loads(data), name)
        elif name.endswith(".jsonl"):
            tables[name] = [json.loads(line) for line in data.splitlines()]
        else:
            yield name, data
    for table, rows in tables.items():
        named = [(f"{table} {row['id']}" if "id" in row else f"{table} {_words_of(row)}", row) for row in rows]
        yield f"{table}{_ORDER}", [name for name, _ in named]
        for name, row in named:
            yield from _leaves(row, name)


def _words_of(row: Mapping[str, Any]) -> list[Any]:
    """What tells rows without an id apart: whole numbers and texts, but no lengths of what is compared itself."""
    return [_uncut(value) for key, value in row.items() if isinstance(value, int | str) and not key.endswith("_bytes")]


def _uncut(value: Any) -> Any:
    """The name of a file without the number of its part."""
    return _SHARD.sub("", value) if isinstance(value, str) else value


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a document by their place; bytes within one are pictures."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name} {key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name} {index}")
    elif isinstance(value, bytes):
        yield name, _picture(value)
    elif not name.endswith("_bytes"):
        yield name, np.array(value) if isinstance(value, float) else _uncut(value)


def _picture(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def record_as_file(record: dict[str, Any]) -> State:
    """A record as the file that the store makes of it."""
    return {"result.json": json.dumps(record).encode()}
