"""Which files of a data folder are read at all: only they tell whether data are the same as before, so that a log or a note beside them changes nothing."""

from __future__ import annotations

from pathlib import PurePosixPath

_PICTURES = ".avif .bmp .gif .heic .jfif .jp2 .jpe .jpeg .jpg .mpo .pgm .png .pnm .ppm .tif .tiff .webp"
_SUFFIXES = frozenset({"", ".json", *_PICTURES.split()})
_TABLES = frozenset({"classes.txt", "_classes.csv"})
_FOLDERS_OF_LISTS = frozenset({"splits", "ImageSets"})


def is_read(path: PurePosixPath) -> bool:
    """Whether a file below a data folder is an annotation file, a picture, a list of images or a list of classes."""
    if path.suffix.lower() in _SUFFIXES or path.name in _TABLES:
        return True
    return path.suffix == ".txt" and not _FOLDERS_OF_LISTS.isdisjoint(path.parts[:-1])
