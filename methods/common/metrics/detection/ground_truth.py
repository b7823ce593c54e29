"""Ground truth as columns, the way matching wants it: sorted by image and class, file order within.

Shape legend: I images in the order of their ids; K classes in the order of their ids; G instances; Q keys;
C characters; N records; G1 = G + 1. The key of an image and a class is image index * K + class index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.rle import decode_runs, reorder_texts
from methods.common.metrics.detection.run_length_masks import MaskTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Canvas:
    """The images and classes that records refer to."""

    image_id_I: Ints
    """Rising."""
    height_I: Ints
    width_I: Ints
    class_id_K: Ints
    """Rising."""

    @classmethod
    def from_lists(
        cls, image_ids: Sequence[int], heights: Sequence[int], widths: Sequence[int], class_ids: Sequence[int]
    ) -> Canvas:
        """Sort images and classes by their ids."""
        order = np.argsort(np.array(image_ids, np.int64), kind="stable")
        image_id_I, height_I, width_I = (np.array(column, np.int64)[order] for column in (image_ids, heights, widths))
        return cls(image_id_I, height_I, width_I, np.sort(np.array(class_ids, np.int64)))

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_id_K)

    def images_of(self, image_id_N: Ints) -> Ints | None:
        """Return the images' indices, int64 (N,); None where an id is unknown."""
        return _places(self.image_id_I, image_id_N)

    def classes_of(self, class_id_N: Ints) -> Ints | None:
        """Return the classes' indices, int64 (N,); None where an id is unknown."""
        return _places(self.class_id_K, class_id_N)


def _places(known_id: Ints, id_N: Ints) -> Ints | None:
    """Look up the beginning of each stretch of equal ids: records of one image mostly follow each other."""
    first = np.flatnonzero(np.append(True, id_N[1:] != id_N[:-1])[: len(id_N)])
    if 2 * len(first) > len(id_N):
        return _places_one_by_one(known_id, id_N)
    place = _places_one_by_one(known_id, id_N[first])
    return None if place is None else np.repeat(place, np.diff(first, append=len(id_N)))


def _places_one_by_one(known_id: Ints, id_N: Ints) -> Ints | None:
    place_N = np.searchsorted(known_id, id_N)
    found_N = place_N < len(known_id)
    found_N[found_N] = known_id[place_N[found_N]] == id_N[found_N]
    return place_N if found_N.all() else None


@dataclass(frozen=True)
class GroundTruth:
    """All instances that take part, and what is known about which classes are in which image."""

    canvas: Canvas
    key_G: Ints
    """Never falling."""
    area_G: Floats
    ignored_G: Bools
    """Neither found nor missed: matches with it do not count."""
    crowd_G: Bools
    """May be matched by many detections; overlap with it is the share of the detection that it covers."""
    box_G4: Floats
    """x, y, width, height."""
    texts: tuple[NDArray[np.uint8], Ints, Ints] | None
    """Compressed masks, end to end; where each begins, and the end; which one each instance has. None for boxes only."""
    known_key_Q: Ints | None = None
    """Rising keys where a class is known to be present or absent; None: everywhere."""
    open_key_Q: Ints | None = None
    """Rising keys where not every instance is marked, so that false detections do not count; None: nowhere."""

    _blocks: dict[int, MaskTable] = field(default_factory=dict)

    @classmethod
    def from_columns(
        cls,
        canvas: Canvas,
        image_G: Ints,
        class_G: Ints,
        *,
        area_G: Floats,
        ignored_G: Bools,
        crowd_G: Bools,
        box_G4: Floats,
        texts: tuple[NDArray[np.uint8], Ints, Ints] | None,
        known_key_Q: Ints | None = None,
        open_key_Q: Ints | None = None,
    ) -> GroundTruth:
        """Sort instances by image and class.

        ``image_G`` and ``class_G`` are indices into ``canvas``; ``texts`` are compressed masks end to end, where each begins,
        and which of them each instance has.
        """
        key_G = image_G * canvas.num_classes + class_G
        order = np.argsort(key_G, kind="stable")
        return cls(
            canvas,
            key_G[order],
            area_G[order],
            ignored_G[order],
            crowd_G[order],
            box_G4[order],
            None if texts is None else (*texts[:2], texts[2][order]),
            known_key_Q,
            open_key_Q,
        )

    def __len__(self) -> int:
        """Return the number of instances."""
        return len(self.key_G)

    @property
    def image_index(self) -> Ints:
        """Index of each instance's image, (G,)."""
        return self.key_G // self.canvas.num_classes

    @property
    def class_index(self) -> Ints:
        """Index of each instance's class, (G,)."""
        return self.key_G % self.canvas.num_classes

    def masks_between(self, start: int, stop: int) -> MaskTable:
        """Return the masks of the instances from ``start`` to before ``stop``.

        Masks are decoded in blocks, each once a process, so that a process which works on some images decodes theirs.
        """
        first, last = start // _BLOCK, -(-stop // _BLOCK)
        for block in range(first, last):
            if block not in self._blocks:
                self._blocks[block] = self._decode(slice(block * _BLOCK, (block + 1) * _BLOCK))
        return MaskTable.concatenate(
            [
                self._blocks[block].between(max(start - block * _BLOCK, 0), min(stop - block * _BLOCK, _BLOCK))
                for block in range(first, last)
            ]
        )

    def _decode(self, chosen: slice) -> MaskTable:
        assert self.texts is not None
        text_C, offset_N1, place_G = self.texts
        runs = decode_runs(*reorder_texts(text_C, offset_N1, place_G[chosen]))
        return MaskTable.from_runs(runs, self.canvas.height_I[self.key_G[chosen] // self.canvas.num_classes])


_BLOCK = 2_000


def distinct(key_N: Ints) -> Ints:
    """Return every key once, rising. numpy's own `unique` gathers them in a table first, which takes more than ten times as long."""
    rising_N = np.sort(key_N)
    return rising_N[np.flatnonzero(np.diff(rising_N, prepend=rising_N[:1] - 1))]


def is_among(key_N: Ints, key_Q: Ints) -> Bools:
    """Mark the keys that are among the rising ``key_Q``, bool (N,)."""
    if not len(key_Q):
        return np.zeros(len(key_N), bool)
    place_N = np.minimum(np.searchsorted(key_Q, key_N), len(key_Q) - 1)
    return np.asarray(key_Q[place_N] == key_N)
