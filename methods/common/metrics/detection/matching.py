"""Greedy matching of detections to instances by the rule of COCO and LVIS, for all thresholds and area ranges at once.

The rule (pycocotools' `evaluateImg`, which lvis-api shares): within an image and class, detections choose in falling order of
score; each takes the free instance with the largest overlap that reaches the threshold, one that counts before one that is
ignored, of equal overlaps the later instance; a crowd is always free. A detection is ignored when its instance is, or when it
has none and its own area lies outside the range.

Each of the 40 cases (10 thresholds in each of 4 area ranges) is one bit of a whole number, so that one operation decides
all of them. Compiled loops do it where there is a compiler; with numpy all images and classes take their next step together.

Shape legend: N detections; G instances; P pairs; E entries, one a pair and way to match; I images.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import library
from methods.common.compiled.matching import match_all
from methods.common.metrics.detection.ground_truth import Bools, Floats, GroundTruth, Ints, is_among
from methods.common.metrics.detection.overlaps import Measured

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREA_RANGES = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""All, small, medium, large; square pixels, both ends included."""

_NUM_THRESHOLDS = len(IOU_THRESHOLDS)
_ONE_RANGE = (1 << _NUM_THRESHOLDS) - 1
ALL_CASES = (1 << _NUM_THRESHOLDS * len(AREA_RANGES)) - 1


def case_bit(threshold: int, area_range: int) -> int:
    """Return the place of one case among the bits."""
    return area_range * _NUM_THRESHOLDS + threshold


@dataclass(frozen=True)
class Matches:
    """What every detection came to; 28 bytes each. Sorted by class, then falling score, then image."""

    class_N: NDArray[np.int32]
    image_N: NDArray[np.int32]
    rank_N: NDArray[np.int32]
    """Place of a detection within its image and class, from 0."""
    true_N: Ints
    """Bits of the cases in which a detection is right."""
    false_N: Ints
    """Bits of the cases in which it is wrong; in all others it is ignored."""
    class_G: Ints
    image_G: Ints
    counts_G: Ints
    """Bits of the cases in which an instance is to be found."""
    num_classes: int


def match(ground_truth: GroundTruth, detections: Measured, limit: int | None = None, num_threads: int = 1) -> Matches:
    """Match all detections.

    Args:
        ground_truth: the instances.
        detections: those that take part.
        limit: how many of an image and class take part, the highest scores first; None for all.
        num_threads: share the work; the answer does not depend on it.
    """
    ignored_G = np.where(ground_truth.ignored_G, ALL_CASES, _outside_ranges(ground_truth.area_G))
    if library() is None:
        columns = _match_in_step(ground_truth, detections, ignored_G, limit, num_threads)
    else:
        outside_N, num_ranges = _outside_ranges(detections.area_N), len(AREA_RANGES)
        rules: Any = {
            "thresholds_T": IOU_THRESHOLDS,
            "num_ranges": num_ranges,
            "limit": limit,
            "num_threads": num_threads,
        }
        columns = _Columns(*match_all(ground_truth, detections, ignored_G=ignored_G, outside_N=outside_N, **rules))
    return Matches(
        **columns._asdict(),
        class_G=ground_truth.class_index,
        image_G=ground_truth.image_index,
        counts_G=~ignored_G & ALL_CASES,
        num_classes=ground_truth.canvas.num_classes,
    )


def _match_in_step(
    ground_truth: GroundTruth, detections: Measured, ignored_G: Ints, limit: int | None, num_threads: int
) -> _Columns:
    """Match with numpy, all images and classes in step."""
    free_G = np.full(len(ground_truth), ALL_CASES, np.int64)  # shared by all groups: none have an instance in common

    def match_group(group: Measured) -> _Columns:
        return _match_group(ground_truth, group, ignored_G, free_G, limit)

    with ThreadPoolExecutor(num_threads) as threads:
        groups = list(threads.map(match_group, _groups_of_classes(detections, ground_truth.canvas.num_classes)))
    return _Columns(*(np.concatenate(column) for column in zip(*groups, strict=True)))


class _Columns(NamedTuple):
    """The columns of :class:`Matches` that a group of detections brings."""

    class_N: NDArray[np.int32]
    image_N: NDArray[np.int32]
    rank_N: NDArray[np.int32]
    true_N: Ints
    false_N: Ints


_GROUP = 50_000
"""Detections that are matched at a time, and those of the last class among them: their arrays stay in the cache."""


def _groups_of_classes(detections: Measured, num_classes: int) -> Iterator[Measured]:
    """Cut detections by their classes, as many neighbouring classes together as reach the size of a group; at least one."""
    num_K = np.bincount(detections.class_N, minlength=num_classes)
    group_K = (np.cumsum(num_K) - num_K) // _GROUP
    return detections.split(group_K[detections.class_N], int(group_K[-1]) + 1)


def _match_group(
    ground_truth: GroundTruth, detections: Measured, ignored_G: Ints, free_G: Ints, limit: int | None
) -> _Columns:
    """Match the detections of some classes."""
    key_N = detections.keys(ground_truth.canvas.num_classes)
    if ground_truth.known_key_Q is not None:
        known_N = is_among(key_N, ground_truth.known_key_Q)
        detections, key_N = detections.subset(known_N), key_N[known_N]
    # By image first, so that of equal scores of a class the smaller image id leads.
    final = _sorting(detections.image_N)
    final = final[np.argsort(-detections.score_N[final], kind="stable")]
    final = final[_sorting(detections.class_N[final])]
    by_key = final[_sorting(key_N[final])]
    rank_N = np.empty(len(key_N), np.int64)
    rank_N[by_key] = _places_within(key_N[by_key])
    outside_N = _outside_ranges(detections.area_N)
    if ground_truth.open_key_Q is not None:
        outside_N[is_among(key_N, ground_truth.open_key_Q)] = ALL_CASES
    matched_N, to_ignored_N = _assign(ground_truth, detections, key_N, rank_N, ignored_G, free_G, limit)
    false_N = ~(matched_N | outside_N) & ALL_CASES
    if limit is not None:
        final = final[rank_N[final] < limit]
    return _Columns(
        detections.class_N[final],
        detections.image_N[final],
        rank_N[final].astype(np.int32),
        (matched_N & ~to_ignored_N)[final],
        false_N[final],
    )


def _sorting(*columns: NDArray[np.integer]) -> Ints:
    """Return the order by whole numbers from 0, the most important column first, equal ones as they come.

    A radix sort by 16 bits at a time, which numpy does ten times as fast as a stable sort of longer numbers.
    """
    order = np.arange(len(columns[0]))
    for column in reversed(columns):
        for shift in range(0, int(column.max(initial=0)).bit_length(), 16):
            digits = ((column >> shift) & 0xFFFF).astype(np.uint16)
            order = order[np.argsort(digits[order], kind="stable")]
    return order


def _places_within(key_N: Ints) -> Ints:
    """Number the members of each stretch of equal keys, which are not negative, from 0."""
    starts = np.flatnonzero(np.diff(key_N, prepend=-1))
    return np.arange(len(key_N)) - np.repeat(starts, np.diff(np.append(starts, len(key_N))))


def _outside_ranges(area_N: Floats) -> Ints:
    """Return the bits of the area ranges that an area lies outside of."""
    outside_N = np.zeros(len(area_N), np.int64)
    for index, (low, high) in enumerate(AREA_RANGES):
        outside_N += ((area_N < low) | (area_N > high)) * np.int64(_ONE_RANGE << (index * _NUM_THRESHOLDS))
    return outside_N


def _assign(
    ground_truth: GroundTruth,
    detections: Measured,
    key_N: Ints,
    rank_N: Ints,
    ignored_G: Ints,
    free_G: Ints,
    limit: int | None,
) -> tuple[Ints, Ints]:
    """Go through the entries of every image and class in order, all images and classes in step; changes ``free_G``.

    Returns:
        Bits of the cases in which a detection is matched, and matched to an ignored instance.
    """
    detection_P, truth_P, overlap_P = detections.pair_detection_P, detections.pair_ground_truth_P, detections.overlap_P
    if limit is not None:
        inside_P = rank_N[detection_P] < limit
        detection_P, truth_P, overlap_P = detection_P[inside_P], truth_P[inside_P], overlap_P[inside_P]
    reached_P = np.searchsorted(IOU_THRESHOLDS, overlap_P, "right")
    one_range_P = (np.int64(1) << reached_P) - 1
    cases_P = np.zeros(len(overlap_P), np.int64)
    for index in range(len(AREA_RANGES)):
        cases_P |= one_range_P << (index * _NUM_THRESHOLDS)
    # A pair may match where its instance counts, and after all those of its detection, where it is ignored; the only
    # pair of a detection may do both at once.
    only_P = np.bincount(detection_P)[detection_P] == 1
    first_P = np.where(only_P, cases_P, cases_P & ~ignored_G[truth_P])
    cases_E = np.concatenate([first_P, cases_P & ~first_P])
    entry = np.flatnonzero(cases_E)
    pair_E, second_E, cases_E = entry % max(len(cases_P), 1), entry >= len(cases_P), cases_E[entry]
    detection_E, truth_E = detection_P[pair_E], truth_P[pair_E]
    order = _order(key_N[detection_E], rank_N[detection_E], second_E, overlap_P[pair_E], truth_E)
    step_E = _places_within(key_N[detection_E[order]])
    order = order[_sorting(step_E)]
    detection_E, truth_E, cases_E = detection_E[order], truth_E[order], cases_E[order]
    open_N = np.full(len(key_N), ALL_CASES, np.int64)
    to_ignored_N = np.zeros(len(key_N), np.int64)
    stops = np.cumsum(np.bincount(step_E)).tolist()
    for start, stop in zip([0, *stops], stops, strict=False):
        who, what = detection_E[start:stop], truth_E[start:stop]
        taken = cases_E[start:stop] & open_N[who] & free_G[what]
        open_N[who] &= ~taken
        free_G[what] &= ~np.where(ground_truth.crowd_G[what], 0, taken)
        to_ignored_N[who] |= taken & ignored_G[what]
    return ~open_N & ALL_CASES, to_ignored_N


def _order(key_E: Ints, rank_E: Ints, second_E: Bools, overlap_E: Floats, truth_E: Ints) -> Ints:
    """Sort entries by image and class, then rank, then ways to match, then falling overlap, then falling instance."""
    order = _sorting(key_E, rank_E)
    same = (key_E[order][1:] == key_E[order][:-1]) & (rank_E[order][1:] == rank_E[order][:-1])
    # Most detections have one entry; the others are put in order among themselves, in the places they have.
    several = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))[: len(order)]
    among = order[several]
    falling = (-truth_E[among], -overlap_E[among], second_E[among], rank_E[among], key_E[among])
    order[several] = among[np.lexsort(falling)]
    return order
