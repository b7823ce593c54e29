"""A user's own data with instance masks: in which layout they lie, and whether they are whole."""

from __future__ import annotations

from pathlib import Path

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS
from methods.common.errors import InputError
from methods.instance_synthesis.frame_files import Layout
from reproductions.requirements.file_checks import check_is_folder
from reproductions.requirements.inspect_cityscapes import cityscapes_folder
from reproductions.requirements.inspection import Inspection, judge

_TRAIN = "train"


def layout_of(folder: Path) -> Layout:
    """Say in which layout own data lie, by the names in their folder."""
    return "cityscapes" if (folder / "leftImg8bit").is_dir() else "coco"


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the classes of own data, in the order of the class indices: Cityscapes' eight, or those of a COCO file.

    Raises:
        InputError: the training split cannot be read.
    """
    if layout_of(folder) == "cityscapes":
        return tuple(label.name for label in INSTANCE_LABELS)
    from methods.instance_synthesis.frame_files import CocoFrames

    return tuple(CocoFrames(folder, _TRAIN).class_ids)


def num_frames(folder: Path) -> int:
    """Count the training frames of own data.

    Raises:
        InputError: there are none, or they cannot be read.
    """
    from methods.instance_synthesis.frame_files import open_frames

    return len(open_frames(folder, layout_of(folder), _TRAIN).names)


def own_frames_folder(folder: Path) -> Inspection:
    """Inspect own data with instance masks, in either layout (docs/own-data.md)."""
    check_is_folder(folder)
    if layout_of(folder) == "cityscapes":
        return cityscapes_folder(folder, None)
    return _coco_folder(folder)


def _coco_folder(folder: Path) -> Inspection:
    from methods.common.datasets.own.reading import read_own

    try:
        return judge([], read_own(folder, keep_crowds=True).notes)
    except InputError as error:
        return judge([str(error)])
