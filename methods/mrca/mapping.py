"""Quota-balanced unique mapping: every object is used once before any is used again (section 3.6).

There is one global stream of objects and one global sequence of images. The object at stream position k is
``permutation_e[k % n]`` with e = k // n, and permutation e is a pure function of (seed, e). Image j takes ``count_j``
positions from ``start_j`` on, where ``start_j`` is the sum of the counts before it. Nothing depends on who asks, so
any worker can serve any image, training can go on at any iteration, and the use counts of two objects differ by at
most 1 after any number of images, for any number of workers.

Counts are drawn in blocks of 4,096 images, each from its own derived generator, and summed up as blocks are needed:
hence exact prefix sums without state, and a resume at image ten million in about 0.1 s of CPU time.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.errors import InputError
from methods.common.growth import Added
from methods.common.seeds import derive_seed
from methods.common.stage import Config

Ints = NDArray[np.int64]

_BLOCK = 4096


class MappingConfig(Config):
    """How many objects an image gets."""

    min_objects_per_image: int = Field(default=1, ge=0)
    """Smallest number of objects pasted into an image [R]."""
    max_objects_per_image: int = Field(default=2, ge=1)
    """Largest number; all numbers in between are equally likely [R]."""
    draw: Annotated[Literal["unique", "random"], Added(neutral="unique")] = "unique"
    """``unique``: every object once before any again [P]. ``random``: each draw is from the whole pool, so the class mix is the budget's
    in expectation only; MRCA without its mapping [C D73]."""


class UniqueStream:
    """An endless stream over the indices of a pool, without repetition inside each pass.

    Args:
        pool_size: n, number of objects.
        seed: derived seed of the stream; one for each round.

    Raises:
        InputError: the pool is empty.

    Source: section 3.6; left-over indices are used up before the next permutation starts [C D37].
    """

    def __init__(self, pool_size: int, seed: int) -> None:
        if pool_size < 1:
            raise InputError(
                "the object pool is empty, so nothing can be pasted; relax the filter or make more objects"
            )
        self.pool_size = pool_size
        self.seed = seed
        self._passes: dict[int, NDArray[np.int64]] = {}

    def _permutation(self, number: int) -> Ints:
        if number not in self._passes:
            while len(self._passes) >= 2:  # an image may straddle two passes, never three of a sensible pool
                self._passes.pop(next(iter(self._passes)))
            rng = np.random.default_rng(derive_seed("unique stream", self.seed, number))
            self._passes[number] = rng.permutation(self.pool_size)
        return self._passes[number]

    def __getitem__(self, position: int) -> int:
        """Return the pool index at a position >= 0."""
        assert position >= 0, f"stream position {position}"
        number, offset = divmod(position, self.pool_size)
        return int(self._permutation(number)[offset])

    def slice(self, start: int, count: int) -> Ints:
        """Return the pool indices at positions start .. start + count - 1, int64 [count]."""
        return np.array([self[position] for position in range(start, start + count)], dtype=np.int64)


class ObjectCounts:
    """How many objects each image gets, with exact prefix sums, as a pure function of a seed.

    Args:
        config: range of the counts.
        seed: derived seed of the counts; one for each round.
    """

    def __init__(self, config: MappingConfig, seed: int) -> None:
        if config.max_objects_per_image < config.min_objects_per_image:
            raise InputError(
                f"max_objects_per_image {config.max_objects_per_image} is below "
                f"min_objects_per_image {config.min_objects_per_image}"
            )
        self.config = config
        self.seed = seed
        self._block_starts = [0]
        self._newest: tuple[int, Ints] | None = None

    def _block(self, number: int) -> Ints:
        """Counts of the images of one block, int64 [4096]."""
        if self._newest is None or self._newest[0] != number:
            rng = np.random.default_rng(derive_seed("object counts", self.seed, number))
            low, high = self.config.min_objects_per_image, self.config.max_objects_per_image
            self._newest = number, rng.integers(low, high + 1, _BLOCK)
        return self._newest[1]

    def positions(self, image_number: int) -> tuple[int, int]:
        """Return (first stream position, number of objects) of the image_number-th image of the round."""
        assert image_number >= 0, f"image number {image_number}"
        number, offset = divmod(image_number, _BLOCK)
        while len(self._block_starts) <= number:
            last = len(self._block_starts) - 1
            self._block_starts.append(self._block_starts[last] + int(self._block(last).sum()))
        count_I = self._block(number)
        return self._block_starts[number] + int(count_I[:offset].sum()), int(count_I[offset])


class UniqueMapping:
    """Which pool objects go into which image of a round.

    Image numbers count the images in the order in which training consumes them: ``iteration * batch_size + place``.

    Args:
        pool_size: number of objects in the pool of the round.
        seed: derived seed of the round.
        config: objects per image.
    """

    def __init__(self, pool_size: int, seed: int, config: MappingConfig | None = None) -> None:
        self.stream = UniqueStream(pool_size, seed)
        self.counts = ObjectCounts(config or MappingConfig(), seed)

    def objects_of_image(self, image_number: int) -> Ints:
        """Return the pool indices for one image, int64 [1 or 2]; the same whoever asks and whenever."""
        return self.stream.slice(*self.counts.positions(image_number))


class RandomMapping:
    """Objects drawn with replacement from the pool, as many an image as :class:`UniqueMapping` would give it.

    Args:
        pool_size: number of objects in the pool of the round.
        seed: derived seed of the round.
        config: objects per image.

    Raises:
        InputError: the pool is empty.

    Source: [C D73].
    """

    def __init__(self, pool_size: int, seed: int, config: MappingConfig | None = None) -> None:
        self.pool_size = UniqueStream(pool_size, seed).pool_size
        self.seed = seed
        self.counts = ObjectCounts(config or MappingConfig(), seed)

    def objects_of_image(self, image_number: int) -> Ints:
        """Return the pool indices for one image; the same whoever asks and whenever."""
        _, count = self.counts.positions(image_number)
        rng = np.random.default_rng(derive_seed("random mapping", self.seed, image_number))
        return rng.integers(0, self.pool_size, count)
