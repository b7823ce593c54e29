"""Pixels that every predicted mask of a frame shares with every object of its instance image, all pairs at once.

The official tool compares two whole images for each pair. Here both sides are lists of runs (neighbouring pixels of one
value), and one pass over the pieces in which runs meet counts for all pairs.

Shape legend: H, W image; G runs of the instance image; R runs of predictions; K objects; N predictions;
L lines of W words; C = 2 + K columns (0: pixels that concern nobody, 1: void, then the objects by rising instance id).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_ids import INSTANCE_ID_RULE, unknown_instance_ids
from methods.common.datasets.cityscapes_labels import FIRST_INSTANCE_ID, INSTANCE_LABELS, LABEL_BY_ID, LABELS
from methods.common.datasets.rle import decode_runs, join_texts
from methods.common.errors import InputError

Integers = NDArray[np.int64]

CLASS_OF_LABEL_ID = {label.id: index for index, label in enumerate(INSTANCE_LABELS)}

_LINE = 2048

_VOID, _NOBODY, _UNKNOWN = -1, -2, -3


def _meanings() -> Integers:
    """Say what every value of an instance image stands for, from -1 on: a class that is evaluated, or one of the above."""
    values = np.arange(-1, 1000 * (max(LABEL_BY_ID) + 1))
    meaning = np.full(len(values), _UNKNOWN)
    label_ids = np.where(values < FIRST_INSTANCE_ID, values, values // 1000)
    label_ids[unknown_instance_ids(values)] = max(LABEL_BY_ID) + 1
    for label in LABELS:
        meaning[label_ids == label.id] = CLASS_OF_LABEL_ID.get(label.id, _NOBODY)
        meaning[(values == label.id) & label.ignored] = _VOID
    return meaning


_MEANING = _meanings()
_VOID_COLUMN, _FIRST_OBJECT_COLUMN = 1, 2
_MAX_AT_ONCE = 500_000
"""Runs, pieces of runs or characters of compressed masks handled at a time, to bound memory."""


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects and groups of the evaluated classes in one instance image, by rising instance id."""

    instance_id_K: Integers
    class_K: Integers
    """Index in `INSTANCE_LABELS`."""
    area_K: Integers


@dataclass(frozen=True, eq=False)
class _Regions:
    """An instance image, scanned in one direction, as runs of equal value."""

    start_G: Integers
    end_G: Integers
    column_G: Integers
    objects: Objects


class OverlapCounter:
    """Counts overlaps with one instance image, scanned by rows (for arrays) or by columns (for COCO's run lengths)."""

    def __init__(self, instance_ids_HW: NDArray[Any], scan: Literal["rows", "columns"], image_name: str) -> None:
        """Split the image into runs.

        Args:
            instance_ids_HW: integers; 1000 * label id + number for an object, otherwise the label id.
            scan: the order in which the runs of :meth:`add` count pixels.
            image_name: names the image in messages.

        Raises:
            InputError: a value belongs to no label.
        """
        values = instance_ids_HW if scan == "rows" else _transposed(instance_ids_HW)
        self._regions = _regions(values.ravel(), image_name)
        self.objects = self._regions.objects
        self._num_columns = _FIRST_OBJECT_COLUMN + len(self.objects.area_K)
        self._waiting: list[tuple[Integers, Integers, Integers]] = []
        self._num_waiting = 0
        self._total = np.zeros(0)

    def add(self, owner_R: Integers, start_R: Integers, end_R: Integers) -> None:
        """Take in foreground runs: prediction, first pixel, one past the last pixel."""
        self._waiting.append((owner_R, start_R, end_R))
        self._num_waiting += len(owner_R)
        if self._num_waiting > _MAX_AT_ONCE:
            self._count()

    def table(self, num_predictions: int) -> Integers:
        """Return the pixels of each prediction by column, [N, C]; a row's sum is the area of its mask."""
        if self._waiting:
            self._count()
        total = np.zeros(num_predictions * self._num_columns)
        total[: len(self._total)] = self._total
        return total.astype(np.int64).reshape(num_predictions, self._num_columns)

    def _count(self) -> None:
        owner_R, start_R, end_R = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting, self._num_waiting = [], 0
        first_R = np.searchsorted(self._regions.start_G, start_R, "right") - 1
        pieces_R = np.searchsorted(self._regions.start_G, end_R, "left") - first_R
        for begin, stop in pairwise(cuts(pieces_R)):
            part = slice(begin, stop)
            counts = self._pieces(owner_R[part], start_R[part], end_R[part], first_R[part], pieces_R[part])
            shorter, longer = sorted((self._total, counts), key=len)
            longer[: len(shorter)] += shorter
            self._total = longer

    def _pieces(
        self, owner_R: Integers, start_R: Integers, end_R: Integers, first_R: Integers, pieces_R: Integers
    ) -> NDArray[np.float64]:
        """Cut each run where the image changes its value and add up the pieces by prediction and column."""
        before_R = np.cumsum(pieces_R) - pieces_R
        region = np.arange(pieces_R.sum()) + np.repeat(first_R - before_R, pieces_R)
        start = np.maximum(np.repeat(start_R, pieces_R), self._regions.start_G[region])
        end = np.minimum(np.repeat(end_R, pieces_R), self._regions.end_G[region])
        cell = np.repeat(owner_R * self._num_columns, pieces_R) + self._regions.column_G[region]
        return np.asarray(np.bincount(cell, end - start), np.float64)


def runs_of_array(mask_HW: NDArray[Any]) -> tuple[Integers, Integers]:
    """Return start and end (R,) of the foreground runs (anything but 0) of a mask, scanned by rows.

    Most of a mask is empty, and reading it is what takes the time: lines of 2,048 pixels are looked at first, in words of eight;
    what is left are the words that hold something, each stretch of them with the empty word behind it, where its last run ends.
    """
    pixels = np.ravel(mask_HW if mask_HW.itemsize == 1 else mask_HW != 0)
    padding = -len(pixels) % _LINE
    words_LW = (np.pad(pixels, (0, padding)) if padding else pixels).view(np.uint64).reshape(-1, _LINE // 8)
    lines = np.flatnonzero(np.bitwise_or.reduce(words_LW, axis=1))
    if not len(lines):
        return lines, lines
    words = words_LW[lines[0] : lines[-1] + 1].ravel()
    filled = words != 0
    kept = filled.copy()
    kept[1:] |= filled[:-1]
    index = np.flatnonzero(kept)
    shown = words[index].view(np.uint8) != 0
    edges = np.flatnonzero(np.concatenate([shown[:1], shown[1:] != shown[:-1]]))
    edges = lines[0] * _LINE + index[edges >> 3] * 8 + (edges & 7)
    if len(edges) % 2:
        edges = np.append(edges, (lines[-1] + 1) * _LINE)
    return edges[0::2], edges[1::2]


def runs_of_texts(
    texts: Sequence[str | bytes], num_pixels: int
) -> tuple[Integers, Integers, Integers, NDArray[np.bool_]]:
    """Return owner, start and end (R,) of the foreground runs of COCO masks, and which masks (N,) fit their image.

    Where one does not fit, the runs mean nothing.
    """
    table = decode_runs(*join_texts(texts))
    owner_R = np.repeat(np.arange(len(texts)), np.diff(table.offset_N1))
    shown = np.flatnonzero(table.stop_F > table.start_F)
    fits_N = table.sound_N & (table.covered_N == num_pixels)
    return owner_R[shown], table.start_F[shown].astype(np.int64), table.stop_F[shown].astype(np.int64), fits_N


def cuts(sizes: Integers | Sequence[int]) -> list[int]:
    """Cut a list of sizes into stretches that each add up to about `_MAX_AT_ONCE`; return 0, the cuts, the length."""
    total = np.cumsum(sizes)
    marks = np.arange(_MAX_AT_ONCE, total[-1] if len(total) else 0, _MAX_AT_ONCE)
    return sorted({0, *(np.searchsorted(total, marks) + 1).tolist(), len(total)})


def _regions(values: NDArray[Any], image_name: str) -> _Regions:
    start_G = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    end_G = np.append(start_G[1:], len(values))
    # From here on -1 is at 0.
    place_G = values[start_G].astype(np.int64) + 1
    known_G = (place_G >= 0) & (place_G < len(_MEANING))
    known_G[known_G] = _MEANING[place_G[known_G]] != _UNKNOWN
    if not known_G.all():
        value = place_G[np.argmin(known_G)] - 1
        raise InputError(f"{image_name} holds {value}; {INSTANCE_ID_RULE}; write the official ids")
    area = np.bincount(place_G, end_G - start_G, len(_MEANING)).astype(np.int64)
    places_K = np.flatnonzero((area > 0) & (_MEANING >= 0))
    column = np.where(_MEANING == _VOID, _VOID_COLUMN, 0)
    column[places_K] = _FIRST_OBJECT_COLUMN + np.arange(len(places_K))
    return _Regions(start_G, end_G, column[place_G], Objects(places_K - 1, _MEANING[places_K], area[places_K]))


def _transposed(image_HW: NDArray[Any]) -> NDArray[Any]:
    """Return the image with rows and columns exchanged, by OpenCV where it knows the type: twelve times faster."""
    if image_HW.dtype not in (np.uint8, np.uint16, np.int16, np.int32):
        return np.ascontiguousarray(image_HW.T)
    import cv2

    transposed: NDArray[Any] = cv2.transpose(image_HW)
    return transposed
