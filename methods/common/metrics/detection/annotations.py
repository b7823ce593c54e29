"""Instances of an annotation file as columns, and their outlines as compressed masks.

Shape legend: N instances in file order; N1 = N + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from methods.common.datasets.rle import decode_runs, reorder_texts
from methods.common.metrics.detection.ground_truth import Bools, Canvas, Floats, GroundTruth, Ints


@dataclass(frozen=True)
class Annotations:
    """The instances of a file or of a part of it."""

    id_N: Ints
    image_N: Ints
    """Index into the images of the canvas."""
    class_N: Ints
    area_N: Floats
    box_N4: Floats
    ignore_N: Bools
    crowd_N: Bools
    extent_N: Floats
    """Pixels of the masks where masks are wanted, else areas of the boxes; where it is 0 no detection can find anything."""
    text_C: NDArray[np.uint8] | None
    """Compressed masks end to end, if they are wanted."""
    text_offset_N1: Ints | None

    @staticmethod
    def concatenate(parts: Sequence[Annotations], with_masks: bool) -> Annotations:
        """Put the parts of a file one behind the other."""
        columns: dict[str, Any] = {
            name: np.concatenate([nothing, *(getattr(part, name) for part in parts)])
            for name, nothing in _NO_COLUMNS.items()
        }
        if not with_masks:
            return Annotations(**columns, text_C=None, text_offset_N1=None)
        lengths = [np.diff(part.text_offset_N1) for part in parts if part.text_offset_N1 is not None]
        return Annotations(
            **columns,
            text_C=np.concatenate([np.zeros(0, np.uint8), *(part.text_C for part in parts if part.text_C is not None)]),
            text_offset_N1=np.concatenate([[0], *lengths]).cumsum(),
        )

    def reordered(self, order_N: Ints) -> Annotations:
        """Return the annotations in another order."""
        columns: dict[str, Any] = {name: getattr(self, name)[order_N] for name in _NO_COLUMNS}
        if self.text_C is None or self.text_offset_N1 is None:
            return Annotations(**columns, text_C=None, text_offset_N1=None)
        text_C, text_offset_N1 = reorder_texts(self.text_C, self.text_offset_N1, order_N)
        return Annotations(**columns, text_C=text_C, text_offset_N1=text_offset_N1)

    def ground_truth(
        self,
        canvas: Canvas,
        kept_N: Bools,
        ignored_N: Bools,
        crowd_N: Bools,
        known_key_Q: Ints | None = None,
        open_key_Q: Ints | None = None,
    ) -> GroundTruth:
        """Sort those that take part for matching."""
        kept = np.flatnonzero(kept_N)
        return GroundTruth.from_columns(
            canvas,
            self.image_N[kept],
            self.class_N[kept],
            area_G=self.area_N[kept],
            ignored_G=ignored_N[kept],
            crowd_G=crowd_N[kept],
            box_G4=self.box_N4[kept],
            texts=None
            if self.text_C is None or self.text_offset_N1 is None
            else (self.text_C, self.text_offset_N1, kept),
            known_key_Q=known_key_Q,
            open_key_Q=open_key_Q,
        )


_NO_COLUMNS = {
    "id_N": np.zeros(0, np.int64),
    "image_N": np.zeros(0, np.int64),
    "class_N": np.zeros(0, np.int64),
    "area_N": np.zeros(0),
    "box_N4": np.zeros((0, 4)),
    "ignore_N": np.zeros(0, bool),
    "crowd_N": np.zeros(0, bool),
    "extent_N": np.zeros(0),
}


def mask_areas(text_C: NDArray[np.uint8], offset_N1: Ints) -> Floats:
    """Return how many pixels masks have, (N,); they lie end to end, ``offset_N1`` says where each begins, and the end."""
    return decode_runs(text_C, offset_N1).sums().area.astype(np.float64)


def rasterise(outlines: Sequence[NDArray[np.float64]], counts: Sequence[int], height: int, width: int) -> list[bytes]:
    """Compress the union of ``counts[0]`` outlines, of the next ``counts[1]`` ones, ..., by pycocotools' rasteriser."""
    drawn = coco_mask.frPyObjects(list(outlines), height, width) if len(outlines) else []
    texts, first = [], 0
    for count in counts:
        shapes = drawn[first : first + count]
        texts.append((shapes[0] if count == 1 else coco_mask.merge(shapes))["counts"])
        first += count
    return texts
