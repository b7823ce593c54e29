"""Own data for semantic segmentation: folders of images and label maps of the same names, and a list of classes.

    classes.txt                       one class name a line, in the order of the labels; [void] marks what is not rated
    <split>/images/<name>.jpg         or .png
    <split>/labels/<name>.png         gray or palette PNG of labels

or, with lists of names instead of a folder for each split:

    classes.txt
    images/<name>.jpg  labels/<name>.png
    splits/<split>.txt                one name a line, with or without ending

Source: our choice; the first is how CamVid is often passed on, the second keeps several splits of one set of files cheap.
"""

from __future__ import annotations

from pathlib import Path

from methods.common.datasets.image_lists import read_image_list
from methods.common.datasets.labelled_images import ImageFiles, LabelledFiles, list_pictures, read_classes
from methods.common.errors import InputError

IMAGES, LABELS, LISTS, CLASSES = "images", "labels", "splits", "classes.txt"


def labelled_splits(folder: Path) -> list[str]:
    """Return the names of the splits of own data, sorted; none where the folder is laid out differently."""
    if not folder.is_dir():
        return []
    if (folder / IMAGES).is_dir():
        return sorted(path.stem for path in (folder / LISTS).glob("*.txt"))
    return sorted(path.parent.name for path in folder.glob(f"*/{IMAGES}") if path.is_dir())


def open_labelled_folder(folder: Path, split: str) -> LabelledFiles:
    """Open one split of own data.

    Args:
        folder: the one with ``classes.txt`` in it.
        split: name of a folder, or of a list in ``splits``.

    Raises:
        InputError: something is missing, an image has no labels or labels no image, or the first pair of files is faulty.
    """
    splits = labelled_splits(folder)
    if split not in splits:
        where = f"{LISTS}/{split}.txt" if (folder / IMAGES).is_dir() else f"{split}/{IMAGES}"
        raise InputError(
            f"{folder} has no split {split!r} (there is no {where}); the splits there are {', '.join(splits) or 'none'}"
        )
    files = _listed(folder, split) if (folder / IMAGES).is_dir() else _pairs(folder / split)
    return LabelledFiles(files, read_classes(folder / CLASSES))


def _pairs(folder: Path) -> list[ImageFiles]:
    """Pair everything in ``images`` and ``labels`` of a folder."""
    images, labels = list_pictures(folder / IMAGES), list_pictures(folder / LABELS, (".png",))
    if not images:
        raise InputError(f"{folder / IMAGES} holds no .jpg or .png file; put the images there")
    for name in sorted(images.keys() - labels.keys()):
        raise InputError(f"{images[name]} has no labels: there is no {folder / LABELS / name}.png; add it")
    for name in sorted(labels.keys() - images.keys()):
        raise InputError(f"{labels[name]} has no image: there is no {folder / IMAGES / name}.jpg or .png; add it")
    return [ImageFiles(name, images[name], labels[name]) for name in images]


def _listed(folder: Path, split: str) -> list[ImageFiles]:
    path = folder / LISTS / f"{split}.txt"
    files = {pair.name: pair for pair in _pairs(folder)}
    names = read_image_list(path)
    for name in names:
        if name not in files:
            raise InputError(
                f"{path} names {name!r}, but there is no {folder / IMAGES / name}.jpg or .png; correct either"
            )
    return [files[name] for name in names]
