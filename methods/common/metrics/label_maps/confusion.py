"""Counting which pairs of labels two maps give their pixels: the one pass over pixels behind every metric on PNG folders.

Label maps are made of areas, so pixels are first gathered into runs along the rows in which neither label changes; all else
happens on runs. That takes far less time than decoding the two files (`benchmarks/bench_png_metrics.py`).

Shape legend: ... pixels in any arrangement, the same for both maps; N pixels in a row or runs of them; P pairs of labels.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.png_labels import LabelMap

_MIN_PIXELS_PER_RUN = 8  # below, gathering runs costs more than it saves


class PairCounts(NamedTuple):
    """Every pair of labels that occurs, by first label, then second."""

    first_P: NDArray[np.int64]
    second_P: NDArray[np.int64]
    count_P: NDArray[np.int64]
    """Pixels that hold the pair, at least 1."""


def count_pairs(first: LabelMap, second: LabelMap) -> PairCounts:
    """Count the pixels of every pair (label in the first map, label in the second).

    Args:
        first: labels below 2^31, uint8, uint16 or uint32 [...].
        second: labels of the same pixels, of any of these types.
    """
    (first_N, second_N), length_N = gather_runs(first, second)
    return count_pairs_of_runs(first_N, second_N, length_N)


def add_confusion(confusion_KK: NDArray[np.int64], truth: LabelMap, prediction: LabelMap, ignored: int) -> None:
    """Add the pixels of an image to a confusion matrix, rows ground truth and columns prediction.

    Args:
        confusion_KK: int64, changed in place.
        truth: labels below K, or ``ignored`` for pixels that do not count [...].
        prediction: labels below K of the same pixels.
        ignored: no label below K.
    """
    truth_P, predicted_P, count_P = count_pairs(truth, prediction)
    rated_P = truth_P != ignored
    confusion_KK[truth_P[rated_P], predicted_P[rated_P]] += count_P[rated_P]


def gather_runs(*maps: LabelMap) -> tuple[list[LabelMap], NDArray[np.int64] | None]:
    """Gather pixels into runs in which none of the maps changes.

    Returns:
        The labels of each run in each map, and the runs' lengths in pixels; the pixels themselves and None where runs are
        so short that gathering would not pay.
    """
    assert len({label.shape for label in maps}) == 1, [label.shape for label in maps]
    flat = [label.ravel() for label in maps]
    changes = flat[0][1:] != flat[0][:-1]
    for label_N in flat[1:]:
        changes |= label_N[1:] != label_N[:-1]
    if (np.count_nonzero(changes) + 1) * _MIN_PIXELS_PER_RUN > len(flat[0]):
        return flat, None
    bounds = np.concatenate([[0], _places(changes) + 1, [len(flat[0])]])
    start = bounds[:-1]
    return [label_N.take(start) for label_N in flat], bounds[1:] - start


def _places(marks_N: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where few marks are, in order: words of eight are looked at first, four times as fast as `flatnonzero`."""
    num_words = len(marks_N) // 8
    words = marks_N[: 8 * num_words].view(np.uint64)
    marked = np.flatnonzero(words != 0)
    inside = np.flatnonzero(words.take(marked).view(bool))
    rest = 8 * num_words + np.flatnonzero(marks_N[8 * num_words :])
    return np.concatenate([8 * marked.take(inside >> 3) + (inside & 7), rest])


def count_pairs_of_runs(first_N: LabelMap, second_N: LabelMap, length_N: NDArray[np.int64] | None) -> PairCounts:
    """Count the pixels of every pair of labels of two maps, from what :func:`gather_runs` returns."""
    if not len(first_N):
        return PairCounts(*(np.zeros(0, np.int64) for _ in range(3)))
    width = int(second_N.max()) + 1
    num_pairs = (int(first_N.max()) + 1) * width
    kind: type[Any] = np.uint16 if num_pairs < 1 << 16 else np.int64
    pair_N = first_N.astype(kind)
    pair_N *= width
    pair_N += second_N.astype(kind, copy=False)
    pair_P, count_P = _count(pair_N, length_N, num_pairs)
    first_P = pair_P // width
    return PairCounts(first_P, pair_P - first_P * width, count_P)


def _count(
    pair_N: NDArray[Any], length_N: NDArray[np.int64] | None, num_pairs: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs that occur, in order, and their pixels; by a table where it isn't much larger than the input."""
    if num_pairs <= 4 * max(len(pair_N), 1 << 14):
        table = np.bincount(pair_N, length_N)  # float64 with lengths: exact up to 2^53 pixels
        pair_P = np.flatnonzero(table != 0)
        return pair_P, table[pair_P].astype(np.int64)
    if length_N is None:
        pair_P, count_P = np.unique(pair_N, return_counts=True)
        return pair_P.astype(np.int64), count_P
    pair_P, index_N = np.unique(pair_N, return_inverse=True)
    return pair_P.astype(np.int64), np.bincount(index_N, length_N).astype(np.int64)


def pool_images(count_I: NDArray[Any], weight_I: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Add up what images contributed, each as often as its weight says; exact for whole numbers.

    Args:
        count_I: statistic of each image [I, ...].
        weight_I: how often each image counts (I,); None counts each once.
    """
    total: NDArray[np.float64] = (
        count_I.sum(axis=0).astype(np.float64) if weight_I is None else np.tensordot(weight_I, count_I, 1)
    )
    return total


def divide(numerator_K: NDArray[np.float64], denominator_K: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide element by element; NaN where the denominator is 0."""
    quotient_K = np.full(denominator_K.shape, np.nan)
    np.divide(numerator_K, denominator_K, out=quotient_K, where=denominator_K != 0)
    return quotient_K


def mean_defined(value_K: NDArray[np.float64]) -> float | None:
    """Average what is not NaN; None if nothing is."""
    defined = value_K[~np.isnan(value_K)]
    return float(defined.mean()) if defined.size else None


def none_if_nan(value: float) -> float | None:
    """Return a plain float, or None for NaN."""
    return None if np.isnan(value) else float(value)
