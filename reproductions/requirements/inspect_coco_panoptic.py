"""COCO's panoptic data on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from methods.common.errors import InputError
from reproductions.requirements.file_checks import check_is_folder
from reproductions.requirements.inspection import Inspection, judge

COCO_2017: Mapping[str, int] = {"train2017": 118_287, "val2017": 5_000}
"""Images of each split. Source: SegGen section 10."""
_LOOKED_INTO = 10
_SAMPLED_NOTE = f"{_LOOKED_INTO} images of each split are read here, the others when they are used"


def coco_panoptic_folder(folder: Path, splits: Mapping[str, int] = COCO_2017) -> Inspection:
    """Inspect COCO's panoptic data: the published numbers of images, pictures with segments of their size.

    Args:
        folder: of the data set.
        splits: number of images by split.
    """
    check_is_folder(folder)
    problems = [problem for split, published in splits.items() for problem in _faults(folder, split, published)]
    return judge(problems, [] if problems else [_SAMPLED_NOTE])


def _faults(folder: Path, split: str, published: int) -> list[str]:
    from methods.common.datasets.coco_panoptic import open_coco_panoptic

    try:
        images = open_coco_panoptic(folder, split)
        for index in range(0, len(images), max(1, len(images) // _LOOKED_INTO)):
            images[index]
    except InputError as error:
        return [str(error)]
    if len(images) != published:
        return [f"{split} has {len(images):,} images where {published:,} are published: another set, or a part of one"]
    return []
