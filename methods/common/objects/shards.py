"""Shards of an object pool: plain Parquet files, one row an object, the cut-out as PNG bytes.

Any Parquet reader opens a shard; equal objects give equal bytes; a shard appears whole or not at all. Pictures and prompts
are stored plain, a row group's values on one page, and two columns say how long they are, so a reader can tell where each
lies in the file and fetch one object without touching others. Pages carry checksums.

Shape legend: H, W pixels; 4 RGBA; N objects.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from methods.common.files import write_atomic

OBJECTS_PER_SHARD = 1024
"""Objects in one file, where the writer has the choice. They are held in memory while it is written."""

SCHEMA = pa.schema(
    [
        ("category_id", pa.int32()),
        ("round_index", pa.int32()),
        ("image_seed", pa.int64()),
        ("clip_score", pa.float32()),
        ("prompt_bytes", pa.int32()),
        ("png_bytes", pa.int32()),
        ("prompt", pa.string()),
        ("png", pa.binary()),
    ]
)
_BYTES_PER_GROUP = 64 << 20
_BYTES_PER_PAGE = 2**31 - 1  # a chunk is one page; larger than every group but that of a single immense picture


@dataclass(frozen=True)
class PooledObject:
    """One cut-out and where it comes from."""

    rgba_HW4: NDArray[np.uint8]
    """RGBA, tightly cropped; alpha from 128 on is object."""
    category_id: int
    """Category id of the annotation file."""
    round_index: int
    """Round it was made in, from 1; 0 for objects that were not generated."""
    prompt: str
    """What the generator was asked for, or the file it was read from."""
    image_seed: int
    """Seed of the image; 0 for objects that were not generated."""
    clip_score: float
    """100 x cosine; NaN if it was never scored."""

    def encode(self) -> StoredObject:
        """Compress the pixels, without loss."""
        return StoredObject(
            encode_png(self.rgba_HW4),
            self.category_id,
            self.round_index,
            self.prompt,
            self.image_seed,
            self.clip_score,
        )


class StoredObject(NamedTuple):
    """One cut-out as it lies on the disk; see :class:`PooledObject`."""

    png: bytes
    category_id: int
    round_index: int
    prompt: str
    image_seed: int
    clip_score: float

    def decode(self) -> PooledObject:
        """Decompress the pixels."""
        return PooledObject(decode_png(self.png), *self[1:])


def encode_png(rgba_HW4: NDArray[np.uint8]) -> bytes:
    """Encode RGBA pixels as PNG, lossless."""
    import cv2

    ok, encoded = cv2.imencode(".png", cv2.cvtColor(rgba_HW4, cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert ok, f"cannot encode pixels of shape {rgba_HW4.shape}"
    return bytes(encoded)


def decode_png(png: bytes) -> NDArray[np.uint8]:
    """Decode what :func:`encode_png` wrote, uint8 (H, W, 4)."""
    import cv2

    bgra = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert bgra is not None, "a damaged picture in an object pool"
    return np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA))


def shard_path(folder: Path, number: int) -> Path:
    """Where shard ``number`` of a pool lies."""
    return folder / f"pool-{number:05d}.parquet"


def write_pool_shard(path: Path, objects: Iterable[PooledObject | StoredObject]) -> int:
    """Write one shard atomically; equal objects give equal bytes.

    Args:
        path: file to write, ending in ``.parquet``; its folder is made if absent.
        objects: the shard's objects, in order; may be empty. Held in memory compressed, so a shard is some thousand objects.

    Returns:
        The number of objects written.
    """
    assert path.suffix == ".parquet", f"{path} would not be found by ObjectPool.open"
    rows = [item.encode() if isinstance(item, PooledObject) else item for item in objects]
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows] for name in SCHEMA.names if not name.endswith("_bytes")
    }
    columns["png_bytes"] = [len(png) for png in columns["png"]]
    columns["prompt_bytes"] = [len(prompt.encode()) for prompt in columns["prompt"]]
    table = pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        SCHEMA,
        compression="none",
        use_dictionary=False,
        write_statistics=False,  # of a picture they would be the picture once more
        data_page_size=_BYTES_PER_PAGE,
        write_page_checksum=True,
    ) as writer:
        for first, last in _row_groups(columns["png_bytes"]):
            writer.write_table(table.slice(first, last - first), row_group_size=OBJECTS_PER_SHARD)
    write_atomic(path, buffer.getvalue())
    return len(rows)


def _row_groups(png_bytes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut rows into groups of bounded count and size; yields (first, last + 1)."""
    first = size = 0
    for row, length in enumerate(png_bytes):
        if row > first and (row - first == OBJECTS_PER_SHARD or size + length > _BYTES_PER_GROUP):
            yield first, row
            first, size = row, 0
        size += length
    if first < len(png_bytes):
        yield first, len(png_bytes)


def write_pool(folder: Path, objects: Iterable[StoredObject]) -> None:
    """Write a stream of objects as shards of :data:`OBJECTS_PER_SHARD`, at least one."""
    stream = iter(objects)
    for number in count():
        shard = list(islice(stream, OBJECTS_PER_SHARD))
        if shard or number == 0:
            write_pool_shard(shard_path(folder, number), shard)
        if len(shard) < OBJECTS_PER_SHARD:
            return


def write_missing_shards(
    folder: Path, numbers: Iterable[int], make: Callable[[int], Iterable[PooledObject | StoredObject]]
) -> int:
    """Write those of the numbered shards that are missing or torn, in order.

    Several jobs may write one pool, each with its own numbers; one that was killed starts again with the same call.

    Args:
        folder: the pool.
        numbers: the shards to be responsible for.
        make: gives the objects of a shard, the same ones each time it is asked for the same number.

    Returns:
        The number of shards written.
    """
    written = 0
    for number in numbers:
        path = shard_path(folder, number)
        if not is_whole_shard(path):
            write_pool_shard(path, make(number))
            written += 1
    return written


def is_whole_shard(path: Path, num_objects: int | None = None) -> bool:
    """Whether a shard is there, with all its bytes as they were written, and holds ``num_objects`` objects if given."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group, use_threads=False)
            return num_objects is None or file.metadata.num_rows == num_objects
    except (pa.ArrowException, OSError):
        return False
