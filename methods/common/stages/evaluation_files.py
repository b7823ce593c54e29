"""What an evaluation keeps for people: scores of images and classes as Parquet, and the images with the best and the worst score.

Shape legend: H, W pixels; 3 RGB; I images; K classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from methods.common.metrics.score_files import CLASSES_FILE, IMAGES_FILE, SHOWN_FILE

NUM_EXTREMES = 3
"""Images that are shown of the best, and of the worst."""
_SHOWN_PX = 480
"""Longest side of a picture that is shown."""

ItemT = TypeVar("ItemT")


@dataclass
class Extremes(Generic[ItemT]):
    """Keeps what belongs to the images with the lowest and the highest score, while all go by; of equal scores the earlier image."""

    most: int = NUM_EXTREMES
    _worst: list[tuple[float, int, ItemT]] = field(default_factory=list)
    _best: list[tuple[float, int, ItemT]] = field(default_factory=list)

    def offer(self, score: float, index: int, item: ItemT) -> None:
        """Look at one image.

        Args:
            score: NaN where it is undefined; such an image is not shown.
            index: place of the image in the split.
            item: what is kept of it.
        """
        if math.isnan(score):
            return
        for kept, sign in ((self._worst, 1.0), (self._best, -1.0)):
            kept.append((score, index, item))
            kept.sort(key=lambda one: (sign * one[0], one[1]))
            del kept[self.most :]

    def chosen(self) -> list[tuple[str, float, int, ItemT]]:
        """Return the worst, worst first, then the best that are not among them: word, score, index and item."""
        shown = {index for _, index, _ in self._worst}
        best = [one for one in self._best if one[1] not in shown]
        return [(word, *one) for word, found in (("worst", self._worst), ("best", best)) for one in found]


def write_image_scores(folder: Path, names: Sequence[str], columns: Mapping[str, NDArray[Any]]) -> None:
    """Write a row an image; see :data:`~methods.common.metrics.score_files.IMAGES_FILE`.

    Args:
        folder: of the evaluation.
        names: of the images, I.
        columns: ``score`` (float64, percent, NaN where undefined) and others, (I,) each.
    """
    _write(folder / IMAGES_FILE, {"image": list(names), **columns})


def write_class_scores(folder: Path, names: Sequence[str], columns: Mapping[str, Sequence[float | None]]) -> None:
    """Write a row a class; see :data:`~methods.common.metrics.score_files.CLASSES_FILE`. None becomes NaN."""
    numbers = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    _write(folder / CLASSES_FILE, {"class": list(names), **numbers})


def _write(path: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(dict(columns)), path)


@dataclass(frozen=True)
class Shown:
    """An image with its truth and its prediction."""

    word: str
    """"worst" or "best"."""
    score: float
    """Percent."""
    name: str
    image_HW3: NDArray[np.uint8]
    truth_HW: NDArray[np.uint8]
    """Labels."""
    predicted_HW: NDArray[np.uint8]
    more: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Further label maps of the same size, by their words."""


def write_shown(folder: Path, shown: Sequence[Shown], what: str) -> None:
    """Write images, truths and predictions as PNGs of at most 480 px, and a list of them.

    Args:
        folder: of the evaluation; what an earlier attempt left there is overwritten.
        shown: in the order in which they are listed.
        what: the score in words, e.g. "mean IoU".
    """
    from PIL import Image

    from methods.common.datasets.voc import write_labels

    place = (folder / SHOWN_FILE).parent
    place.mkdir(exist_ok=True)
    notes = []
    for number, one in enumerate(shown):
        files = {words: f"{number:02d}_{words}.png" for words in ("image", "truth", "prediction")}
        step = shown_step(one.truth_HW.shape)
        picture = Image.fromarray(one.image_HW3)
        size = (-(-picture.width // step), -(-picture.height // step))
        (picture if step == 1 else picture.resize(size, Image.Resampling.BOX)).save(place / files["image"])
        write_labels(place / files["truth"], np.ascontiguousarray(one.truth_HW[::step, ::step]))
        write_labels(place / files["prediction"], np.ascontiguousarray(one.predicted_HW[::step, ::step]))
        title = f"{one.word}: {what} {one.score:.1f} %, {one.name}"
        for place_in_row, (words, label_HW) in enumerate(one.more.items()):
            files[words] = f"{number:02d}_more_{place_in_row}.png"
            write_labels(place / files[words], np.ascontiguousarray(label_HW[::step, ::step]))
        notes.append({"title": title, "image": one.name, "score": one.score, "pictures": files})
    (folder / SHOWN_FILE).write_text(json.dumps(notes, indent=1))


def shown_step(shape: tuple[int, ...]) -> int:
    """Return every how many pixels of a map of this shape are shown."""
    return -(-max(shape) // _SHOWN_PX)


def keep_first(files: Sequence[Sequence[Path]], num_bytes: int) -> int:
    """Remove what does not fit into some room; return how many images keep their files.

    Args:
        files: of each image, in the order of the split. Those of the first image that does not fit go, and all after it.
        num_bytes: room for all of them together.
    """
    sizes = np.cumsum([sum(path.stat().st_size for path in of_image) for of_image in files])
    num_kept = int(np.searchsorted(sizes, num_bytes, side="right"))
    for of_image in files[num_kept:]:
        for path in of_image:
            path.unlink()
    return num_kept
