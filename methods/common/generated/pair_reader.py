"""Reading generated pairs, shard after shard, with checks of everything that another program may have written.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError, reason
from methods.common.resumable_records import read_lines

PAIRS_FILE, CLASSES_FILE, NAMED_FILE = "pairs.jsonl", "classes.json", "named_masks.jsonl"
SELECTED_FILE = "selected.txt"
"""Ids of the pairs that a selection keeps, one a line, in a folder of its own."""


class ListedPair(NamedTuple):
    """One line of a list of pairs."""

    id: str
    classes: tuple[str, ...]
    """Names asked for, distinct."""
    shard: Path

    def image_path(self) -> Path:
        """Return its picture.

        Raises:
            InputError: there is none.
        """
        for suffix in (".jpg", ".png"):
            path = self.shard / "images" / f"{self.id}{suffix}"
            if path.is_file():
                return path
        raise InputError(f"{self.shard / 'images'} has no picture {self.id!r} (.jpg or .png); generate the pairs again")

    def read_image(self) -> NDArray[np.uint8]:
        """Return the picture, uint8 RGB [H, W, 3].

        Raises:
            InputError: there is none, or it is damaged.
        """
        from PIL import Image

        path = self.image_path()
        try:
            with Image.open(path) as picture:
                return np.array(picture.convert("RGB"))
        except OSError as error:
            raise InputError(f"{path} cannot be decoded ({reason(error)}); generate it again") from error

    def labels_path(self, variant: str) -> Path:
        """Where the label map of a variant lies."""
        return self.shard / "masks" / variant / f"{self.id}.png"

    def read_labels(self, variant: str, num_classes: int) -> NDArray[np.uint8]:
        """Return the label map of a variant, uint8 [H, W]: 0 to K - 1, and 255 for uncertain.

        Raises:
            InputError: it is missing, damaged, or has a label that is no class.
        """
        from methods.common.datasets.png_labels import read_labels, where_label_is

        path = self.labels_path(variant)
        label_HW = read_labels(path)
        faulty_HW = (label_HW >= num_classes) & (label_HW != 255)
        if faulty_HW.any():
            where = where_label_is(label_HW, int(label_HW[faulty_HW][0]))
            raise InputError(f"{path} has {where}; labels are 0 to {num_classes - 1}, and 255 for uncertain")
        return label_HW.astype(np.uint8, copy=False)


def list_pairs(shards: Sequence[Path]) -> tuple[list[ListedPair], tuple[str, ...]]:
    """Return all pairs of the shards, in their order, and the class names by label, background first.

    Raises:
        InputError: a file is missing or faulty, an id occurs twice, a class is not in the table, or shards have other classes.
    """
    names = [_read_classes(shard / CLASSES_FILE) for shard in shards]
    pairs: list[ListedPair] = []
    seen: set[str] = set()
    for shard, class_names in zip(shards, names, strict=True):
        if class_names != names[0]:
            raise InputError(
                f"{shard / CLASSES_FILE} differs from {shards[0] / CLASSES_FILE}; join shards of one run only"
            )
        for number, record in enumerate(read_lines(shard / PAIRS_FILE), start=1):
            pair = _parse(record, shard, class_names, f"{shard / PAIRS_FILE}, line {number}")
            if pair.id in seen:
                raise InputError(
                    f"{shard / PAIRS_FILE}, line {number}: id {pair.id!r} occurs twice; name each shard once"
                )
            seen.add(pair.id)
            pairs.append(pair)
    return pairs, names[0]


def _read_classes(path: Path) -> tuple[str, ...]:
    try:
        names = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); name a folder of generated pairs") from error
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path} is no list of class names; write background and then every class")
    return tuple(names)


def _parse(record: dict[str, Any], shard: Path, class_names: Sequence[str], where: str) -> ListedPair:
    name, classes = record.get("id"), record.get("classes")
    if not isinstance(name, str) or not isinstance(classes, list):
        raise InputError(f"{where} lacks `id` or `classes`; generate the pairs again")
    for asked in classes:
        if asked not in class_names:
            raise InputError(f"{where}: class {asked!r} is not in {CLASSES_FILE}; correct one of the two")
    return ListedPair(name, tuple(dict.fromkeys(classes)), shard)


class NamedMaskFiles:
    """What a prompter found in the pictures of the shards, line by line beside the pairs."""

    def __init__(self, pairs: Sequence[ListedPair], folders: Sequence[Path]) -> None:
        """Read the lists of several cells, as one.

        Raises:
            InputError: they are not of the same pictures in the same order.
        """
        self._places = [
            (folder / NAMED_FILE, number, record)
            for folder in folders
            for number, record in enumerate(read_lines(folder / NAMED_FILE), start=1)
        ]
        if len(self._places) != len(pairs):
            raise InputError(
                f"{len(self._places)} lines of {NAMED_FILE} come with {len(pairs)} pairs; name the masks of every shard"
            )
        for pair, (path, number, record) in zip(pairs, self._places, strict=True):
            if record.get("id") != pair.id:
                raise InputError(
                    f"{path}, line {number} is of picture {record.get('id')!r}, the pair there is {pair.id!r}; name the "
                    "masks in the order of the shards"
                )
        self._pairs = pairs

    def masks(self, index: int) -> dict[str, NDArray[np.bool_]]:
        """Return the mask of each class of a pair, bool [H, W]; empty where it was not found.

        Raises:
            InputError: a mask is missing or damaged.
        """
        from methods.common.datasets.rle import decode_mask, rle_fault

        path, number, record = self._places[index]
        found = {}
        for name in self._pairs[index].classes:
            rle = record.get("masks", {}).get(name)
            size = rle.get("size") if isinstance(rle, dict) else None
            height, width = size if isinstance(size, list) and len(size) == 2 else (0, 0)
            fault = "is missing" if rle is None else rle_fault(rle, height, width)
            if fault is not None:
                raise InputError(f"{path}, line {number}: the mask of {name!r} {fault}; segment the pictures again")
            found[name] = decode_mask(rle)
        return found
