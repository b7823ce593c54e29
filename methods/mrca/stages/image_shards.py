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


def read_images(folder: Path) -> Iterator[GeneratedImage]:
    """Yield every image of a generation cell in the order in which it was made; one shard in memory at a time."""
    for path in sorted(folder.glob("images-*.parquet")):
        for row in pq.read_table(path).to_pylist():
            pixels = np.asarray(Image.open(io.BytesIO(row.pop("png"))).convert("RGB"))
            yield GeneratedImage(pixels, **row)


def _png(image_HW3: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "png", compress_level=1)
    return buffer.getvalue()
