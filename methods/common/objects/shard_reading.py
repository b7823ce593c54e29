"""Reading single objects out of shards.

A pool keeps :data:`INDEX` in memory: 48 bytes an object, among them where its picture and prompt lie. Reading an object
is then two reads of the file at known places. Shards of another layout, from earlier versions or rewritten by other tools,
are read through Arrow, a whole row group for each object; there ``png_start`` is -1 and ``prompt_start`` the row.

Shape legend: N objects.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from methods.common.errors import InputError, reason
from methods.common.objects.shards import SCHEMA, StoredObject

INDEX = np.dtype(
    [
        ("image_seed", np.int64),
        ("png_start", np.int64),
        ("prompt_start", np.int64),
        ("png_bytes", np.int32),
        ("prompt_bytes", np.int32),
        ("shard", np.int32),
        ("category_id", np.int32),
        ("round_index", np.int32),
        ("clip_score", np.float32),
    ]
)
"""What a pool keeps of each object. Starts and lengths are bytes of the shard's file."""

_LENGTHS = ("png_bytes", "prompt_bytes")
_COLUMNS = tuple(name for name in SCHEMA.names if name not in _LENGTHS)
_PREFIX = 4  # plain Parquet puts the length before each value: 4 bytes, little-endian
_MAX_OPEN_FILES = 256


def index_shard(path: Path, shard: int) -> NDArray[Any]:
    """Return the index of one shard, ``INDEX`` (N,).

    Raises:
        InputError: the file is no shard.
    """
    with _open_parquet(path) as file:
        names = [name for name in INDEX.names or () if name in file.schema_arrow.names]
        table = file.read(names, use_threads=False)
        index_N = np.zeros(table.num_rows, INDEX)
        index_N["shard"] = shard
        for name in names:
            index_N[name] = table[name].to_numpy()
        if not set(_LENGTHS) <= set(names) or not _locate(path, file.metadata, index_N):
            index_N["png_start"], index_N["prompt_start"] = -1, np.arange(len(index_N))
    return index_N


def _open_parquet(path: Path) -> Any:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} is not a readable Parquet file ({reason(error)}); delete it and make it again"
        ) from error
    missing = [name for name in _COLUMNS if name not in file.schema_arrow.names]
    if missing:
        file.close()
        raise InputError(
            f"{path} is not a shard of an object pool: column {missing[0]!r} is missing; give another file"
        )
    return file


def _locate(path: Path, metadata: Any, index_N: NDArray[Any]) -> bool:
    """Fill in where pictures and prompts lie; False if the file is not laid out as ``write_pool_shard`` does it.

    The values of a row group are the end of its only page: a length and the bytes of each, nothing between them.
    """
    with path.open("rb", buffering=0) as file:
        for name in ("png", "prompt"):
            column = next(c for c in range(metadata.num_columns) if metadata.schema.column(c).path == name)
            row = 0
            for number in range(metadata.num_row_groups):
                group = metadata.row_group(number)
                chunk = group.column(column)
                if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
                    return False
                part_N = index_N[row : row + group.num_rows]
                row += group.num_rows
                ends_N = np.cumsum(part_N[f"{name}_bytes"] + np.int64(_PREFIX))
                last = chunk.data_page_offset + chunk.total_compressed_size
                part_N[f"{name}_start"] = last - ends_N[-1] + ends_N - part_N[f"{name}_bytes"]
                if _length_at(file, part_N[f"{name}_start"][0]) != part_N[f"{name}_bytes"][0]:
                    return False
    return True


def _length_at(file: IO[bytes], start: int) -> int:
    """Return the length that is written before a value."""
    return int.from_bytes(os.pread(file.fileno(), _PREFIX, start - _PREFIX), "little")


class ShardFiles:
    """The files of a pool, the most recently used ones kept open. Pickled or inherited, each process opens its own."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._plain: OrderedDict[int, IO[bytes]] = OrderedDict()
        self._parquet: OrderedDict[int, tuple[Any, list[int]]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self.paths, "_plain": OrderedDict(), "_parquet": OrderedDict()}

    def read(self, entry: Any) -> StoredObject:
        """Read one object, given its entry of the index as a tuple.

        Raises:
            InputError: the shard has changed or is damaged since it was opened.
        """
        seed, png_start, prompt_start, png_bytes, prompt_bytes, shard, category_id, round_index, clip_score = entry
        if png_start < 0:
            return self._read_through_arrow(shard, prompt_start)
        return StoredObject(
            self._value(shard, png_start, png_bytes),
            category_id,
            round_index,
            self._value(shard, prompt_start, prompt_bytes).decode(),
            seed,
            clip_score,
        )

    def _value(self, shard: int, start: int, length: int) -> bytes:
        file = self._plain.get(shard)
        if file is None:
            file = _keep_open(self._plain, shard, self.paths[shard].open("rb", buffering=0))
        else:
            self._plain.move_to_end(shard)
        found = os.pread(file.fileno(), length + _PREFIX, start - _PREFIX)
        if len(found) != length + _PREFIX or int.from_bytes(found[:_PREFIX], "little") != length:
            raise InputError(f"{self.paths[shard]} is damaged or was written anew while it was read; make it again")
        return found[_PREFIX:]

    def _read_through_arrow(self, shard: int, row: int) -> StoredObject:
        if shard not in self._parquet:
            file = _open_parquet(self.paths[shard])
            rows = (file.metadata.row_group(number).num_rows for number in range(file.num_row_groups))
            _keep_open(self._parquet, shard, (file, list(accumulate(rows))))
        self._parquet.move_to_end(shard)
        file, ends = self._parquet[shard]
        group = bisect_right(ends, row)
        table = file.read_row_group(group, columns=list(_COLUMNS), use_threads=False)
        place = row - (ends[group - 1] if group else 0)
        return StoredObject(**{name: table[name][place].as_py() for name in _COLUMNS})


def _keep_open(files: OrderedDict[int, Any], shard: int, file: Any) -> Any:
    """Add an open file, and close the one used longest ago if there are too many."""
    if len(files) >= _MAX_OPEN_FILES:
        oldest = files.popitem(last=False)[1]
        (oldest[0] if isinstance(oldest, tuple) else oldest).close()
    files[shard] = file
    return file
