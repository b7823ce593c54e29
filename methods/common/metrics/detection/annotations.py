"""Instances of an annotation file as columns, and their outlines as compressed masks.

Shape legend: N instances in file order; O outlines; X coordinates (x0, y0, x1, y1, ...); N1 = N + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from methods.common.datasets.rle import decode_runs, join_texts, reorder_texts
from methods.common.metrics.detection.ground_truth import Bools, Canvas, Floats, GroundTruth, Ints
from methods.common.metrics.detection.json_columns import Lines, as_array, as_lists, read_table


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
    empty_N: Bools
    """Masks without a pixel where masks are wanted, else boxes without an area; no detection can find them."""
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
    "empty_N": np.zeros(0, bool),
}


@dataclass(frozen=True)
class PlainAnnotations:
    """A part of a file in which every shape is a list of outlines; nothing but types is checked yet."""

    id_N: Ints
    image_id_N: Ints
    category_id_N: Ints
    area_N: Floats
    box_N4: Floats
    ignore_N: Bools
    crowd_N: Bools
    num_outlines_N: Ints
    """Zeros where outlines were not wanted."""
    number_X: Floats
    end_O1: Ints
    """Where each outline begins in ``number_X``, and the end."""

    @classmethod
    def read(cls, lines: Lines, with_outlines: bool) -> PlainAnnotations | None:
        """Read lines; None where a record is no plain one."""
        import pyarrow as pa

        numbers = pa.list_(pa.float64())
        fields = [pa.field(name, pa.int64(), nullable=False) for name in ("id", "image_id", "category_id")]
        fields += [pa.field("area", pa.float64(), nullable=False), pa.field("bbox", numbers, nullable=False)]
        fields += [pa.field("ignore", pa.int64()), pa.field("iscrowd", pa.int64())]
        fields += [pa.field("segmentation", pa.list_(numbers), nullable=False)] * with_outlines
        table = read_table(lines, pa.schema(fields))
        if table is None:
            return None
        box_N4 = boxes_of(table["bbox"])
        outlines = _outlines(table["segmentation"]) if with_outlines else _no_outlines(len(table["id"]))
        if box_N4 is None or outlines is None:
            return None
        columns = {name: as_array(table[name]) for name in ("id", "image_id", "category_id", "area")}
        flags = [_flags(table[name]) for name in ("ignore", "iscrowd")]
        if flags[0] is None or flags[1] is None:
            return None
        return cls(
            columns["id"],
            columns["image_id"],
            columns["category_id"],
            columns["area"],
            box_N4,
            flags[0],
            flags[1],
            *outlines,
        )

    def placed(self, canvas: Canvas, image_N: Ints, class_N: Ints, with_masks: bool) -> Annotations:
        """Return the annotations with the indices of their images and classes, and their outlines rasterised."""
        texts: Any = (None, None)
        empty_N = (self.box_N4[:, 2:] == 0).any(1)
        if with_masks:
            texts = join_texts(self._texts(canvas.height_I[image_N], canvas.width_I[image_N]))
            empty_N = empty_masks(texts[0], texts[1], longest=_LONGEST_OF_NOTHING)
        flags = self.ignore_N, self.crowd_N, empty_N
        return Annotations(self.id_N, image_N, class_N, self.area_N, self.box_N4, *flags, *texts)

    def _texts(self, height_N: Ints, width_N: Ints) -> list[bytes]:
        """Rasterise neighbours in images of one size at once."""
        outlines = [self.number_X[start:stop] for start, stop in pairwise(self.end_O1.tolist())]
        first_N1 = np.concatenate([[0], np.cumsum(self.num_outlines_N)])
        seams = np.flatnonzero((np.diff(height_N) != 0) | (np.diff(width_N) != 0)) + 1
        texts: list[bytes] = []
        for start, stop in pairwise([0, *seams.tolist(), len(height_N)]):
            drawn = outlines[first_N1[start] : first_N1[stop]]
            counts = self.num_outlines_N[start:stop].tolist()
            texts += rasterise(drawn, counts, int(height_N[start]), int(width_N[start]))
        return texts


def empty_masks(text_C: NDArray[np.uint8], offset_N1: Ints, longest: int | None) -> Bools:
    """Mark masks without a pixel, bool (N,).

    Args:
        text_C: compressed masks end to end.
        offset_N1: where each begins, and the end.
        longest: characters that an empty mask has at most, if that is known.
    """
    empty_N = np.zeros(len(offset_N1) - 1, bool)
    length_N = np.diff(offset_N1)
    likely_N = np.flatnonzero(length_N <= (length_N.max(initial=0) if longest is None else longest))
    empty_N[likely_N] = decode_runs(*reorder_texts(text_C, offset_N1, likely_N)).sums().area == 0
    return empty_N


_LONGEST_OF_NOTHING = 6
"""pycocotools draws an outline without a pixel as one run of background, a number of at most six characters."""


def rasterise(outlines: Sequence[NDArray[np.float64]], counts: Sequence[int], height: int, width: int) -> list[bytes]:
    """Compress the union of ``counts[0]`` outlines, of the next ``counts[1]`` ones, ..., by pycocotools' rasteriser."""
    drawn = coco_mask.frPyObjects(list(outlines), height, width) if len(outlines) else []
    texts, first = [], 0
    for count in counts:
        shapes = drawn[first : first + count]
        texts.append((shapes[0] if count == 1 else coco_mask.merge(shapes))["counts"])
        first += count
    return texts


def boxes_of(column: Any) -> Floats | None:
    """Return an Arrow column of boxes as float64 [N, 4]; None where one has not four numbers."""
    offset_N1, numbers = as_lists(column)
    if numbers.null_count or (np.diff(offset_N1) != 4).any():
        return None
    return as_array(numbers).reshape(-1, 4)


def _outlines(column: Any) -> tuple[Ints, Floats, Ints] | None:
    offset_N1, lists = as_lists(column)
    end_O1, numbers = as_lists(lists)
    if lists.null_count or numbers.null_count:
        return None
    return np.diff(offset_N1), as_array(numbers), end_O1


def _flags(column: Any) -> Bools | None:
    """Return a column of 0 and 1, absent where 0, as bool (N,); None where one is neither."""
    if column.null_count == len(column):
        return np.zeros(len(column), bool)
    flags = np.array([flag or 0 for flag in column.to_pylist()]) if column.null_count else as_array(column)
    return flags.astype(bool) if set(np.unique(flags).tolist()) <= {0, 1} else None


def _no_outlines(num_records: int) -> tuple[Ints, Floats, Ints]:
    return np.zeros(num_records, np.int64), np.zeros(0), np.zeros(1, np.int64)
