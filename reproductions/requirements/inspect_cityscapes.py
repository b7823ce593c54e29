"""Cityscapes on disk, and own data in its layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from methods.common.errors import InputError
from reproductions.requirements.file_checks import check_is_folder
from reproductions.requirements.inspection import Inspection, judge

CITYSCAPES_FRAMES: Mapping[str, int] = {"train": 2_975, "val": 500}
"""Frames with fine annotations. Source: InstSynth section 9.1."""
LOOKED_INTO = 10
"""Frames that are read from each split, spread evenly; a tenth of a second each at Cityscapes' size."""
SAMPLED_NOTE = f"{LOOKED_INTO} frames of each split are read here, the others when they are used"


def cityscapes_folder(folder: Path, frames: Mapping[str, int] | None = CITYSCAPES_FRAMES) -> Inspection:
    """Inspect a data set in Cityscapes' layout: every picture with its annotation, in the published numbers.

    Args:
        folder: of the data set.
        frames: number of frames by split, where it is published; None for own data with ``train`` and ``val``.
    """
    check_is_folder(folder)
    problems: list[str] = []
    for split in frames or ("train", "val"):
        problems += _cityscapes_faults(folder, split, None if frames is None else frames[split])
    return judge(problems, [] if problems else [SAMPLED_NOTE])


def _cityscapes_faults(folder: Path, split: str, published: int | None) -> list[str]:
    from methods.common.datasets.cityscapes import find_frames

    try:
        frames = find_frames(folder, split)
        for frame in frames[:: max(1, len(frames) // LOOKED_INTO)]:
            frame.read_instance_ids()
    except InputError as error:
        return [str(error)]
    if published is not None and len(frames) != published:
        return [f"{split} has {len(frames):,} frames where {published:,} are published: another set, or a part of one"]
    return []
