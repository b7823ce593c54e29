"""Folders of own cut-outs on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from methods.common.errors import InputError
from reproductions.requirements.file_checks import FaultyFileError, check_is_file, check_is_folder, fault
from reproductions.requirements.inspect_lvis import PARSED_BYTES
from reproductions.requirements.inspection import Inspection, judge


def cutouts_folder(folder: Path, annotation_file: Path | None) -> Inspection:
    """Inspect a folder of own cut-outs: one folder a class, RGBA pictures in each, each picture whole.

    Args:
        folder: the cut-outs.
        annotation_file: whose classes there must be a folder for; None, or one that is not readable or large: any classes.
    """
    check_is_folder(folder)
    pictures = list(_pictures(folder))
    if not pictures:
        return judge([f"{folder} holds no class folder with a .png file in it"])
    problems = [text for path in pictures for text in fault(folder, path, _check_cutout)]
    few = [*problems[:3], *([f"{len(problems) - 3} more pictures are faulty"] if len(problems) > 3 else [])]
    return judge([*few, *_class_faults(folder, annotation_file)])


def _pictures(folder: Path) -> Iterable[Path]:
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return (path for place in classes for path in sorted(place.iterdir()) if path.suffix.lower() == ".png")


def _check_cutout(path: Path) -> None:
    from PIL import Image, UnidentifiedImageError

    size = check_is_file(path)
    try:
        with Image.open(path) as picture:
            if "A" not in picture.getbands() and "transparency" not in picture.info:
                raise FaultyFileError(f"is {picture.mode}, without transparency")
    except (UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FaultyFileError("is not a picture") from error
    with path.open("rb") as file:
        file.seek(max(0, size - 512))
        if b"IEND" not in file.read():
            raise FaultyFileError("is cut short: its end is missing")


def _class_faults(folder: Path, annotation_file: Path | None) -> list[str]:
    from methods.common.datasets.lvis import read_lvis
    from methods.common.objects.pool import read_folder_of_cutouts

    try:
        if annotation_file is None or check_is_file(annotation_file) > PARSED_BYTES:
            return []
        data = read_lvis(annotation_file, None, "none", allow_no_annotations=True)
    except (OSError, FaultyFileError, InputError):
        return []  # its own inspector tells
    try:
        read_folder_of_cutouts(folder, {category.id: category.name for category in data.categories})
    except InputError as error:
        return [str(error)]
    return []
