"""Pictures of a domain: where they lie, which square of them is learnt, and what the square shows.

Shape legend: H, W pixels of a picture; S pixels of a square's side; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_labels import LABELS
from methods.common.datasets.cityscapes_layout import IMAGE_SUFFIX, IMAGES, LABEL_SUFFIX, TRUTH
from methods.common.datasets.labelled_images import LabelledImages
from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.datasets.png_labels import read_labels
from methods.common.errors import InputError

EVALUATED = {label.id: label.name for label in LABELS if 0 <= label.train_id < 255}
"""Cityscapes' nineteen classes by label id."""


class Square(NamedTuple):
    """What is learnt of a picture."""

    image_SS3: NDArray[np.uint8]
    classes: tuple[str, ...]
    """Classes that it shows, the largest first; empty where labels are not read."""


@dataclass(frozen=True)
class CityscapesPictures:
    """Pictures of one split of Cityscapes, and label ids where they are asked for."""

    paths: tuple[Path, ...]
    label_paths: tuple[Path, ...]
    """Beside the pictures; empty where labels are not read."""

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.paths)

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.integer] | None, Mapping[int, str]]:
        """Return the picture, its labels if they are read, and what labels mean.

        Raises:
            InputError: a file is damaged, or the sizes differ.
        """
        path = self.paths[index]
        data = np.fromfile(path, np.uint8)
        bgr_HW3 = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if bgr_HW3 is None:
            raise InputError(f"{path} cannot be decoded; replace it")
        image_HW3 = np.asarray(cv2.cvtColor(bgr_HW3, cv2.COLOR_BGR2RGB), np.uint8)
        if not self.label_paths:
            return image_HW3, None, EVALUATED
        label_HW = read_labels(self.label_paths[index])
        if label_HW.shape != image_HW3.shape[:2]:
            raise InputError(f"{self.label_paths[index]} has another size than {path}; give both the same")
        return image_HW3, label_HW, EVALUATED


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures of any other data set; label 0 is background and no class to name."""

    data: LabelledImages
    with_labels: bool

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.data)

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.integer] | None, Mapping[int, str]]:
        """Return the picture, its labels if they are read, and what labels mean."""
        image_HW3, label_HW = self.data[index]
        names = {number: name for number, name in enumerate(self.data.class_names) if number > 0}
        return image_HW3, label_HW if self.with_labels else None, names


Pictures = CityscapesPictures | LabelledPictures


def open_pictures(folder: Path, split: str, with_labels: bool) -> Pictures:
    """Open a domain: Cityscapes' layout, of which labels are not needed unless they are read, or a data set for semantic segmentation.

    Raises:
        InputError: there is no picture, or one without labels where they are read.
    """
    if not (folder / IMAGES).is_dir():
        return LabelledPictures(open_labelled_images(folder, split), with_labels)
    paths = tuple(sorted((folder / IMAGES / split).glob(f"*/*{IMAGE_SUFFIX}")))
    if not paths:
        raise InputError(
            f"there is no <city>/*{IMAGE_SUFFIX} in {folder / IMAGES / split}; name another split or folder"
        )
    if not with_labels:
        return CityscapesPictures(paths, ())
    label_paths = tuple(_labels_of(folder / TRUTH / split, path) for path in paths)
    missing = [path for path in label_paths if not path.is_file()]
    if missing:
        raise InputError(f"there is no {missing[0]}, from which tags are read; add it, or adapt with one fixed text")
    return CityscapesPictures(paths, label_paths)


def _labels_of(truth: Path, picture: Path) -> Path:
    return truth / picture.parent.name / (picture.name.removesuffix(IMAGE_SUFFIX) + LABEL_SUFFIX)


def cut_square(
    pictures: Pictures, index: int, side_px: int, flip_share: float, min_share: float, rng: np.random.Generator
) -> Square:
    """Cut a random square as large as the picture, resize it, and mirror it now and then.

    Args:
        pictures: to cut from.
        index: of the picture.
        side_px: S.
        flip_share: probability of a mirror image.
        min_share: a class is told from this share of the square's pixels on.
        rng: the draws.

    Source: section 7.
    """
    image_HW3, label_HW, names = pictures.read(index)
    height, width = image_HW3.shape[:2]
    side = min(height, width)
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    area = (slice(top, top + side), slice(left, left + side))
    smaller = side > side_px
    square = cv2.resize(
        image_HW3[area], (side_px, side_px), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    if rng.uniform() < flip_share:
        square = square[:, ::-1]
    found = () if label_HW is None else shown_classes(label_HW[area], names, min_share)
    return Square(np.ascontiguousarray(square, np.uint8), found)


def shown_classes(label_HW: NDArray[np.integer], names: Mapping[int, str], min_share: float) -> tuple[str, ...]:
    """Name the classes of a label map that cover a share of it at least, the largest first; of equal ones the lower label."""
    labels, counts = np.unique(label_HW, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple(
        names[int(labels[place])]
        for place in order
        if int(labels[place]) in names and counts[place] >= max(1, min_share * label_HW.size)
    )


def list_in_words(names: Sequence[str]) -> str:
    """Return "road", "road and sky", "road, sky and car"."""
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), names[-1]])
