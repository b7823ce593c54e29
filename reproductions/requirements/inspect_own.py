"""Own data on disk, looked at by the very readers that the stages use: what a stage would refuse is refused here, in the same words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.datasets.file_names import common_form
from methods.common.datasets.own.annotation_files import is_hidden
from methods.common.errors import InputError
from reproductions.requirements.file_checks import check_is_folder
from reproductions.requirements.inspection import Inspection, judge

if TYPE_CHECKING:
    from methods.common.datasets.lvis_records import LvisDataset
    from methods.common.objects.shards import PooledObject

_MOST_CUTOUTS = 2_000
"""Cut-outs that are decoded; of more, so many spread evenly."""
_NAMED = 3


def own_instances_folder(folder: Path, divide: Callable[[LvisDataset], object]) -> Inspection:
    """Inspect own data with instance masks: both splits, every image that they list, and whether images can be held out.

    Args:
        folder: the data folder.
        divide: divides the training images, or refuses to.
    """
    from methods.common.datasets.own.reading import read_own

    check_is_folder(folder)
    try:
        data = read_own(folder)
        divide(data.train.dataset)
    except InputError as error:
        return judge([str(error)])
    return judge([], data.notes)


def own_cutouts_folder(folder: Path, data: Path | None) -> Inspection:
    """Inspect a folder of own cut-outs: one folder a class, pictures with transparency in each.

    Args:
        folder: the cut-outs.
        data: the data folder, whose classes they must be; None where the data are drawn or published: any classes.
    """
    from methods.common.objects.cutout_folders import is_opaque_everywhere, list_cutouts, read_cutout

    check_is_folder(folder)
    names = _class_names(folder, data)
    if names is None:
        return judge([])  # the data's own inspector tells
    try:
        found = list_cutouts(folder, names)
    except InputError as error:
        return judge([str(error)])
    chosen = found[:: max(1, -(-len(found) // _MOST_CUTOUTS))]
    problems, opaque = [], []
    for category_id, path in chosen:
        read = _told(lambda place=(category_id, path): read_cutout(folder, *place))  # type: ignore[misc]
        if isinstance(read, InputError):
            problems.append(str(read))
        elif is_opaque_everywhere(path, read):
            opaque.append(path)
    few = [*problems[:_NAMED], *([f"{len(problems) - _NAMED} more pictures are faulty"] if problems[_NAMED:] else [])]
    lacking = sorted(names.keys() - {category_id for category_id, _ in found})
    return judge(few, [] if few else _notes(opaque, [names[category_id] for category_id in lacking]))


def _told(read: Callable[[], PooledObject]) -> PooledObject | InputError:
    try:
        return read()
    except InputError as error:
        return error


def _notes(opaque: list[Path], lacking: list[str]) -> list[str]:
    notes = []
    if opaque:
        notes.append(
            f"cut-outs that are opaque everywhere, and would be pasted as rectangles: {len(opaque):,}, the first is {opaque[0]}; cut the objects out"
        )
    if lacking:
        some = ", ".join(lacking[:_NAMED]) + (", ..." if lacking[_NAMED:] else "")
        notes.append(f"classes without a cut-out, which are trained without pasting: {len(lacking):,} ({some})")
    return notes


def _class_names(folder: Path, data: Path | None) -> dict[int, str] | None:
    """Return the classes that cut-outs may have, by id, or None where two are one; without own data, whatever the folders are called."""
    from methods.common.datasets.own.reading import count_own

    if data is None:
        places = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and not is_hidden(path.name)]
        return dict(enumerate(places))
    try:
        names = count_own(data)[0]
    except InputError:
        return None
    return names if len(set(map(common_form, names.values()))) == len(names) else None
