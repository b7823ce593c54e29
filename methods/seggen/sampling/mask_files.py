"""Files of drawn masks: label maps, some of the pictures that they were read from, and the list that names them.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.voc import encode_labels
from methods.common.errors import InputError, reason
from methods.common.resumable_records import append_lines, keep_batches, read_lines

MASKS_FILE, LABELS, RAW = "masks.jsonl", "labels", "raw"


class DrawnMask(NamedTuple):
    """One mask."""

    record: dict[str, Any]
    """Its line in the list."""
    label_HW: NDArray[np.uint8]
    """Class, 255 where it is void."""
    raw_HW3: NDArray[np.uint8] | None
    """The picture that it was read from, where that is kept."""


class MaskFolder:
    """The masks of a running stage; goes on after a kill with the first batch that is not whole."""

    def __init__(self, folder: Path) -> None:
        """Make the folders."""
        self._folder = folder
        for name in (LABELS, RAW):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def write(self, masks: Sequence[DrawnMask]) -> list[int]:
        """Write masks and add their lines; return their checksums."""
        checksums = []
        for mask in masks:
            name = mask.record["id"]
            contents = [encode_labels(mask.label_HW)]
            (self._folder / LABELS / f"{name}.png").write_bytes(contents[0])  # a torn file is found by its checksum
            if mask.raw_HW3 is not None:
                contents.append(_png(mask.raw_HW3))
                (self._folder / RAW / f"{name}.png").write_bytes(contents[1])
            checksums.append(_checksum(contents))
        append_lines(self._folder / MASKS_FILE, [mask.record for mask in masks])
        return checksums

    def keep(self, checksums: Sequence[Sequence[int]]) -> int:
        """Keep the first whole batches and cut the list after them; return how many batches are whole."""
        return keep_batches(self._folder / MASKS_FILE, checksums, self._checksum_on_disk)

    def _checksum_on_disk(self, record: dict[str, Any]) -> int | None:
        label, raw = (self._folder / name / f"{record.get('id', '')}.png" for name in (LABELS, RAW))
        if not label.is_file():
            return None
        return _checksum([path.read_bytes() for path in (label, raw) if path.is_file()])


def _png(image_HW3: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "PNG")
    return buffer.getvalue()


def _checksum(contents: Sequence[bytes]) -> int:
    checksum = 0
    for data in contents:
        checksum = zlib.crc32(data, checksum)
    return checksum


class ListedMask(NamedTuple):
    """One line of a list of masks."""

    id: str
    of: str
    """Name of the real image whose caption it was drawn from."""
    caption: str
    folder: Path

    def read_labels(self, num_classes: int) -> NDArray[np.uint8]:
        """Return the label map, uint8 [H, W]: 0 to K - 1, and 255 for void.

        Raises:
            InputError: it is missing, damaged, or has a label that is no class.
        """
        path = self.folder / LABELS / f"{self.id}.png"
        label_HW = read_labels(path)
        if ((label_HW >= num_classes) & (label_HW != 255)).any():
            raise InputError(f"{path} has a label above {num_classes - 1} that is not 255; draw the masks again")
        return label_HW.astype(np.uint8, copy=False)

    def read_raw(self) -> NDArray[np.uint8]:
        """Return the picture that it was read from, uint8 RGB [H, W, 3].

        Raises:
            InputError: it was not kept, or is damaged.
        """
        path = self.folder / RAW / f"{self.id}.png"
        if not path.is_file():
            raise InputError(f"there is no {path}; draw the masks with keep_raw, or paint from clean ones")
        try:
            with Image.open(path) as picture:
                return np.array(picture.convert("RGB"))
        except OSError as error:
            raise InputError(f"{path} cannot be decoded ({reason(error)}); draw the masks again") from error


def list_masks(folders: Sequence[Path]) -> list[ListedMask]:
    """Return the masks of all shards, in their order.

    Raises:
        InputError: a list is missing or faulty, or an id occurs twice.
    """
    masks: dict[str, ListedMask] = {}
    for folder in folders:
        for number, record in enumerate(read_lines(folder / MASKS_FILE), start=1):
            where = f"{folder / MASKS_FILE}, line {number}"
            found = [record.get(key) for key in ("id", "of", "caption")]
            if not all(isinstance(value, str) for value in found):
                raise InputError(f"{where} lacks `id`, `of` or `caption`; draw the masks again")
            name, of, caption = (str(value) for value in found)
            if name in masks:
                raise InputError(f"{where}: id {name!r} occurs twice; name each shard once")
            masks[name] = ListedMask(name, of, caption, folder)
    return list(masks.values())
