"""ImageNet-S: pictures in a folder a category, and masks whose ids are stored in colours.

    <split>/<wnid>/<name>.JPEG                        train-semi, validation
    <split>-segmentation/<wnid>/<name>.png            RGB: id = R + 256 G; 0 is other, 1000 not rated

Categories are numbered from 1 in the order of their WordNet ids. Source: Attn2mask section 9.2 [code].

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED, check_size, list_pictures
from methods.common.datasets.pictures import check_whole, read_header, read_rgb
from methods.common.datasets.png_labels import read_rgb_ids
from methods.common.errors import InputError

OTHER, NOT_RATED = "other", 1000
_MASKS = "-segmentation"
_MAX_CATEGORIES = 254
"""As many fit beside other and 255 into eight bits: the subset of 50, and not those of 300 and 919."""


def is_imagenet_s(folder: Path) -> bool:
    """Tell whether a folder has ImageNet-S' layout."""
    return any(path.is_dir() for path in folder.glob(f"*{_MASKS}"))


def open_imagenet_s(folder: Path, split: str) -> ImageNetS:
    """Open one split.

    Args:
        folder: of one subset, such as ``ImageNetS50``.
        split: ``train-semi`` or ``validation``.

    Raises:
        InputError: there is no such split, it has more categories than labels hold, a picture has no mask, or the first pair is faulty.
    """
    masks = folder / f"{split}{_MASKS}"
    categories = sorted(path.name for path in masks.glob("*") if path.is_dir())
    if not categories:
        there = ", ".join(sorted(path.name.removesuffix(_MASKS) for path in folder.glob(f"*{_MASKS}"))) or "none"
        raise InputError(f"{folder} has no masks of the split {split!r}; the splits there are {there}")
    if len(categories) > _MAX_CATEGORIES:
        raise InputError(
            f"{masks} has {len(categories)} categories; at most {_MAX_CATEGORIES} are read, so take the subset of 50"
        )
    files = []
    for category in categories:
        images = list_pictures(folder / split / category)
        for name, path in list_pictures(masks / category, (".png",)).items():
            if name not in images:
                raise InputError(f"{path} has no picture: there is no {folder / split / category / name}.JPEG; add it")
            files.append((f"{category}/{name}", images[name], path))
    return ImageNetS(files, categories)


class ImageNetS:
    """One split; each pair of files is read when it is asked for, the first one at once."""

    def __init__(self, files: Sequence[tuple[str, Path, Path]], categories: Sequence[str]) -> None:
        assert files
        self._files = tuple(files)
        self.class_names = (OTHER, *categories)
        self[0]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._files)

    def name(self, index: int) -> str:
        """Return category and file name."""
        return self._files[index][0]

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a picture as a viewer shows it, without reading its pixels."""
        return read_header(self._files[index][1]).size_seen

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return a picture, uint8 RGB [H, W, 3], and its labels, uint8 [H, W].

        Raises:
            InputError: a file is damaged, the sizes differ, or an id is no category.
        """
        _, image, mask = self._files[index]
        label_HW = self._labels(mask)
        check_size(read_header(image), mask, label_HW.shape)
        return read_rgb(image, *label_HW.shape), label_HW

    def check(self, index: int) -> NDArray[np.bool_]:
        """Check a pair without decoding the picture; return which labels it holds, bool [256].

        Raises:
            InputError: as for reading it; a picture that is damaged and has its end is not noticed.
        """
        _, image, mask = self._files[index]
        label_HW = self._labels(mask)
        check_size(check_whole(image), mask, label_HW.shape)
        seen = np.zeros(IGNORED + 1, np.bool_)
        seen[np.unique(label_HW)] = True
        return seen

    def _labels(self, mask: Path) -> NDArray[np.uint8]:
        id_HW = read_rgb_ids(mask)
        faulty_HW = (id_HW >= len(self.class_names)) & (id_HW != NOT_RATED)
        if faulty_HW.any():
            raise InputError(
                f"{mask} holds id {int(id_HW[faulty_HW][0])}, but there are {len(self.class_names) - 1} categories; take masks of this subset"
            )
        return np.where(id_HW == NOT_RATED, IGNORED, id_HW).astype(np.uint8)
