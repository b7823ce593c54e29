"""Records of large files as columns, read by compiled loops. None stands for a part that is not as the official formats have it.

Shape legend: N records; O outlines; X coordinates (x0, y0, x1, y1, ...); 4 x, y, width, height; C characters; N1 = N + 1.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import address, loops
from methods.common.metrics.detection.ground_truth import Bools, Floats, Ints

_SHORTEST_DETECTION = len('{"image_id":1,"category_id":1,"score":1,"bbox":[0,0,0,0]}')
_SHORTEST_ANNOTATION = len('{"id":1,"image_id":1,"category_id":1,"area":0,"bbox":[0,0,0,0]}')
_SHORTEST_OUTLINE, _SHORTEST_NUMBER = len("[0],"), len("0,")


@dataclass(frozen=True)
class DetectionRecords:
    """Detections with ids as the file has them; boxes or masks."""

    image_id_N: Ints
    category_id_N: Ints
    score_N: Floats
    box_N4: Floats | None
    size_N2: Ints | None
    """Height and width that masks state."""
    text_C: NDArray[np.uint8] | None
    """Compressed masks end to end."""
    text_offset_N1: Ints | None


class _DetectionRows(ctypes.Structure):
    _fields_ = [("room", ctypes.c_int64)] + [
        (name, ctypes.c_void_p) for name in ("image_id", "category_id", "score", "box", "size", "counts", "offset")
    ]


def read_detections(text: NDArray[np.uint8], with_masks: bool) -> DetectionRecords | None:
    """Read records that are separated by commas."""
    room = len(text) // _SHORTEST_DETECTION + 1
    image_id, category_id, score = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
    box = size = counts = offset = None
    if with_masks:
        size, offset = np.empty((room, 2), np.int64), np.empty(room + 1, np.int64)
        counts = np.empty(len(text), np.uint8)
    else:
        box = np.empty((room, 4))
    columns = (image_id, category_id, score, box, size, counts, offset)
    rows = _DetectionRows(room, *map(address, columns))
    num = loops().read_detections(address(text), ctypes.c_int64(len(text)), ctypes.byref(rows))
    if num < 0:
        return None
    ids_and_score = image_id[:num], category_id[:num], score[:num]
    if box is not None:
        return DetectionRecords(*ids_and_score, box[:num], None, None, None)
    assert size is not None
    assert counts is not None
    assert offset is not None
    return DetectionRecords(*ids_and_score, None, size[:num], counts[: offset[num]], offset[: num + 1])


@dataclass(frozen=True)
class AnnotationRecords:
    """Annotations with outlines, or of any kind where outlines are not wanted."""

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
    encoded: list[tuple[int, slice]]
    """Those with an encoded mask in place of outlines, which are in no column: place among all, and where in the text."""
    other_names: list[str]
    """Of fields that are in no column, each once."""


class _AnnotationRows(ctypes.Structure):
    _fields_ = [("room", ctypes.c_int64)]
    _fields_ += [
        (name, ctypes.c_void_p) for name in ("id", "image_id", "category_id", "area", "box", "ignore", "crowd")
    ]
    _fields_ += [(name, ctypes.c_void_p) for name in ("num_outlines", "number", "end")]
    _fields_ += [(name, ctypes.c_int64) for name in ("number_room", "outline_room", "num_outlines_in_all")]
    _fields_ += [("encoded", ctypes.c_void_p), ("num_encoded", ctypes.c_int64)]
    _fields_ += [("other", ctypes.c_void_p), ("num_other", ctypes.c_int64)]


_MOST_OTHER_NAMES = 64
"""As in `annotations.c`; a part with more is not read."""


def read_annotations(text: NDArray[np.uint8], with_outlines: bool) -> AnnotationRecords | None:
    """Read records that are separated by commas."""
    room = len(text) // _SHORTEST_ANNOTATION + 1
    id_N, image_id, category_id = (np.empty(room, np.int64) for _ in range(3))
    area, box = np.empty(room), np.empty((room, 4))
    ignore, crowd = np.empty(room, bool), np.empty(room, bool)
    num_outlines = np.empty(room, np.int64) if with_outlines else None
    outline_room, number_room = len(text) // _SHORTEST_OUTLINE + 1, len(text) // _SHORTEST_NUMBER + 1
    number, end = np.empty(number_room), np.empty(outline_room + 1, np.int64)
    encoded, other = np.empty((room, 3), np.int64), np.empty((_MOST_OTHER_NAMES, 2), np.int64)
    columns = (id_N, image_id, category_id, area, box, ignore, crowd, num_outlines, number, end)
    spaces = number_room, outline_room, 0, address(encoded), 0, address(other), 0
    rows = _AnnotationRows(room, *map(address, columns), *spaces)
    num = loops().read_annotations(address(text), ctypes.c_int64(len(text)), ctypes.byref(rows))
    if num < 0:
        return None
    spans = encoded[: rows.num_encoded].tolist()
    end_O1 = end[: rows.num_outlines_in_all + 1]
    return AnnotationRecords(
        id_N[:num],
        image_id[:num],
        category_id[:num],
        area[:num],
        box[:num],
        ignore[:num],
        crowd[:num],
        np.zeros(num, np.int64) if num_outlines is None else num_outlines[:num],
        number[: end_O1[-1]],
        end_O1,
        [(place, slice(start, stop)) for place, start, stop in spans],
        [text[start:stop].tobytes().decode() for start, stop in other[: rows.num_other].tolist()],
    )
