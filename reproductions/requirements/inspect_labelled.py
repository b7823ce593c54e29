"""Data for semantic segmentation on disk: VOC 2012 with SBD's labels, and own data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from methods.common.errors import InputError
from reproductions.requirements.file_checks import check_is_folder
from reproductions.requirements.inspect_coco_panoptic import COCO_2017
from reproductions.requirements.inspection import Inspection, judge

VOC_2012_AUG: Mapping[str, int] = {"trainaug": 10_582, "val": 1_449}
"""Images of each list: VOC 2012 train with SBD's images, less VOC val; and VOC 2012 val.
Source: SAM filter section 8.3."""
ADE20K_IMAGES: Mapping[str, int] = {"training": 20_210, "validation": 2_000}
"""Images of each split. Source: SegGen section 10."""

_LOOKED_INTO = 40
"""Pairs of image and labels that are read from each list, spread evenly; some ten milliseconds each at VOC's sizes."""
_SAMPLED_NOTE = f"{_LOOKED_INTO} images of each list are read here, the others when they are used"


def voc_folder(folder: Path, lists: Mapping[str, int] = VOC_2012_AUG) -> Inspection:
    """Inspect a data set in VOC's layout: lists of the published lengths, every file they name, none of val in training.

    Args:
        folder: of the data set.
        lists: number of images by name of the list.
    """
    check_is_folder(folder)
    problems: list[str] = []
    images: dict[str, frozenset[str]] = {}
    for split, published in lists.items():
        found, names = _look_into(folder, split)
        problems += found
        if not found:
            images[split] = names
            problems += _length_faults(split, len(names), published)
    problems += _leaks(images)
    return judge(dict.fromkeys(problems), [] if problems else [_SAMPLED_NOTE])


def voc_val_folder(folder: Path) -> Inspection:
    """Inspect VOC 2012 as far as it is evaluated on.

    Args:
        folder: of the data set.
    """
    return voc_folder(folder, {"val": VOC_2012_AUG["val"]})


def ade20k_folder(folder: Path, splits: Mapping[str, int] = ADE20K_IMAGES) -> Inspection:
    """Inspect ADE20K's scene parsing data: the published numbers of images, each with labels of its size.

    Args:
        folder: of the data set.
        splits: number of images by split.
    """
    check_is_folder(folder)
    problems: list[str] = []
    for split, published in splits.items():
        found, names = _look_into(folder, split)
        problems += found
        if not found and len(names) != published:
            problems.append(
                f"{split} has {len(names):,} images where {published:,} are published: another set, or a part of one"
            )
    return judge(dict.fromkeys(problems), [] if problems else [_SAMPLED_NOTE])


def ade20k_instances_folder(folder: Path, splits: Mapping[str, int] = ADE20K_IMAGES) -> Inspection:
    """Inspect ADE20K's scene parsing data with instances: as :func:`ade20k_folder`, and maps of instances of the images' sizes.

    Args:
        folder: of the data set.
        splits: number of images by split.
    """
    from methods.common.datasets.ade20k_segments import list_scenes, read_scene

    found = ade20k_folder(folder, splits)
    if found.problems:
        return found
    try:
        for split in splits:
            scenes = list_scenes(folder, split)
            for scene in scenes[:: max(1, len(scenes) // _LOOKED_INTO)]:
                read_scene(scene)
    except InputError as error:
        return judge([str(error)], [])
    return found


def coco_stuff_folder(folder: Path, splits: Mapping[str, int] = COCO_2017) -> Inspection:
    """Inspect COCO-Stuff: the published numbers of images, each with labels of its size.

    Args:
        folder: of the data set.
        splits: number of images by split.
    """
    return ade20k_folder(folder, splits)


def imagenet_s_folder(folder: Path) -> Inspection:
    """Inspect a subset of ImageNet-S: the splits that have masks.

    Args:
        folder: of the subset.
    """
    return labelled_folder(folder, ("train-semi", "validation"))


def labelled_folder(folder: Path, splits: Iterable[str] = ("train", "val")) -> Inspection:
    """Inspect own data for semantic segmentation, in any layout (docs/own-data.md).

    Args:
        folder: of the data set.
        splits: what the plan reads.
    """
    from methods.common.datasets.label_census import check_labels
    from methods.common.datasets.open_labelled import open_labelled_images

    check_is_folder(folder)
    problems: list[str] = []
    notes: list[str] = []
    for split in splits:
        try:
            notes += check_labels(open_labelled_images(folder, split), str(folder / split))
        except InputError as error:
            problems.append(str(error))
    # What is wrong with the classes is found again in every split.
    return judge(dict.fromkeys(problems), [] if problems else notes)


def _look_into(folder: Path, split: str) -> tuple[list[str], frozenset[str]]:
    """Open a split and read pairs spread evenly over it; returns no sentence or one, and the images' names."""
    from methods.common.datasets.open_labelled import open_labelled_images

    try:
        data = open_labelled_images(folder, split)
        for index in range(0, len(data), max(1, len(data) // _LOOKED_INTO)):
            data[index]
    except InputError as error:
        return [str(error)], frozenset()
    return [], frozenset(data.name(index) for index in range(len(data)))


def _length_faults(split: str, found: int, published: int) -> list[str]:
    if found == published:
        return []
    return [
        f"{split}.txt lists {found:,} images where the published list has {published:,}: another list, or a cut one"
    ]


def _leaks(images: Mapping[str, frozenset[str]]) -> list[str]:
    val = images.get("val", frozenset())
    shared = {split: len(names & val) for split, names in images.items() if split != "val"}
    return [
        f"{split}.txt lists {number:,} of the images of val.txt, on which results are measured"
        for split, number in shared.items()
        if number and "leaky" not in split
    ]
