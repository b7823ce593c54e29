"""Is one set of predictions better than another on the same images? A paired bootstrap over images.

Resamples may lie to one side of the value: a class whose few images were not drawn drops out, or stands several times beside its
false positives, which raises AP; pictures drawn twice raise FID. Uncentred percentile intervals then leave out the very value that
they are for. Where that happens the resampled differences are moved to have the value as their mean; elsewhere they stay as they
are, as moving them by chance would take many that are 0, where few images differ, to one side of 0.

Shape legend: I images, B resamples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.metrics.evaluation import Evaluation, OfSet, Progress
from methods.common.metrics.processes import process_pool

CONFIDENCE = 0.95
MAX_BIAS = 0.25
"""Standard errors by which resamples may lie beside the value, Sec. 10.3 of Efron and Tibshirani 1993."""
_WORTH_PROCESSES_S = 3.0
RESAMPLING_RULE = (
    "images drawn with replacement, as many as there are; differences whose mean lies more than a quarter of their standard deviation "
    "beside the value, and more than chance explains, are moved to it"
)
INTERVAL_RULE = "percentile interval, 95 %, of the resampled differences"
P_VALUE_RULE = (
    "p = min(1, 2 (1 + min(k, m)) / (B + 1)), where k of the B resampled differences are at most 0 and m are at least 0"
)


@dataclass(frozen=True)
class Difference:
    """One metric of two sets of predictions; None where nothing defines a value."""

    first: float | None
    second: float | None
    difference: float | None
    """First minus second."""
    low: float | None
    high: float | None
    """The ends of the interval of the difference."""
    p_value: float | None
    """Two-sided, of the hypothesis that there is no difference."""
    num_resamples: int
    """How many resamples define the metric for both; the others take no part."""
    bias: float | None
    """Mean of the resampled differences minus the difference; taken off before the interval where it is large."""
    standard_error: float | None
    """Standard deviation of the resampled differences; None for fewer than two."""

    @property
    def is_biased(self) -> bool:
        """Whether the resamples lay so far beside the value that they were moved."""
        return self.bias is not None and _is_large(self.bias, self.standard_error, self.num_resamples)


def paired_bootstrap(
    first: Evaluation,
    second: Evaluation,
    num_resamples: int,
    seed: int,
    progress: Progress | None = None,
    num_processes: int = 1,
) -> dict[str, Difference]:
    """Resample the images, the same ones for both, and recompute every metric on each resample.

    The images are drawn with replacement, as many as there are, so that their counts are multinomial; sets of pictures with a meaning
    of their own (FID, KID) may hold different images, which are then drawn apart. Differences with a large bias (``MAX_BIAS``) are
    centred: their mean is moved to the value on all images. The interval takes their 2.5th and 97.5th percentile. The p-value is
    the smallest error rate at which such an interval leaves out 0, with 1 added to both counts so that it is never 0 and errs on
    the safe side.

    Args:
        first: A.
        second: B, on the same images in the same order.
        num_resamples: at least 1.
        seed: of the resamples; equal seeds give equal answers.
        progress: told (resamples done, resamples in all).
        num_processes: used where the work takes longer than starting them; each holds a copy of both evaluations. The
            answers do not depend on it.

    Returns:
        The differences A minus B by the metric's name.

    Raises:
        InputError: the two were not evaluated on the same images.
    Source: Secs. 13.3 and 15.4 of Efron and Tibshirani 1993 (percentile interval; tests by inverting it); Davison and
    Hinkley 1997, chapter 4 (the 1 in both counts). The centring is our choice, checked by simulation (docs/metrics.md).
    """
    assert num_resamples >= 1
    is_paired = _check_images(first, second)
    official = first.metrics(), second.metrics()
    rows = []
    for row in _resample(_Pair(first, second, seed, is_paired), num_resamples, num_processes):
        rows.append(row)
        if progress is not None:
            progress(len(rows), num_resamples)
    return {
        name: _summarise(official[0][name], official[1][name], np.array([row[name] for row in rows]))
        for name in rows[0]
    }


def draw_weights(num_images: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw how often each image counts in a resample, float64 (I,)."""
    drawn = generator.integers(num_images, size=num_images)
    return np.bincount(drawn, minlength=num_images).astype(np.float64)


@dataclass(frozen=True)
class _Pair:
    first: Evaluation
    second: Evaluation
    seed: int
    is_paired: bool

    def differences(self, index: int) -> dict[str, float]:
        """Return the difference of each metric on one resample, NaN where undefined. Depends on nothing but the index."""
        generator = np.random.default_rng([self.seed, index])
        weight_I = draw_weights(len(self.first.image_ids), generator)
        other_I = weight_I if self.is_paired else draw_weights(len(self.second.image_ids), generator)
        of_first, of_second = self.first.metrics(weight_I), self.second.metrics(other_I)
        return {name: _difference(of_first[name], of_second[name]) for name in of_first if name in of_second}


def _resample(pair: _Pair, num_resamples: int, num_processes: int) -> Iterator[dict[str, float]]:
    """Yield the differences of every resample in order, the first one from this process, to see how long one takes."""
    started = time.perf_counter()
    yield pair.differences(0)
    expected_s = (time.perf_counter() - started) * (num_resamples - 1)
    if num_processes == 1 or expected_s < _WORTH_PROCESSES_S:
        yield from map(pair.differences, range(1, num_resamples))
        return
    with process_pool(num_processes, [__name__], _receive, pair) as pool:
        chunk = max(1, min(16, num_resamples // (4 * num_processes)))
        yield from pool.map(_differences, range(1, num_resamples), chunksize=chunk)


_pair: _Pair | None = None


def _receive(pair: _Pair) -> None:
    global _pair
    _pair = pair


def _differences(index: int) -> dict[str, float]:
    assert _pair is not None
    return _pair.differences(index)


def _difference(first: float | None, second: float | None) -> float:
    return np.nan if first is None or second is None else first - second


def _summarise(first: float | None, second: float | None, resampled_B: NDArray[np.float64]) -> Difference:
    defined_B = resampled_B[np.isfinite(resampled_B)]
    if first is None or second is None or not len(defined_B):
        return Difference(first, second, None, None, None, None, len(defined_B), None, None)
    difference, tail = first - second, (1 - CONFIDENCE) / 2
    bias = float(defined_B.mean()) - difference
    error = float(defined_B.std(ddof=1)) if len(defined_B) > 1 else None
    counted_B = defined_B - bias if _is_large(bias, error, len(defined_B)) else defined_B
    low, high = np.quantile(counted_B, [tail, 1 - tail]).tolist()
    fewer = int(min((counted_B <= 0).sum(), (counted_B >= 0).sum()))
    p_value = min(1.0, 2 * (1 + fewer) / (len(defined_B) + 1))
    return Difference(first, second, difference, low, high, p_value, len(defined_B), bias, error)


def _is_large(bias: float, standard_error: float | None, num_resamples: int) -> bool:
    if standard_error is None:
        return False
    chance = 2 / math.sqrt(num_resamples)  # standard errors by which the mean of so few resamples may be off
    return abs(bias) > (MAX_BIAS + chance) * standard_error


def _check_images(first: Evaluation, second: Evaluation) -> bool:
    """Return whether both were evaluated on the same images, as they must be unless they are sets of pictures."""
    if not len(first.image_ids):
        raise InputError("there are no images to resample; compare predictions of at least one image")
    if list(first.image_ids) == list(second.image_ids):
        return True
    if isinstance(first, OfSet) and isinstance(second, OfSet):
        sizes = len(first.image_ids), len(second.image_ids)
        if first.depends_on_size and sizes[0] != sizes[1]:
            raise InputError(
                f"the sets have {sizes[0]:,} and {sizes[1]:,} images, and the metric depends on how many there are; compare sets of "
                "equal size, or by kid"
            )
        return False
    only_first, only_second = set(first.image_ids), set(second.image_ids)
    for who, one, other in (("first", first, only_second), ("second", second, only_first)):
        alone = next((image for image in one.image_ids if image not in other), None)
        if alone is not None:
            raise InputError(
                f"image {alone!r} is only in the {who} of the two sets of predictions; compare predictions of the same images"
            )
    raise AssertionError("the same images in another order")
