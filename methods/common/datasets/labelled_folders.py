"""Own data for semantic segmentation: images and label maps of the same names in folders, and a list of classes.

    classes.txt                       one class name a line, in the order of the labels; [void] marks what is not rated
    <split>/images/<name>.jpg         or .png
    <split>/labels/<name>.png         gray or palette PNG of labels

and the same files as tools lay them out:

    images/<split>, labels/<split>    MMSegmentation (img_dir, ann_dir), ADE20K (annotations; validation is val)
    <split>, <split>annot             SegNet's CamVid
    <split>/<name>.jpg, <name>_mask.png, _classes.csv      Roboflow
    images, labels, splits/<split>.txt                     one set of files with a list for each split

Source: our choice; the first is how CamVid is often passed on, lists keep several splits of one set of files cheap.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from methods.common.datasets.image_lists import read_image_list
from methods.common.datasets.label_conventions import ADE20K
from methods.common.datasets.labelled_images import (
    IGNORED,
    Classes,
    ImageFiles,
    LabelledFiles,
    list_pictures,
    read_classes,
)
from methods.common.datasets.own.annotation_files import is_called, is_hidden
from methods.common.errors import InputError, reason

IMAGES = ("images", "img_dir", "img", "imgs", "image")
LABELS = ("labels", "masks", "annotations", "ann_dir", "ann", "label", "mask")
LISTS, CLASSES, ROBOFLOW_CLASSES = "splits", "classes.txt", "_classes.csv"
_BESIDE = ("annot", "_annot", "_labels", "_masks", "_mask")
"""What the name of a folder of label maps adds to that of its images."""
_ENDINGS = ("_mask", "_labelTrainIds", "_label", "_labels", "_gt")
"""What the name of a label map may add to that of its image."""
_ADE20K_SPLITS = ("training", "validation")


class Folders(NamedTuple):
    """Where one split lies."""

    images: Path
    labels: Path


def labelled_splits(folder: Path) -> list[str]:
    """Return the names of the splits of own data, sorted; none where the folder is laid out differently."""
    if not folder.is_dir():
        return []
    lists = {path.stem for path in (folder / LISTS).glob("*.txt")} if _together(folder) is not None else set()
    return sorted(lists | _split_folders(folder).keys())


def open_labelled_folder(folder: Path, split: str) -> LabelledFiles:
    """Open one split of own data.

    Args:
        folder: the one with ``classes.txt`` in it.
        split: name of a folder, or of a list in ``splits``; ``train`` and ``val`` may also be called as tools call them
            (``training``, ``valid``, ``validation``) where there is no other.

    Raises:
        InputError: something is missing, an image has no labels or labels no image, or the first pair of files is faulty.
    """
    name = _name_of(folder, split)
    places = _split_folders(folder).get(name)
    if places is None:
        together = _together(folder)
        assert together is not None
        return LabelledFiles(_listed(folder, together, name), _classes(folder, together, name))
    return LabelledFiles(_pairs(places), _classes(folder, places, name))


def _name_of(folder: Path, split: str) -> str:
    """Return what a split is called here."""
    splits = labelled_splits(folder)
    alike = [name for name in splits if is_called(name, split)]
    if split in splits or len(alike) == 1:
        return split if split in splits else alike[0]
    where = f"{LISTS}/{split}.txt" if _together(folder) is not None else f"{split}/{IMAGES[0]}"
    others = [name for name in splits if not is_called(name, "train")]
    remedy = f"; to rate {others[0]}, add --set val_split={others[0]}" if split == "val" and others else ""
    raise InputError(
        f"{folder} has no split {split!r} (there is no {where}); the splits there are {', '.join(splits) or 'none'}{remedy}"
    )


def _together(folder: Path) -> Folders | None:
    """Where the files of all splits lie, if they lie together."""
    images, labels = _first(folder, IMAGES), _first(folder, LABELS)
    if images is None or (_split_folders(folder) and not (folder / LISTS).is_dir()):
        return None
    return Folders(images, labels or folder / LABELS[0])


def _split_folders(folder: Path) -> dict[str, Folders]:
    """Find the splits that have folders of their own, by the folder's name."""
    found: dict[str, Folders] = {}
    images, labels = _first(folder, IMAGES), _first(folder, LABELS)
    if images is not None and labels is not None:
        found |= {
            place.name: Folders(place, labels / place.name)
            for place in _folders(images)
            if (labels / place.name).is_dir()
        }
    for place in _folders(folder):
        beside = [folder / f"{place.name}{ending}" for ending in _BESIDE]
        inside = _first(place, IMAGES)
        if inside is not None:
            found[place.name] = Folders(inside, _first(place, LABELS) or place / LABELS[0])
        elif (place / ROBOFLOW_CLASSES).is_file():
            found[place.name] = Folders(place, place)
        elif any(path.is_dir() for path in beside):
            found[place.name] = Folders(place, next(path for path in beside if path.is_dir()))
    return found


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_dir() and not is_hidden(path.name))


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _pairs(places: Folders) -> list[ImageFiles]:
    """Pair every image with its label map, and every label map with its image."""
    images, labels = list_pictures(places.images), list_pictures(places.labels, (".png",))
    if places.images == places.labels:
        labels = {name: path for name, path in labels.items() if _plain(name) in images and _plain(name) != name}
        images = {name: path for name, path in images.items() if name not in labels}
    if not images:
        raise InputError(f"{places.images} holds no .jpg or .png file; put the images there")
    if labels.keys() != images.keys():
        labels = {name if name in images else _plain(name): path for name, path in labels.items()}
    for name in sorted(images.keys() - labels.keys()):
        raise InputError(f"{images[name]} has no labels: there is no {places.labels / name}.png; add it")
    for name in sorted(labels.keys() - images.keys()):
        raise InputError(f"{labels[name]} has no image: there is no {places.images / name}.jpg or .png; add it")
    return [ImageFiles(name, images[name], labels[name]) for name in images]


def _plain(name: str) -> str:
    """Drop what the name of a label map adds to that of its image."""
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending)


def _listed(folder: Path, places: Folders, split: str) -> list[ImageFiles]:
    path = folder / LISTS / f"{split}.txt"
    files = {pair.name: pair for pair in _pairs(places)}
    names = read_image_list(path, files.keys())
    for name in names:
        if name not in files:
            raise InputError(
                f"{path} names {name!r}, but there is no {places.images / name}.jpg or .png; correct either"
            )
    return [files[name] for name in names]


def _classes(folder: Path, places: Folders, split: str) -> Classes:
    """Read the list of classes, in whichever way it is given; ADE20K's own where its folders are there and no list."""
    for place in (folder, places.images):
        if (place / CLASSES).is_file():
            return read_classes(place / CLASSES)
        if (place / ROBOFLOW_CLASSES).is_file():
            return _read_roboflow(place / ROBOFLOW_CLASSES)
    if split in _ADE20K_SPLITS and places.labels.parent.name == "annotations":
        numbers = {number + 1: number for number in range(ADE20K.num_classes)}
        return Classes(ADE20K.class_names, {0: IGNORED, **numbers, IGNORED: IGNORED})
    return read_classes(folder / CLASSES)


def _read_roboflow(path: Path) -> Classes:
    """Read Roboflow's table of pixel values and classes.

    Raises:
        InputError: it is not such a table.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))[1:]
        by_number = {int(row[0]): row[1].strip() for row in rows if row}
    except (OSError, UnicodeDecodeError, ValueError, IndexError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); write a line `Pixel Value, Class` and one a class, or {CLASSES}"
        ) from error
    if (
        not by_number
        or max(by_number) >= IGNORED
        or min(by_number) < 0
        or len(set(by_number.values())) < len(by_number)
    ):
        raise InputError(f"{path}: pixel values must be 0 to 254 and class names different; correct it")
    numbers = {number: label for label, number in enumerate(sorted(by_number))}
    return Classes(tuple(by_number[number] for number in sorted(by_number)), {**numbers, IGNORED: IGNORED})
