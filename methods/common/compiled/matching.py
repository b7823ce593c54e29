"""Matching and accumulation by compiled loops, equal to the numpy ones of :mod:`matching` and :mod:`precision_recall` to the last bit.

Shape legend: N detections; G instances; I images; K classes; C classes with instances; T thresholds; A area ranges; R recalls; Q keys.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import address, loops

if TYPE_CHECKING:
    from methods.common.metrics.detection.ground_truth import Floats, GroundTruth, Ints
    from methods.common.metrics.detection.matching import Matches
    from methods.common.metrics.detection.overlaps import Measured
    from methods.common.metrics.detection.precision_recall import Curves

    Rows = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], Ints, Ints]


def _fields(numbers: str, pointers: str) -> list[tuple[str, type]]:
    return [
        *((name, ctypes.c_int64) for name in numbers.split()),
        *((name, ctypes.c_void_p) for name in pointers.split()),
    ]


def _addresses(*arrays: NDArray[Any] | None) -> list[ctypes.c_void_p]:
    return [address(array) for array in arrays]


class _Detections(ctypes.Structure):
    _fields_ = [
        *_fields("num", "image class_ score outside"),
        *_fields("num_pairs", "detection instance overlap"),
    ]


class _Rules(ctypes.Structure):
    _fields_ = [
        *_fields("num_images num_classes num_instances", "crowd ignored known open"),
        *_fields("num_known num_open", "thresholds"),
        *_fields("num_thresholds num_ranges limit", ""),
    ]


class _Outcome(ctypes.Structure):
    _fields_ = _fields("", "class_ image rank right wrong")


def match_all(
    ground_truth: GroundTruth,
    detections: Measured,
    *,
    ignored_G: Ints,
    outside_N: Ints,
    thresholds_T: Floats,
    num_ranges: int,
    limit: int | None,
    num_threads: int,
) -> Rows:
    """Match detections, by the rule and in the order of :class:`Matches`.

    Args:
        ground_truth: the instances.
        detections: those that take part where their class is known.
        ignored_G: bits of the cases in which an instance is to be ignored.
        outside_N: bits of the cases in which a detection's area is outside of the range.
        thresholds_T: rising.
        num_ranges: of areas.
        limit: how many of an image and class take part; None for all.
        num_threads: share the classes; the answer does not depend on it.

    Returns:
        Class, image, rank, bits of the cases in which it is right, bits of those in which it is wrong, of each that takes part.
    """
    num = len(detections)
    pairs = detections.pair_detection_P, detections.pair_ground_truth_P, detections.overlap_P
    columns = detections.image_N, detections.class_N, detections.score_N, outside_N
    found = _Detections(num, *_addresses(*columns), len(pairs[0]), *_addresses(*pairs))
    known_Q, open_Q = ground_truth.known_key_Q, ground_truth.open_key_Q
    canvas = ground_truth.canvas
    rules = _Rules(
        len(canvas.image_id_I),
        canvas.num_classes,
        len(ground_truth),
        *_addresses(ground_truth.crowd_G, ignored_G, known_Q, open_Q),
        0 if known_Q is None else len(known_Q),
        0 if open_Q is None else len(open_Q),
        address(thresholds_T),
        len(thresholds_T),
        num_ranges,
        -1 if limit is None else limit,
    )

    def match_classes(first: int, end: int, room: int) -> Rows:
        small = [np.empty(room, np.int32) for _ in range(3)]
        bits = [np.empty(room, np.int64) for _ in range(2)]
        out = _Outcome(*_addresses(*small, *bits))
        some = map(ctypes.c_int32, (first, end))
        rows = loops().match_detections(ctypes.byref(found), ctypes.byref(rules), *some, ctypes.byref(out))
        if rows < 0:
            raise MemoryError
        return small[0][:rows], small[1][:rows], small[2][:rows], bits[0][:rows], bits[1][:rows]

    groups = _classes_in_groups(detections.class_N, canvas.num_classes, num_threads)
    with ThreadPoolExecutor(num_threads) as threads:
        joined = map(np.concatenate, zip(*threads.map(match_classes, *groups), strict=True))
        return cast("Rows", tuple(joined))


def _classes_in_groups(
    class_N: NDArray[np.int32], num_classes: int, num_groups: int
) -> tuple[list[int], list[int], list[int]]:
    """Cut the classes into groups of neighbours with about as many detections; return first, end and number of each."""
    before_K1 = np.concatenate([[0], np.cumsum(np.bincount(class_N, minlength=num_classes))])
    bounds = np.searchsorted(before_K1, before_K1[-1] * np.arange(1, num_groups) / num_groups)
    bound = [0, *bounds.tolist(), num_classes]
    return bound[:-1], bound[1:], np.diff(before_K1[bound]).tolist()


class _Matches(ctypes.Structure):
    _fields_ = _fields("", "right wrong image weight first")

    @classmethod
    def of(cls, matches: Matches, weight_I: Floats | None, start_K1: Ints | None) -> _Matches:
        return cls(*map(address, (matches.true_N, matches.false_N, matches.image_N, weight_I, start_K1)))


class _Table(ctypes.Structure):
    _fields_ = [
        *_fields("num_thresholds num_ranges num_recalls num_classes", "recalls class_ num_instances precision recall"),
    ]


def fill_curves(
    found: Curves, matches: Matches, weight_I: Floats | None, start_K1: Ints, num_AC: Floats, recalls_R: Floats
) -> Callable[[slice], None]:
    """Return what fills in the curves of a stretch of classes, in any thread.

    Args:
        found: curves whose values are set where instances count.
        matches: of all detections.
        weight_I: how often each image counts; None: each once.
        start_K1: first detection of each class, and the end.
        num_AC: how many instances count.
        recalls_R: rising.
    """
    num_ranges, num_thresholds, num_recalls, num_classes = found.precision_ATRC.shape
    columns = recalls_R, found.class_C, num_AC, found.precision_ATRC, found.recall_ATC
    table = _Table(num_thresholds, num_ranges, num_recalls, num_classes, *map(address, columns))
    rows = _Matches.of(matches, weight_I, start_K1)

    def fill(places: slice) -> None:
        done = loops().accumulate(
            ctypes.byref(rows), ctypes.byref(table), ctypes.c_int64(places.start), ctypes.c_int64(places.stop)
        )
        if not done:
            raise MemoryError

    return fill


def hits_of_best(matches: Matches, limit: int, weight_I: Floats | None, num_thresholds: int) -> Floats:
    """Count the hits of the ``limit`` best detections of each image and class over all areas, float64 [T, K]."""
    hits_TK = np.zeros((num_thresholds, matches.num_classes))
    sizes = len(matches.class_N), limit, num_thresholds, matches.num_classes
    loops().count_best(
        ctypes.byref(_Matches.of(matches, weight_I, None)),
        address(matches.class_N),
        address(matches.rank_N),
        *map(ctypes.c_int64, sizes),
        address(hits_TK),
    )
    return hits_TK
