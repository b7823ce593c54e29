"""Cityscapes for semantic segmentation: its 19 classes, or the two groups human and vehicle with a background.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS, LABELS
from methods.common.datasets.cityscapes_layout import IMAGE_SUFFIX, IMAGES, LABEL_SUFFIX, TRUTH
from methods.common.datasets.labelled_images import IGNORED, Classes, ImageFiles, LabelledFiles
from methods.common.errors import InputError

CityscapesClasses = Literal["19", "groups"]
"""``19``: the classes of the evaluation, by training id. ``groups``: background, human (person, rider) and vehicle (car, truck, bus, train);
motorcycle and bicycle are not rated, nor is what the evaluation leaves out."""

GROUPS = {"human": ("person", "rider"), "vehicle": ("car", "truck", "bus", "train")}
"""Attn2mask section 9.3 [code]"""
_NOT_IN_GROUPS = ("motorcycle", "bicycle")


def classes_of(which: CityscapesClasses) -> Classes:
    """Return the classes and what each label id means."""
    if which == "19":
        names = tuple(label.name for label in EVALUATED_LABELS)
        meaning = {label.id: names.index(label.name) if label in EVALUATED_LABELS else IGNORED for label in LABELS}
        return Classes(names, _in_images(meaning))
    groups = {name: number for number, members in enumerate(GROUPS.values(), start=1) for name in members}
    meaning = {
        label.id: IGNORED if label.ignored or label.name in _NOT_IN_GROUPS else groups.get(label.name, 0)
        for label in LABELS
    }
    return Classes(("background", *GROUPS), _in_images(meaning))


def _in_images(meaning: dict[int, int]) -> dict[int, int]:
    """Leave out license plates, whose id -1 stands in no image."""
    return {number: label for number, label in meaning.items() if number >= 0}


def is_cityscapes(folder: Path) -> bool:
    """Tell whether a folder has Cityscapes' layout."""
    return (folder / IMAGES).is_dir() and (folder / TRUTH).is_dir()


def open_cityscapes_semantic(folder: Path, split: str, which: CityscapesClasses = "19") -> LabelledFiles:
    """Open one split.

    Args:
        folder: with ``leftImg8bit`` and ``gtFine``.
        split: ``train`` or ``val``.
        which: classes.

    Raises:
        InputError: there is no such split, a picture has no label ids, or the first pair of files is faulty.
    """
    images = sorted((folder / IMAGES / split).glob(f"*/*{IMAGE_SUFFIX}"))
    if not images:
        there = ", ".join(sorted(path.name for path in (folder / IMAGES).glob("*") if path.is_dir())) or "none"
        raise InputError(f"{folder / IMAGES} has no pictures of the split {split!r}; the splits there are {there}")
    files = [_files(folder, split, path) for path in images]
    missing = next((one for one in files if not one.labels.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing.image} has no labels: there is no {missing.labels}; add it")
    return LabelledFiles(files, classes_of(which))


def _files(folder: Path, split: str, image: Path) -> ImageFiles:
    name = image.name.removesuffix(IMAGE_SUFFIX)
    return ImageFiles(name, image, folder / TRUTH / split / image.parent.name / f"{name}{LABEL_SUFFIX}")
