"""Files of generated pairs: pictures, label maps of every variant, and the list that names them.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from methods.common.datasets.voc import encode_labels
from methods.common.generated.pair_reader import PAIRS_FILE
from methods.common.resumable_records import append_lines, keep_batches

ImageFormat = Literal["jpeg", "png"]
_SUFFIX = {"jpeg": ".jpg", "png": ".png"}
_JPEG_QUALITY = 95


class Pair(NamedTuple):
    """One generated picture with its masks."""

    record: dict[str, Any]
    """Its line in the list."""
    image_HW3: NDArray[np.uint8]
    labels: Mapping[str, NDArray[Any]]
    """Label map [H, W] by variant, or what else is kept of each."""


class PairFolder:
    """The pairs of a running stage; goes on after a kill with the first batch that is not whole.

    A checkpoint keeps a checksum of each picture with its masks. Files of the attempt before that no longer fit are made again.
    """

    def __init__(
        self,
        folder: Path,
        image_format: ImageFormat,
        variants: Sequence[str],
        below: str = "masks",
        encode: Callable[[NDArray[Any]], bytes] = encode_labels,
    ) -> None:
        """Make the folders.

        Args:
            folder: that the pairs lie in.
            image_format: of the pictures.
            variants: names of what is kept of each picture.
            below: folder that holds a folder for each variant.
            encode: turns what is kept into the bytes of a PNG.
        """
        self._folder = folder
        self._format = image_format
        self._variants = tuple(variants)
        self._below, self._encode = below, encode
        for below in ("images", *(f"{self._below}/{variant}" for variant in variants)):
            (folder / below).mkdir(parents=True, exist_ok=True)

    def paths(self, name: str) -> list[Path]:
        """Return the files of one pair: the picture, then the masks in the order of the variants."""
        masks = [self._folder / self._below / variant / f"{name}.png" for variant in self._variants]
        return [self._folder / "images" / f"{name}{_SUFFIX[self._format]}", *masks]

    def write(self, pairs: Sequence[Pair]) -> list[int]:
        """Write pairs and add their lines; return their checksums."""
        checksums = []
        for pair in pairs:
            labels = [pair.labels[variant] for variant in self._variants]
            contents = [_encode(pair.image_HW3, self._format), *map(self._encode, labels)]
            for path, data in zip(self.paths(pair.record["id"]), contents, strict=True):
                path.write_bytes(data)  # a torn file is found by its checksum
            checksums.append(_checksum(contents))
        append_lines(self._folder / PAIRS_FILE, [pair.record for pair in pairs])
        return checksums

    def keep(self, checksums: Sequence[Sequence[int]]) -> int:
        """Keep the first whole batches and cut the list after them; return how many batches are whole.

        Args:
            checksums: of the pairs of each batch that a checkpoint knows.
        """
        return keep_batches(
            self._folder / PAIRS_FILE, checksums, lambda record: self._checksum_on_disk(record.get("id", ""))
        )

    def _checksum_on_disk(self, name: str) -> int | None:
        paths = self.paths(name)
        return _checksum([path.read_bytes() for path in paths]) if all(path.is_file() for path in paths) else None


def _checksum(contents: Sequence[bytes]) -> int:
    checksum = 0
    for data in contents:
        checksum = zlib.crc32(data, checksum)
    return checksum


def _encode(image_HW3: NDArray[np.uint8], image_format: ImageFormat) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(image_HW3)
    if image_format == "jpeg":
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    else:
        picture.save(buffer, "PNG")
    return buffer.getvalue()
