"""PASCAL VOC 2012 for semantic segmentation, and its union with SBD as it is commonly laid out.

    JPEGImages/<name>.jpg                          or .png
    SegmentationClass/<name>.png                   palette (or gray) PNG: 0 background, 1 to 20 classes, 255 border
    SegmentationClassAug/<name>.png                the same for SBD's images, 10,582 + 1,449 files with VOC's own
    ImageSets/Segmentation/{train,val,trainval,trainaug}.txt
    classes.txt                                    only where the classes are not VOC's

Where an image has labels in both folders, those of ``SegmentationClass`` count: VOC's annotators drew them and marked
borders, while SBD's are crowd-sourced. Source: SAM filter section 8.3; the precedence is our choice.

Shape legend: H, W pixels.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.image_lists import read_image_list
from methods.common.datasets.label_conventions import VOC_2012
from methods.common.datasets.labelled_images import (
    Classes,
    ImageFiles,
    LabelledFiles,
    all_rated,
    list_pictures,
    read_classes,
)
from methods.common.errors import InputError

IMAGES, LISTS, CLASSES = "JPEGImages", "ImageSets/Segmentation", "classes.txt"
LABELS = ("SegmentationClass", "SegmentationClassAug")
"""Folders of label maps; the first that has an image's counts."""

_JOINED = {"trainaug": ("train", "aug"), "trainval": ("train", "val"), "trainaug_leaky": ("trainaug", "val")}
"""Lists that are made of others where they have no file of their own. The last one trains on what VOC is evaluated on: the
paper counts 12,046 images where the clean list has 10,582 (SAM filter section 8.3)."""
_NESTED = ("", "VOC2012", "VOCdevkit/VOC2012")


def find_voc(folder: Path) -> Path | None:
    """Return where VOC's folders begin: at ``folder``, or below it as its archive unpacks; None where they are not."""
    places = (folder / below for below in _NESTED)
    return next((place for place in places if (place / IMAGES).is_dir() and (place / LISTS).is_dir()), None)


def open_voc(folder: Path, split: str) -> LabelledFiles:
    """Open the images of one list of a data set in VOC's layout.

    Args:
        folder: the one with ``JPEGImages`` in it, or up to two above (``VOCdevkit/VOC2012``).
        split: name of a list, without ``.txt``. ``trainaug_leaky`` is ``trainaug`` and ``val`` together; ``trainval``, and
            ``trainaug`` from ``train`` and ``aug``, are joined where they have no file either.

    Raises:
        InputError: something is missing, a list is empty or names what is not there, or the first pair of files is faulty.
    """
    root = find_voc(folder)
    if root is None:
        raise InputError(f"{folder} holds no folders {IMAGES} and {LISTS}; give the folder VOC2012 of the data set")
    images, labels = list_pictures(root / IMAGES), _label_files(root)
    names = _names(root, split, images.keys())
    source = f"{root / LISTS / split}.txt"
    _check_all_there(source, names, images, f"{root / IMAGES}", ".jpg (or .png)")
    _check_all_there(source, names, labels, f"{root / LABELS[0]} or {LABELS[1]}", ".png of labels")
    files = [ImageFiles(name, images[name], labels[name]) for name in names]
    return LabelledFiles(files, voc_classes(root))


def voc_classes(root: Path) -> Classes:
    """Return the classes of a data set in VOC's layout: those of its ``classes.txt``, else VOC's 21."""
    return read_classes(root / CLASSES) if (root / CLASSES).exists() else all_rated(VOC_2012.class_names)


def voc_splits(root: Path) -> list[str]:
    """Return the names of the lists that lie in a data set."""
    return sorted(path.stem for path in (root / LISTS).glob("*.txt"))


def _names(root: Path, split: str, known: Collection[str]) -> list[str]:
    path = root / LISTS / f"{split}.txt"
    if split not in voc_splits(root):
        parts = _JOINED.get(split)
        if parts is None:
            raise InputError(f"there is no list {path}; the lists there are {', '.join(voc_splits(root)) or 'none'}")
        if split == "trainaug" and "aug" not in voc_splits(root):
            raise InputError(
                f"there is no list {path}; put the list of 10,582 images there that is commonly used with SBD's labels"
            )
        return list(dict.fromkeys(name for part in parts for name in _names(root, part, known)))
    # Lists of other code name two files a line, as paths from the data set's folder on.
    return [name.rpartition("/")[2] for name in read_image_list(path, known)]


def _label_files(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in reversed(LABELS):
        if (root / folder).is_dir():
            found |= list_pictures(root / folder, (".png",))
    return found


def _check_all_there(source: str, names: list[str], files: dict[str, Path], where: str, what: str) -> None:
    absent = [name for name in names if name not in files]
    if absent:
        raise InputError(
            f"{source} names {absent[0]!r}, but there is no {absent[0]}{what} in {where} "
            f"(missing: {len(absent):,} of {len(names):,}); add the files or correct the list"
        )


@cache
def voc_palette() -> NDArray[np.uint8]:
    """Return VOC's colour for each label, uint8 [256, 3]: the bits of the label, dealt out to red, green and blue in turn.

    Source: ``VOClabelcolormap`` of the VOC 2012 development kit.
    """
    label = np.arange(256)
    colour = np.zeros((256, 3), np.int64)
    for step in range(8):
        for channel in range(3):
            colour[:, channel] |= ((label >> (3 * step + channel)) & 1) << (7 - step)
    return colour.astype(np.uint8)


def encode_labels(label_HW: NDArray[np.uint8]) -> bytes:
    """Return a label map as the bytes of a palette PNG in VOC's colours.

    Args:
        label_HW: uint8 [H, W].
    """
    from PIL import Image

    assert label_HW.dtype == np.uint8, label_HW.dtype
    assert label_HW.ndim == 2, label_HW.shape
    picture = Image.fromarray(np.ascontiguousarray(label_HW))
    picture.putpalette(voc_palette().tobytes())  # turns a gray picture into one with a palette, same numbers
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def write_labels(path: Path, label_HW: NDArray[np.uint8]) -> None:
    """Write a label map, uint8 [H, W], as a palette PNG in VOC's colours."""
    path.write_bytes(encode_labels(label_HW))
