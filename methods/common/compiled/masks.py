"""Outlines drawn and overlaps measured by compiled loops; pixel for pixel what pycocotools finds.

Shape legend: N masks or detections; O outlines; X coordinates; P pairs; C characters; G instances; N1 = N + 1.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import NO_ROOM, address, loops

if TYPE_CHECKING:
    from methods.common.metrics.detection.ground_truth import Floats, GroundTruth, Ints

_NO_TEXT = np.zeros(0, np.uint8)
_NO_PLACES = np.zeros(0, np.int64)


def draw_masks(
    num_outlines_N: Ints, number_X: Floats, end_O1: Ints, height_N: Ints, width_N: Ints
) -> tuple[NDArray[np.uint8], Ints, Floats]:
    """Draw the union of ``num_outlines_N[0]`` outlines, of the next ``num_outlines_N[1]`` ones, ..., by pycocotools' rule.

    Args:
        num_outlines_N: of each mask, at least 1.
        number_X: x and y of the outlines' points, which :mod:`outline_rules` allows.
        end_O1: where each outline begins in them, and the end.
        height_N: of the masks' images, which have fewer than 2^29 pixels.
        width_N: likewise.

    Returns:
        Compressed masks end to end (C,), where each begins, with the end, [N + 1], and their pixels, (N,).
    """
    offset_N1, area_N = np.empty(len(num_outlines_N) + 1, np.int64), np.empty(len(num_outlines_N))
    room = 128 * len(num_outlines_N) + 4096
    while True:
        text_C = np.empty(room, np.uint8)
        columns = (num_outlines_N, number_X, end_O1, height_N, width_N)
        length = loops().draw_masks(
            ctypes.c_int64(len(num_outlines_N)),
            *map(address, columns),
            address(text_C),
            ctypes.c_int64(room),
            address(offset_N1),
            address(area_N),
        )
        if length != NO_ROOM:
            break
        room *= 4
    if length < 0:
        raise MemoryError
    return text_C[:length], offset_N1, area_N


class _Truth(ctypes.Structure):
    _fields_ = [("num_classes", ctypes.c_int64), ("num_instances", ctypes.c_int64)]
    _fields_ += [
        (name, ctypes.c_void_p) for name in ("key", "crowd", "box", "height", "width", "text", "offset", "place")
    ]

    @classmethod
    def of(cls, ground_truth: GroundTruth) -> _Truth:
        canvas = ground_truth.canvas
        texts = ground_truth.texts or (_NO_TEXT, _NO_PLACES, _NO_PLACES)
        columns = (
            ground_truth.key_G,
            ground_truth.crowd_G,
            ground_truth.box_G4,
            canvas.height_I,
            canvas.width_I,
            *texts,
        )
        return cls(canvas.num_classes, len(ground_truth), *map(address, columns))


class _Pairs(ctypes.Structure):
    _fields_ = [("room", ctypes.c_int64), ("used", ctypes.c_int64)]
    _fields_ += [(name, ctypes.c_void_p) for name in ("detection", "instance", "overlap")]


Pairs = tuple["Ints", "Ints", "Floats"]
"""Detections, instances, overlaps."""


def box_pairs(ground_truth: GroundTruth, key_N: Ints, box_N4: Floats) -> Pairs:
    """Return the pairs of one image and class whose boxes overlap by at least one half.

    Args:
        ground_truth: the instances.
        key_N: image and class of each detection.
        box_N4: x, y, width, height of each.
    """
    pairs = _pairs(loops().overlapping_boxes, ground_truth, len(key_N), (key_N, box_N4), None)
    assert pairs is not None
    return pairs


def mask_pairs(
    ground_truth: GroundTruth, image_N: Ints, key_N: Ints, text_C: NDArray[np.uint8], offset_N1: Ints
) -> tuple[Floats, Pairs] | None:
    """Return the masks' areas, and the pairs of one image and class that overlap by at least one half.

    Args:
        ground_truth: the instances, with masks.
        image_N: of each detection.
        key_N: image and class of each.
        text_C: compressed masks end to end; any bytes may come.
        offset_N1: where each begins, and the end.

    Returns:
        None where a mask is no sound one of its image's size.
    """
    area_N = np.empty(len(key_N))
    pairs = _pairs(loops().overlapping_masks, ground_truth, len(key_N), (image_N, key_N, text_C, offset_N1), area_N)
    return None if pairs is None else (area_N, pairs)


def _pairs(
    loop: Any, ground_truth: GroundTruth, num: int, columns: tuple[NDArray[Any], ...], area_N: Floats | None
) -> Pairs | None:
    truth, room = _Truth.of(ground_truth), 2 * num + 1024
    outputs = () if area_N is None else (address(area_N),)
    while True:
        detection_P, instance_P, overlap_P = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
        pairs = _Pairs(room, 0, *map(address, (detection_P, instance_P, overlap_P)))
        found = loop(ctypes.c_int64(num), *map(address, columns), ctypes.byref(truth), *outputs, ctypes.byref(pairs))
        if found != NO_ROOM:
            break
        room *= 4
    if found == _NO_MEMORY:
        raise MemoryError
    return None if found < 0 else (detection_P[:found], instance_P[:found], overlap_P[:found])


_NO_MEMORY = -3
