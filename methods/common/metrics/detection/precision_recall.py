"""Precision and recall from matches, by the rule of COCO and LVIS, with images counted as often as one likes.

The rule (pycocotools' `accumulate`, which lvis-api shares): in falling order of score, precision at a recall is the best
precision at that recall or beyond, read at 101 recalls; 0 where the recall is never reached; undefined where a class has no
instance. With every image counted once the numbers equal the official ones to the last bit.

Shape legend: N detections; H hits (right detections) of one case; G instances; I images; K classes; C classes with instances;
D classes with instances that count; T = 10 thresholds; R = 101 recalls; A = 4 area ranges; K1 = K + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import library
from methods.common.compiled.matching import fill_curves, hits_of_best
from methods.common.metrics.detection.ground_truth import Floats, Ints
from methods.common.metrics.detection.matching import AREA_RANGES, IOU_THRESHOLDS, Matches, case_bit

RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Curves:
    """Precision and recall of the classes that have instances; -1 marks what is undefined all the same."""

    class_C: Ints
    """Indices of the classes."""
    precision_ATRC: Floats
    recall_ATC: Floats

    def _place(self, class_index: int) -> tuple[int, bool]:
        place = int(np.searchsorted(self.class_C, class_index))
        return place, bool(place < len(self.class_C) and self.class_C[place] == class_index)

    def average_precision(self, class_index: int) -> float | None:
        """Return the AP of one class; None where nothing defines one."""
        place, present = self._place(class_index)
        return official_mean(self.precision_ATRC[0, ..., place]) if present else None

    def row(self, class_index: int) -> dict[str, float | None]:
        """Return AP, AP50, AP75, APs, APm, APl and AR of one class; None where nothing defines one."""
        place, present = self._place(class_index)
        precision_ATR = self.precision_ATRC[..., place] if present else np.full((4, 10, 1), -1.0)
        numbers = {"AP": official_mean(precision_ATR[0])}
        numbers |= {f"AP{percent}": official_mean(precision_ATR[0, at_percent(percent)]) for percent in (50, 75)}
        numbers |= {f"AP{name}": official_mean(precision_ATR[area]) for area, name in enumerate("sml", start=1)}
        return numbers | {"AR": official_mean(self.recall_ATC[0, :, place]) if present else None}


def at_percent(percent: int) -> NDArray[np.bool_]:
    """Mark the IoU threshold of ``percent``, bool (T,)."""
    return np.asarray(percent / 100 == IOU_THRESHOLDS)


def curves(matches: Matches, weight_I: Floats | None = None, num_threads: int = 1) -> Curves:
    """Accumulate matches.

    Args:
        matches: of all detections that take part.
        weight_I: how often each image counts; None: each once.
        num_threads: share the work; the answer does not depend on it.
    """
    class_C = np.flatnonzero(np.bincount(matches.class_G, minlength=matches.num_classes))
    shape = (len(AREA_RANGES), len(IOU_THRESHOLDS), len(RECALLS), len(class_C))
    found = Curves(class_C, np.full(shape, -1.0), np.full((*shape[:2], shape[3]), -1.0))
    num_AC = np.stack([num_instances(matches, area_range, weight_I)[class_C] for area_range in range(len(AREA_RANGES))])
    start_K1 = np.searchsorted(matches.class_N, np.arange(matches.num_classes + 1))
    if library() is None:
        fill = _fill_with_numpy(found, matches, weight_I, start_K1, num_AC)
    else:
        fill = fill_curves(found, matches, weight_I, start_K1, num_AC, RECALLS)
    with ThreadPoolExecutor(num_threads) as threads:
        list(threads.map(fill, _groups(start_K1[class_C])))
    return found


def _fill_with_numpy(
    found: Curves, matches: Matches, weight_I: Floats | None, start_K1: Ints, num_AC: Floats
) -> Callable[[slice], None]:
    class_C = found.class_C

    def fill(group: slice) -> None:
        """Accumulate some neighbouring classes."""
        first, last = class_C[group][[0, -1]].tolist()
        mine = slice(int(start_K1[first]), int(start_K1[last + 1]))
        columns = (
            matches.true_N[mine],
            matches.false_N[mine],
            None if weight_I is None else weight_I[matches.image_N[mine]],
        )
        for area_range in range(len(AREA_RANGES)):
            defined = np.flatnonzero(num_AC[area_range][group])
            num_D, place_D = num_AC[area_range][group][defined], defined + group.start
            needed_DR = _needed_hits(num_D)
            for threshold in range(len(IOU_THRESHOLDS)):
                case = _Case.of(*columns, start_K1[first : last + 2] - mine.start, case_bit(threshold, area_range))
                total_D, precision_DR = case.read(class_C[place_D] - first, needed_DR)
                found.precision_ATRC[area_range, threshold][:, place_D] = precision_DR.T
                found.recall_ATC[area_range, threshold, place_D] = total_D / num_D

    return fill


_GROUP = 200_000
"""Detections that are accumulated at a time, and those of the last class among them: their arrays stay in the cache."""


def _groups(start_C: Ints) -> list[slice]:
    """Cut classes into neighbours, as many together as reach the size of a group."""
    first = np.flatnonzero(np.diff(start_C // _GROUP, prepend=-1)).tolist()
    return [slice(start, stop) for start, stop in pairwise([*first, len(start_C)])]


def recall_of_best(matches: Matches, limit: int, weight_I: Floats | None = None) -> Floats:
    """Return the recall over all areas of the ``limit`` best detections an image and class, float64 [T, K]."""
    num_K = num_instances(matches, 0, weight_I)
    recall_TK = np.full((len(IOU_THRESHOLDS), matches.num_classes), -1.0)
    count = _hits_of_best if library() is None else hits_of_best
    found_TK = count(matches, limit, weight_I, len(IOU_THRESHOLDS))
    recall_TK[:, num_K > 0] = found_TK[:, num_K > 0] / num_K[num_K > 0]
    return recall_TK


def _hits_of_best(matches: Matches, limit: int, weight_I: Floats | None, num_thresholds: int) -> Floats:
    best_N = np.flatnonzero(matches.rank_N < limit)
    true_N, class_N = matches.true_N[best_N], matches.class_N[best_N]
    weight_N = np.ones(len(best_N)) if weight_I is None else weight_I[matches.image_N[best_N]]
    hits = [(true_N >> case_bit(threshold, 0)) & 1 for threshold in range(num_thresholds)]
    return np.stack([np.bincount(class_N, hit_N * weight_N, matches.num_classes) for hit_N in hits])


def official_mean(values: Floats) -> float | None:
    """Average what is defined; None where nothing is."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def num_instances(matches: Matches, area_range: int = 0, weight_I: Floats | None = None) -> Floats:
    """Return how many instances of each class count, ignored ones left out, float64 (K,)."""
    counts_G = ((matches.counts_G >> case_bit(0, area_range)) & 1).astype(np.float64)
    if weight_I is not None:
        counts_G *= weight_I[matches.image_G]
    return np.asarray(np.bincount(matches.class_G, counts_G, matches.num_classes), np.float64)


def _needed_hits(num_D: Floats) -> Floats:
    """Return the least whole number of hits whose share of the instances reaches each recall, at least 1, [D, R]."""
    needed_DR = np.maximum(np.floor(RECALLS * num_D[:, None]) - 1, 0)
    for _ in range(3):  # division rounds, so the share itself is compared, as the official tools do
        needed_DR += needed_DR / num_D[:, None] < RECALLS
    return np.asarray(np.maximum(needed_DR, 1))


@dataclass(frozen=True)
class _Case:
    """The hits of one case (threshold and area range), class after class in falling order of score."""

    hits_H: Floats | None
    """How many hits there are up to and with each, over all classes; None: one more each time."""
    precision_H: Floats
    start_K1: Ints
    """First hit of each class, and the end."""

    @classmethod
    def of(cls, true_N: Ints, false_N: Ints, weight_N: Floats | None, start_K1: Ints, bit: int) -> _Case:
        hit = np.flatnonzero((true_N >> bit) & 1)
        wrong_N = (false_N >> bit) & 1
        wrong_N1 = np.zeros(len(wrong_N) + 1, np.int64 if weight_N is None else np.float64)
        np.cumsum(wrong_N if weight_N is None else wrong_N * weight_N, out=wrong_N1[1:])
        start_K1_of_hits = np.searchsorted(hit, start_K1)
        num_hits_K = np.diff(start_K1_of_hits)
        hits_H = None if weight_N is None else np.cumsum(weight_N[hit])
        right_H = _within(hits_H, start_K1_of_hits)
        wrong_H = wrong_N1[hit] - np.repeat(wrong_N1[start_K1[:-1]], num_hits_K)
        return cls(
            hits_H,
            right_H / (wrong_H + right_H + np.spacing(1)),
            start_K1_of_hits,
        )

    def read(self, class_D: Ints, needed_DR: Floats) -> tuple[Floats, Floats]:
        """Return the hits of chosen classes and their precision at every recall, (D,) and [D, R]."""
        start_D, stop_D = self.start_K1[class_D], self.start_K1[class_D + 1]
        if self.hits_H is None:
            total_D = (stop_D - start_D).astype(np.float64)
            place_DR = start_D[:, None] + needed_DR.astype(np.int64) - 1
        else:
            hits_H1 = np.concatenate([[0.0], self.hits_H])
            total_D = hits_H1[stop_D] - hits_H1[start_D]
            place_DR = np.searchsorted(self.hits_H, hits_H1[start_D][:, None] + needed_DR)
        reached_DR = needed_DR <= total_D[:, None]
        # The best precision from each place to the next one, and to the end of the class after the last; then backwards.
        padded_H1 = np.append(self.precision_H, 0.0)
        place_DR = np.minimum(place_DR, stop_D[:, None])  # those beyond the class are not reached
        edges_DR1 = np.concatenate([place_DR, stop_D[:, None]], axis=1)
        best_DR1 = np.maximum.reduceat(padded_H1, edges_DR1.ravel()).reshape(edges_DR1.shape)
        best_DR = best_DR1[:, :-1] * reached_DR
        return total_D, np.maximum.accumulate(best_DR[:, ::-1], axis=1)[:, ::-1]


def _within(hits_H: Floats | None, start_K1: Ints) -> NDArray[np.float64]:
    """Number the hits of each class by their weights."""
    num_K = np.diff(start_K1)
    if hits_H is None:
        return np.arange(1, int(start_K1[-1]) + 1, dtype=np.float64) - np.repeat(start_K1[:-1], num_K)
    return np.asarray(hits_H - np.repeat(np.concatenate([[0.0], hits_H])[start_K1[:-1]], num_K))
