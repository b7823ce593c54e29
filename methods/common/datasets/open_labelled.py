"""Opening a data set for semantic segmentation, whichever of the known layouts it has."""

from __future__ import annotations

from pathlib import Path

from methods.common.datasets.cityscapes_semantic import CityscapesClasses, is_cityscapes, open_cityscapes_semantic
from methods.common.datasets.coco_stuff import is_coco_stuff, open_coco_stuff
from methods.common.datasets.imagenet_s import is_imagenet_s, open_imagenet_s
from methods.common.datasets.labelled_folders import IMAGES, labelled_splits, open_labelled_folder
from methods.common.datasets.labelled_images import CheckedImages
from methods.common.datasets.voc import find_voc, open_voc
from methods.common.errors import InputError


def open_labelled_images(folder: Path, split: str, classes: CityscapesClasses = "19") -> CheckedImages:
    """Open one split of a data set in the layout of VOC, Cityscapes, ImageNet-S or COCO-Stuff, or of own folders (docs/own-data.md).

    Args:
        folder: of the data set.
        split: such as ``train``, ``trainaug`` or ``val``.
        classes: of Cityscapes.

    Raises:
        InputError: neither layout fits, or something in it is missing or faulty.
    """
    if find_voc(folder) is not None:
        return open_voc(folder, split)
    if is_cityscapes(folder):
        return open_cityscapes_semantic(folder, split, classes)
    if is_coco_stuff(folder):
        return open_coco_stuff(folder, split)
    if is_imagenet_s(folder):
        return open_imagenet_s(folder, split)
    if labelled_splits(folder) or any((folder / name).is_dir() for name in IMAGES):
        return open_labelled_folder(folder, split)
    raise InputError(
        f"{folder} is no data set for semantic segmentation: it has neither JPEGImages and ImageSets/Segmentation (VOC's layout) "
        "nor classes.txt and <split>/images; see docs/own-data.md"
    )
