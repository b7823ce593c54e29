"""Repeat-factor sampling: images with rare classes are seen more often."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from methods.common.seeds import derive_seed

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def category_repeat_factor(image_count: int, num_images: int, threshold: float) -> float:
    """Return max(1, sqrt(threshold / f)) for a class that occurs in ``image_count`` of ``num_images`` training images.

    Source: MRCA section 6.5 [R].
    """
    return max(1.0, math.sqrt(threshold * num_images / image_count))


def repeat_factors(classes_by_image: Sequence[Collection[int]], threshold: float = 0.001) -> FloatArray:
    """Return how often each image should be seen in an epoch, float64 >= 1.

    Args:
        classes_by_image: class ids of each training image; an image without any gets factor 1.
        threshold: share of images below which a class is repeated, in (0, 1].
    Returns:
        The largest factor over the classes of each image. Source: MRCA section 6.5 [R].
    """
    counts = Counter(name for classes in classes_by_image for name in set(classes))
    num_images = len(classes_by_image)
    factor = {name: category_repeat_factor(count, num_images, threshold) for name, count in counts.items()}
    return np.array([max((factor[name] for name in classes), default=1.0) for classes in classes_by_image])


class RepeatFactorSampler:
    """An endless, stateless order of image indices.

    In each epoch an image occurs floor(factor) times, once more with the probability of its fractional part. Which image
    stands at a position is a pure function of (factors, seed, position), so a resumed training needs only its position, and
    worker k of n takes positions k, k + n, ...

    Source: MRCA section 6.5 [R], stochastic rounding each epoch.
    """

    def __init__(self, factors: Sequence[float] | FloatArray, seed: int) -> None:
        """Keep the factors (>= 0, at least one image in expectation) and the seed of all epochs."""
        self._factors: FloatArray = np.asarray(factors, dtype=np.float64)
        assert self._factors.ndim == 1, "one factor an image"
        assert np.floor(self._factors).sum() >= 1, "every epoch must hold an image"
        self._seed = seed
        self._ends: list[int] = []
        self._epoch = -1
        self._order: IntArray = np.zeros(0, dtype=np.int64)

    def _generator(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng(derive_seed("repeat_factor", self._seed, epoch))

    def _repeats(self, generator: np.random.Generator) -> IntArray:
        whole = np.floor(self._factors)
        extra = generator.random(len(self._factors)) < self._factors - whole
        return (whole + extra).astype(np.int64)

    def epoch_order(self, epoch: int) -> IntArray:
        """Return the image indices of one epoch, int64, shuffled."""
        generator = self._generator(epoch)
        repeated = np.repeat(np.arange(len(self._factors)), self._repeats(generator))
        return generator.permutation(repeated)

    def image_index(self, position: int) -> int:
        """Return the image at a position >= 0 of the endless order."""
        while not self._ends or self._ends[-1] <= position:
            length = int(self._repeats(self._generator(len(self._ends))).sum())
            self._ends.append((self._ends[-1] if self._ends else 0) + length)
        epoch = bisect_right(self._ends, position)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.epoch_order(epoch)
        return int(self._order[position - (self._ends[epoch - 1] if epoch else 0)])
