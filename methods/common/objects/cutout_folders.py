"""Own cut-outs: a folder of PNG files with transparency for each class.

Shape legend: H, W pixels; 4 RGBA.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.file_names import common_form
from methods.common.datasets.own.annotation_files import is_hidden
from methods.common.datasets.pictures import read_header, read_rgba_as_seen
from methods.common.errors import InputError
from methods.common.objects.shards import PooledObject

_NO_FOLDER_NAME = re.compile(r'[\\/:*?"<>|]')
"""What some system's folder names cannot hold."""
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic"})
"""Endings of files that are meant as pictures; what else lies there, such as a licence, is left alone."""
_OPAQUE = 128


def list_cutouts(folder: Path, class_names: Mapping[int, str]) -> list[tuple[int, Path]]:
    """Check the layout of a folder of own cut-outs; return (category id, file) of each, by category id, then file name.

    A folder belongs to the class whose name it bears, letter by letter; else to the only class whose name differs in capitals, in blanks
    and underscores, or where a folder's name cannot hold a letter of it: ``coat/jacket`` may be the folder ``coat_jacket``, or the
    folder ``jacket`` in ``coat``. Classes without cut-outs are never pasted. Hidden files, and what macOS adds to archives, are left out.

    Raises:
        InputError: no such folder, a folder with pictures that is no class or may be two, a picture in no folder or of another
            format, or no cut-out at all.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of cut-outs {folder}; give one with a folder of PNG files for each class")
    files: dict[int, list[Path]] = {category_id: [] for category_id in sorted(class_names)}
    for name, pictures in _folders(folder):
        files[_class_of(folder, name, class_names)] += pictures
    if not any(files.values()):
        example = folder / folder_name(next(iter(class_names.values()), "class"))
        raise InputError(
            f"{folder} holds no cut-out; put RGBA .png files into a folder for each class, such as {example}"
        )
    return [(category_id, path) for category_id, paths in files.items() for path in paths]


def folder_name(class_name: str) -> str:
    """Return the name of the folder of a class: its own, with ``_`` for what a folder's name cannot hold."""
    return _NO_FOLDER_NAME.sub("_", class_name)


def _folders(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Every folder with pictures, as a path from ``folder`` on, and the pictures in it."""
    loose = [path for path in sorted(folder.iterdir()) if _is_picture(path)]
    if loose:
        raise InputError(
            f"{loose[0]} lies in no class's folder{_and_others(loose)}; move it into one that is called like its class"
        )
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)):
        yield from _folders_at(folder, place)


def _folders_at(folder: Path, place: Path) -> Iterator[tuple[str, list[Path]]]:
    inside = sorted(path for path in place.iterdir() if not is_hidden(path.name))
    pictures = [path for path in inside if _is_picture(path)]
    others = [path for path in pictures if path.suffix.lower() != ".png"]
    if others:
        raise InputError(f"{others[0]} is no .png file{_and_others(others)}; save cut-outs as RGBA PNG, or remove them")
    if pictures:
        yield place.relative_to(folder).as_posix(), pictures
    for below in inside:
        if below.is_dir():
            yield from _folders_at(folder, below)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _PICTURES and path.is_file() and not is_hidden(path.name)


def _and_others(paths: list[Path]) -> str:
    return f" (and {len(paths) - 1:,} more)" if paths[1:] else ""


def _class_of(folder: Path, name: str, class_names: Mapping[int, str]) -> int:
    """Return the class whose name a folder bears."""
    exact = [category_id for category_id, known in class_names.items() if _composed(known) == _composed(name)]
    alike = exact or [category_id for category_id, known in class_names.items() if _key(known) == _key(name)]
    if len(alike) > 1:
        some = " or ".join(repr(class_names[category_id]) for category_id in alike[:2])
        raise InputError(f"{folder / name} may hold the cut-outs of {some}; call it exactly like its class")
    if not alike:
        raise InputError(f"{folder / name}: no class of the annotation file is called {name!r}; rename or remove it")
    return alike[0]


def _composed(name: str) -> str:
    return common_form(name)


def _key(name: str) -> str:
    plain = _NO_FOLDER_NAME.sub(" ", _composed(name).replace("_", " "))
    return " ".join(plain.split()).casefold()


def read_cutout(folder: Path, category_id: int, path: Path) -> PooledObject:
    """Read one own cut-out that :func:`list_cutouts` found, tightly cropped.

    Returns:
        ``round_index`` and ``image_seed`` are 0, ``clip_score`` NaN, ``prompt`` the file's path below ``folder``.

    Raises:
        InputError: it cannot be read, or has no transparency or no opaque pixel.
    """
    return PooledObject(_read_rgba(path), category_id, 0, str(path.relative_to(folder)), 0, float("nan"))


def _read_rgba(path: Path) -> NDArray[np.uint8]:
    """Read one picture with transparency and crop it to what is opaque."""
    rgba_HW4 = read_rgba_as_seen(path)
    opaque_HW = rgba_HW4[..., 3] >= _OPAQUE
    if not opaque_HW.any():
        raise InputError(f"{path} is transparent everywhere; replace or remove it")
    rows, columns = np.flatnonzero(opaque_HW.any(axis=1)), np.flatnonzero(opaque_HW.any(axis=0))
    return np.ascontiguousarray(rgba_HW4[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def is_opaque_everywhere(path: Path, cutout: PooledObject) -> bool:
    """Whether nothing of a picture is transparent, so that it would be pasted as a rectangle, background included."""
    whole = cutout.rgba_HW4.shape[:2] == read_header(path).size_seen
    return whole and bool((cutout.rgba_HW4[..., 3] >= _OPAQUE).all())
