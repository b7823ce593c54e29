"""Precision and recall from matches, by the rule of COCO and LVIS, with images counted as often as one likes.

The rule (pycocotools' `accumulate`, which lvis-api shares): in falling order of score, precision at a recall is the best
precision at that recall or beyond, read at 101 recalls; 0 where the recall is never reached; undefined where a class has no
instance. With every image counted once the numbers equal the official ones to the last bit.

Shape legend: N detections; H hits (right detections) of one case; G instances; I images; K classes; T = 10 thresholds;
R = 101 recalls; A = 4 area ranges; K1 = K + 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.common.metrics.detections_matching import AREA_RANGES, IOU_THRESHOLDS, Matches, case_bit
from methods.common.metrics.detections_truth import Floats, Ints

RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Curves:
    """-1 marks what is undefined."""

    precision_TRKA: Floats
    recall_TKA: Floats


def curves(matches: Matches, weight_I: Floats | None = None) -> Curves:
    """Accumulate matches; ``weight_I`` says how often each image counts, None that each counts once."""
    shape = (len(IOU_THRESHOLDS), len(RECALLS), matches.num_classes, len(AREA_RANGES))
    found = Curves(np.full(shape, -1.0), np.full((shape[0], *shape[2:]), -1.0))
    weight_N = None if weight_I is None else weight_I[matches.image_N]
    start_K1 = np.searchsorted(matches.class_N, np.arange(matches.num_classes + 1))
    for area_range in range(len(AREA_RANGES)):
        num_K = _num_instances(matches, area_range, weight_I)
        defined_K = np.flatnonzero(num_K)
        needed_KR = _needed_hits(num_K[defined_K])
        for threshold in range(len(IOU_THRESHOLDS)):
            case = _Case.of(matches, case_bit(threshold, area_range), weight_N, start_K1)
            total_K, precision_KR = case.read(defined_K, needed_KR)
            found.precision_TRKA[threshold, :, defined_K, area_range] = precision_KR
            found.recall_TKA[threshold, defined_K, area_range] = total_K / num_K[defined_K]
    return found


def recall_of_best(matches: Matches, limit: int, weight_I: Floats | None = None) -> Floats:
    """Return the recall over all areas of the ``limit`` best detections an image and class, float64 [T, K]."""
    num_K = _num_instances(matches, 0, weight_I)
    recall_TK = np.full((len(IOU_THRESHOLDS), matches.num_classes), -1.0)
    best_N = np.flatnonzero(matches.rank_N < limit)
    true_N, class_N = matches.true_N[best_N], matches.class_N[best_N]
    weight_N = np.ones(len(best_N)) if weight_I is None else weight_I[matches.image_N[best_N]]
    for threshold in range(len(IOU_THRESHOLDS)):
        hit_N = (true_N >> case_bit(threshold, 0)) & 1
        found_K = np.bincount(class_N, hit_N * weight_N, matches.num_classes)
        recall_TK[threshold, num_K > 0] = found_K[num_K > 0] / num_K[num_K > 0]
    return recall_TK


def mean_defined(values: Floats) -> float | None:
    """Average what is defined; None where nothing is."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def _num_instances(matches: Matches, area_range: int, weight_I: Floats | None) -> Floats:
    counts_G = ((matches.counts_G >> case_bit(0, area_range)) & 1).astype(np.float64)
    if weight_I is not None:
        counts_G *= weight_I[matches.image_G]
    return np.asarray(np.bincount(matches.class_G, counts_G, matches.num_classes), np.float64)


def _needed_hits(num_K: Floats) -> Floats:
    """Return the least whole number of hits whose share of the instances reaches each recall, at least 1, [K, R]."""
    needed_KR = np.maximum(np.floor(RECALLS * num_K[:, None]) - 1, 0)
    for _ in range(3):  # division rounds, so the share itself is compared, as the official tools do
        needed_KR += needed_KR / num_K[:, None] < RECALLS
    return np.asarray(np.maximum(needed_KR, 1))


@dataclass(frozen=True)
class _Case:
    """The hits of one case (threshold and area range), class after class in falling order of score."""

    hits_H: Floats | None
    """How many hits there are up to and with each, over all classes; None: one more each time."""
    precision_H: Floats
    start_K1: Ints
    """First hit of each class, and the end."""

    @classmethod
    def of(cls, matches: Matches, bit: int, weight_N: Floats | None, start_K1: Ints) -> _Case:
        hit = np.flatnonzero((matches.true_N >> bit) & 1)
        wrong_N = (matches.false_N >> bit) & 1
        wrong_N1 = np.zeros(len(wrong_N) + 1, np.int64 if weight_N is None else np.float64)
        np.cumsum(wrong_N if weight_N is None else wrong_N * weight_N, out=wrong_N1[1:])
        start_K1_of_hits = np.searchsorted(hit, start_K1)
        num_hits_K = np.diff(start_K1_of_hits)
        hits_H = None if weight_N is None else np.cumsum(weight_N[hit])
        right_H = _within(hits_H, start_K1_of_hits)
        wrong_H = wrong_N1[hit] - np.repeat(wrong_N1[start_K1[:-1]], num_hits_K)
        return cls(hits_H, right_H / (wrong_H + right_H + np.spacing(1)), start_K1_of_hits)

    def read(self, defined_K: Ints, needed_KR: Floats) -> tuple[Floats, Floats]:
        """Return the hits of each defined class and its precision at every recall, [K] and [K, R]."""
        start_K, stop_K = self.start_K1[defined_K], self.start_K1[defined_K + 1]
        if self.hits_H is None:
            total_K = (stop_K - start_K).astype(np.float64)
            place_KR = start_K[:, None] + needed_KR.astype(np.int64) - 1
        else:
            hits_H1 = np.concatenate([[0.0], self.hits_H])
            total_K = hits_H1[stop_K] - hits_H1[start_K]
            place_KR = np.searchsorted(self.hits_H, hits_H1[start_K][:, None] + needed_KR)
        reached_KR = needed_KR <= total_K[:, None]
        # The best precision from each place to the next one, and to the end of the class after the last; then backwards.
        padded_H1 = np.append(self.precision_H, 0.0)
        place_KR = np.where(reached_KR, place_KR, stop_K[:, None])
        edges_KR1 = np.concatenate([place_KR, stop_K[:, None]], axis=1)
        best_KR1 = np.maximum.reduceat(padded_H1, edges_KR1.ravel()).reshape(edges_KR1.shape)
        best_KR = np.where(reached_KR, best_KR1[:, :-1], 0.0)
        return total_K, np.maximum.accumulate(best_KR[:, ::-1], axis=1)[:, ::-1]


def _within(hits_H: Floats | None, start_K1: Ints) -> NDArray[np.float64]:
    """Number the hits of each class by their weights."""
    num_K = np.diff(start_K1)
    if hits_H is None:
        return np.arange(1, int(start_K1[-1]) + 1, dtype=np.float64) - np.repeat(start_K1[:-1], num_K)
    return np.asarray(hits_H - np.repeat(np.concatenate([[0.0], hits_H])[start_K1[:-1]], num_K))
