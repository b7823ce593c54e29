"""What a data set for semantic segmentation is to everything that reads one, and the one that lies in pairs of files.

Shape legend: H, W pixels; 3 RGB channels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.file_names import common_form
from methods.common.datasets.pictures import Header, check_whole, read_header, read_rgb
from methods.common.datasets.png_labels import LabelMap, read_labels
from methods.common.errors import InputError, reason

IGNORED = 255
"""Label of pixels that are not rated."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_FAULTY = 256  # no label in a file may lead here
_MAX_CLASSES = 255  # 255 is IGNORED


class LabelledImages(Protocol):
    """Images with a label for every pixel; a map-style data set."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label, from label 0 on; background is a class where there is one."""

    def __len__(self) -> int:
        """Number of images."""

    def name(self, index: int) -> str:
        """Return the image's name: its file name without ending."""

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the image, uint8 [H, W, 3], and its labels, uint8 [H, W], with ``IGNORED`` where nothing is rated.

        Raises:
            InputError: a file is damaged, or its labels do not fit.
        """


@dataclass(frozen=True)
class Classes:
    """Which classes there are, and which numbers files hold for them."""

    names: tuple[str, ...]
    """Names of the classes that are rated, in the order of their labels."""
    label_of: Mapping[int, int]
    """What each number in a file means: a label below ``len(names)``, or ``IGNORED``."""


class ImageFiles(NamedTuple):
    """One image and its label map."""

    name: str
    image: Path
    labels: Path


def all_rated(names: Sequence[str]) -> Classes:
    """Return classes that files number as we do, from 0 on; 255 is not rated."""
    return Classes(tuple(names), {**{k: k for k in range(len(names))}, IGNORED: IGNORED})


def read_classes(path: Path) -> Classes:
    """Read ``classes.txt``: line 1 names what files label 0, line 2 what they label 1, and so on.

    A name in square brackets, such as ``[void]``, stands for pixels that are not rated; classes after it move up, so that
    labels have no gap. 255 is never rated and needs no line.

    Raises:
        InputError: the file cannot be read, is empty, has an empty line before a name, a name twice, or too many names.
    Source: our choice.
    """
    try:
        text = common_form(path.read_text(encoding="utf-8-sig"))
        lines = [line.strip() for line in text.rstrip().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); write one class name a line, as UTF-8 text"
        ) from error
    names = [line for line in lines if not _is_void(line)]
    if not names:
        raise InputError(f"{path} names no class; write one class name a line, in the order of the labels")
    if "" in lines:
        raise InputError(
            f"{path}: line {lines.index('') + 1} is empty; the line number is the label, so name a class there"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path} names {twice!r} twice; every class needs its own name")
    if len(lines) > _MAX_CLASSES:
        raise InputError(
            f"{path} has {len(lines)} lines; at most {_MAX_CLASSES} labels fit beside 255, which is not rated"
        )
    rated = [position for position, line in enumerate(lines) if not _is_void(line)]
    label_of = dict.fromkeys(range(len(lines)), IGNORED) | {position: k for k, position in enumerate(rated)}
    return Classes(tuple(names), label_of | {IGNORED: IGNORED})


def _is_void(line: str) -> bool:
    return line.startswith("[") and line.endswith("]")


class CheckedImages(LabelledImages, Protocol):
    """Such images that can be looked at before anything trains, for less than reading them."""

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of an image as a viewer shows it.

        Raises:
            InputError: it is missing or no picture.
        """

    def check(self, index: int) -> NDArray[np.bool_]:
        """Return which labels a pair holds, bool [256].

        Raises:
            InputError: as for reading it; an image that is damaged and has its end may go unnoticed.
        """


class LabelledFiles:
    """Images and label maps in pairs of files; each pair is read when it is asked for.

    The first pair is read at once: a mistake that all files share should not wait for the training.
    """

    def __init__(self, files: Sequence[ImageFiles], classes: Classes) -> None:
        assert files
        self._files = tuple(files)
        self._classes = classes
        self._label_of = np.full(1 << 16, _FAULTY, np.uint16)
        for number, label in classes.label_of.items():
            self._label_of[number] = label
        self[0]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""
        return self._classes.names

    def __len__(self) -> int:
        """Number of images."""
        return len(self._files)

    def name(self, index: int) -> str:
        """Return the image's name."""
        return self._files[index].name

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of an image as a viewer shows it, without reading its pixels.

        Raises:
            InputError: it is missing or no picture.
        """
        return read_header(self._files[index].image).size_seen

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return an image and its labels.

        Raises:
            InputError: a file is missing or damaged, the label map is in colours, holds a number that is no class, or
                has another size than the image.
        """
        _, image, labels = self._files[index]
        number_HW = read_labels(labels)
        check_size(read_header(image), labels, number_HW.shape)
        height, width = number_HW.shape
        return read_rgb(image, height, width), self._checked(labels, number_HW)

    def check(self, index: int) -> NDArray[np.bool_]:
        """Check a pair without decoding the image; return which labels it holds, bool [256].

        Raises:
            InputError: as for reading it; an image that is damaged and has its end is not noticed.
        """
        _, image, labels = self._files[index]
        number_HW = read_labels(labels)
        check_size(check_whole(image), labels, number_HW.shape)
        seen = np.zeros(IGNORED + 1, np.bool_)
        seen[np.unique(self._checked(labels, number_HW))] = True
        return seen

    def _checked(self, labels: Path, number_HW: LabelMap) -> NDArray[np.uint8]:
        """Turn the numbers of a file into labels."""
        label_HW = self._label_of[number_HW]
        if (label_HW == _FAULTY).any():
            row, column = np.argwhere(label_HW == _FAULTY)[0].tolist()
            raise InputError(
                f"{labels} holds label {int(number_HW[row, column])} at row {row}, column {column}, but there are only "
                f"the labels {self._known()}; correct the file or the list of classes"
            )
        return label_HW.astype(np.uint8)

    def _known(self) -> str:
        last = max(number for number in self._classes.label_of if number != IGNORED)
        return f"0 to {last} and {IGNORED}"


def check_size(header: Header, labels: Path, size: tuple[int, ...]) -> None:
    """Make sure that an image has the size of its label map, one way up or the other."""
    height, width = size
    if header.orientation_for(height, width) is None:
        raise InputError(
            f"{labels} is {width}x{height} pixels, but its image {header.path} is {header.told_size()}; give both one size"
        )


def list_pictures(folder: Path, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """List the pictures that lie directly in a folder, by file name without ending, sorted.

    Raises:
        InputError: no such folder, or two pictures that differ in their ending only.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read ({error.strerror}); put the files there") from error
    found: dict[str, Path] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a Path for each of ten thousand names is slow
        if suffix.lower() not in suffixes or name.startswith("."):
            continue
        stem = common_form(stem)
        if stem in found:
            raise InputError(f"{folder} holds both {found[stem].name} and {name}; keep one of them")
        found[stem] = folder / name
    return found
