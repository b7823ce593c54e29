"""COCO-Stuff with 164,000 images: the pictures of COCO 2017 and a class for every pixel, 80 things and 91 kinds of stuff.

    train2017/<name>.jpg                  and val2017
    stuffthingmaps/train2017/<name>.png   a class's number less one; 255 is not rated
    labels.txt                            a line `number: name` a class, 0 for unlabelled

Eleven numbers of the list have no pixels; classes after them move up, which leaves 171. Source: SegGen section 10; layout of the archive
stuffthingmaps_trainval2017.
"""

from __future__ import annotations

from pathlib import Path

from methods.common.datasets.labelled_images import IGNORED, Classes, ImageFiles, LabelledFiles, list_pictures
from methods.common.errors import InputError, reason

MAPS, NAMES = "stuffthingmaps", "labels.txt"
_WITHOUT_PIXELS = frozenset((12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91))
"""Classes that were dropped, counted from 1."""
_LAST = 182


def is_coco_stuff(folder: Path) -> bool:
    """Whether a folder is laid out so."""
    return (folder / MAPS).is_dir()


def open_coco_stuff(folder: Path, split: str) -> LabelledFiles:
    """Open one split.

    Args:
        folder: of the data set.
        split: ``train2017`` or ``val2017``.

    Raises:
        InputError: something is missing, an image has no map, or the first pair of files is faulty.
    """
    maps = folder / MAPS / split
    if not maps.is_dir():
        there = sorted(path.name for path in (folder / MAPS).iterdir() if path.is_dir())
        raise InputError(
            f"{folder} has no split {split!r} (there is no {maps}); the splits there are {', '.join(there) or 'none'}"
        )
    images, labels = list_pictures(folder / split), list_pictures(maps, (".png",))
    if not images:
        raise InputError(f"{folder / split} holds no picture; unpack {split}.zip of COCO there")
    lacking = next((name for name in images if name not in labels), None)
    if lacking is not None:
        raise InputError(f"{images[lacking]} has no labels: there is no {maps / lacking}.png; add it")
    files = [ImageFiles(name, path, labels[name]) for name, path in images.items()]
    return LabelledFiles(files, read_stuff_classes(folder / NAMES))


def read_stuff_classes(path: Path) -> Classes:
    """Read the list of classes.

    Raises:
        InputError: it cannot be read, or does not name the classes 1 to 182.
    """
    try:
        rows = [line.split(":", 1) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        name_of = {int(number): name.strip() for number, name in rows}
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); take labels.txt of the repository nightrome/cocostuff"
        ) from error
    if not set(range(1, _LAST + 1)) <= name_of.keys():
        lacking = min(set(range(1, _LAST + 1)) - name_of.keys())
        raise InputError(f"{path} does not name class {lacking}; take labels.txt of the repository nightrome/cocostuff")
    kept = [number for number in range(1, _LAST + 1) if number not in _WITHOUT_PIXELS]
    return Classes(
        tuple(name_of[number] for number in kept),
        {**{number - 1: label for label, number in enumerate(kept)}, IGNORED: IGNORED},
    )
