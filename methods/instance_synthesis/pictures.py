"""Repainted crops on disk: Parquet shards, one row a picture, the pixels as PNG bytes.

Shape legend: G side of a picture in pixels; 3 RGB.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.instance_synthesis.frames import Image


@dataclass(frozen=True)
class RepaintedCrop:
    """One picture that a back end gave, at its own size."""

    number: int
    """Row of the instance in the manifest."""
    variant: int
    """From 1."""
    seed: int
    picture_GG3: Image


def shard_path(folder: Path, number: int) -> Path:
    """Where shard ``number`` of a cell lies."""
    return folder / f"pictures-{number:05d}.parquet"


def write_pictures(path: Path, pictures: Sequence[RepaintedCrop]) -> None:
    """Write one shard atomically; equal pictures give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "number": pa.array([one.number for one in pictures], pa.int64()),
            "variant": pa.array([one.variant for one in pictures], pa.int64()),
            "seed": pa.array([one.seed for one in pictures], pa.int64()),
            "png": pa.array([encode_png(one.picture_GG3) for one in pictures], pa.binary()),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="none")
    write_atomic(path, buffer.getvalue())


class PictureShards:
    """The pictures of several generation cells, read back one by one."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Find all pictures.

        Raises:
            InputError: a shard is damaged, or two cells made the same picture.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._places: dict[tuple[int, int], tuple[Path, int]] = {}
        for path in [path for folder in folders for path in sorted(folder.glob("pictures-*.parquet"))]:
            try:
                records = pq.read_table(path, columns=["number", "variant"]).to_pylist()
            except (OSError, pa.ArrowException) as error:
                raise InputError(f"{path} cannot be read ({reason(error)}); generate the pictures again") from error
            for place, record in enumerate(records):
                key = (record["number"], record["variant"])
                if key in self._places:
                    raise InputError(
                        f"{path} holds picture {key} that {self._places[key][0]} holds too; name each cell once"
                    )
                self._places[key] = (path, place)
        self._path, self._pngs = Path(), []  # type: tuple[Path, list[bytes]]

    def read(self, number: int, variant: int) -> Image:
        """Return one picture, uint8 RGB (G, G, 3); neighbours are kept in memory, as they are asked for next.

        Raises:
            InputError: no cell made it.
        """
        import pyarrow.parquet as pq

        if (number, variant) not in self._places:
            raise InputError(
                f"no picture was generated for row {number}, variant {variant} of the manifest; name the cells of all parts"
            )
        path, place = self._places[number, variant]
        if path != self._path:
            self._path, self._pngs = path, pq.read_table(path, columns=["png"])["png"].to_pylist()
        return decode_png(self._pngs[place])


def encode_png(picture_HW3: Image) -> bytes:
    """Encode RGB pixels as PNG, lossless, fast rather than small."""
    import cv2

    ok, encoded = cv2.imencode(".png", cv2.cvtColor(picture_HW3, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert ok, f"cannot encode pixels of shape {picture_HW3.shape}"
    return bytes(encoded)


def decode_png(png: bytes) -> Image:
    """Decode what :func:`encode_png` wrote, uint8 (H, W, 3)."""
    import cv2

    bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None, "a damaged picture in a shard"
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
