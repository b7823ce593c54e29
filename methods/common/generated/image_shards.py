"""Generated images on disk: Parquet shards, one row an image, the picture as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from methods.common.files import write_atomic


@dataclass(frozen=True)
class GeneratedImage:
    """One generated image and how to make it again."""

    image_HW3: NDArray[np.uint8]
    category_id: int
    index: int
    """Number of the image within its class and round, from 0."""
    round_index: int
    """Round that it was made for, from 1."""
    prompt: str
    seed: int


def shard_path(folder: Path, number: int) -> Path:
    """Where shard ``number`` of a cell lies."""
    return folder / f"images-{number:05d}.parquet"


def write_images(path: Path, images: Iterable[GeneratedImage]) -> None:
    """Write one shard atomically."""
    rows = list(images)
    table = pa.table(
        {
            "png": pa.array([_png(row.image_HW3) for row in rows], pa.binary()),
            "category_id": pa.array([row.category_id for row in rows], pa.int64()),
            "index": pa.array([row.index for row in rows], pa.int64()),
            "round_index": pa.array([row.round_index for row in rows], pa.int64()),
            "prompt": pa.array([row.prompt for row in rows], pa.string()),
            "seed": pa.array([row.seed for row in rows], pa.int64()),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="none")
    write_atomic(path, buffer.getvalue())


def count_images(folder: Path) -> int:
    """Count the images of a generation cell without reading them."""
    return sum(pq.read_metadata(path).num_rows for path in _shards(folder))


def read_images(folder: Path, first: int = 0, step: int = 1) -> Iterator[GeneratedImage]:
    """Yield images of a generation cell in the order in which they were made; one shard in memory at a time.

    Args:
        folder: the cell.
        first: number of the first image to give.
        step: give every ``step``-th image from there on. Only images that are given are decoded.
    """
    for path in _shards(folder):
        num_rows = pq.read_metadata(path).num_rows
        if first < num_rows:
            table = pq.read_table(path)
            for number in range(first, num_rows, step):
                row = table.slice(number, 1).to_pylist()[0]
                pixels = np.asarray(Image.open(io.BytesIO(row.pop("png"))).convert("RGB"))
                yield GeneratedImage(pixels, **row)
        first = first - num_rows if first >= num_rows else (first - num_rows) % step


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("images-*.parquet"))


def _png(image_HW3: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "png", compress_level=1)
    return buffer.getvalue()
