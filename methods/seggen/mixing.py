"""Which image each training sample shows: a real one, or a generated one in its place (section 7).

Images count through the real ones, then the generated ones. Everything is a pure function of seed and sample number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from methods.common.seeds import Seeds
from methods.common.segmenters.image_order import ImageOrder
from methods.common.segmenters.semantic.training_images import epochs
from methods.seggen.replacement import Mixing, Strategy

STRATEGIES: tuple[Strategy, ...] = ("MaskSyn", "ImgSyn")
"""In the order in which everything counts them."""

Origin = Literal["real", "MaskSyn", "ImgSyn"]
"""Where an image is from."""


@dataclass(frozen=True)
class Pool:
    """What there is to draw from.

    Attributes:
        num_real: real images, which come first.
        image_of: the real image, as index, that each generated one was made of.
        strategies: how each generated one was made.
    """

    num_real: int
    image_of: Sequence[int]
    strategies: Sequence[Strategy]

    def strategy_of(self, index: int) -> Origin:
        """Return where an image is from."""
        return "real" if index < self.num_real else self.strategies[index - self.num_real]

    @cached_property
    def all_groups(self) -> list[list[int]]:
        """Every generated image, those of one strategy together; strategies without any are left out."""
        by_strategy: dict[str, list[int]] = {strategy: [] for strategy in STRATEGIES}
        for place, strategy in enumerate(self.strategies):
            by_strategy[strategy].append(self.num_real + place)
        return [group for group in by_strategy.values() if group]

    @cached_property
    def groups_of_image(self) -> list[list[list[int]]]:
        """The same for the generated images of each real one."""
        found: list[dict[str, list[int]]] = [{} for _ in range(self.num_real)]
        for place, (image, strategy) in enumerate(zip(self.image_of, self.strategies, strict=True)):
            found[image].setdefault(strategy, []).append(self.num_real + place)
        return [[groups[strategy] for strategy in STRATEGIES if strategy in groups] for groups in found]


class MixedOrder:
    """Real images in epochs; with probability ``p_aug`` a generated image stands for one.

    An image of which none was generated is replaced from the whole pool, so that the share of generated samples holds.
    Source: section 7, strategy A [S]; what replaces a sample [C D14].
    """

    def __init__(self, pool: Pool, mixing: Mixing, seeds: Seeds) -> None:
        """Begin the endless order.

        Args:
            pool: real and generated images; some are generated unless ``p_aug`` is 0.
            mixing: when a sample is replaced, and by which.
            seeds: of the training.
        """
        assert pool.strategies or mixing.p_aug == 0, "there is nothing to replace real samples"
        self._real = epochs(pool.num_real, seeds)
        self._pool, self._mixing, self._seeds = pool, mixing, seeds

    def image_index(self, position: int) -> int:
        """Return the image at a position >= 0."""
        real = self._real.image_index(position)
        rng = self._seeds.numpy("training", "mixing", position)
        if rng.random() >= self._mixing.p_aug:
            return real
        groups = self._pool.groups_of_image[real] if self._mixing.replaced_by == "same image" else []
        groups = groups or self._pool.all_groups
        if self._mixing.weigh == "one to one":
            groups = [groups[int(rng.integers(len(groups)))]]
        place = int(rng.integers(sum(map(len, groups))))
        for group in groups[:-1]:
            if place < len(group):
                return group[place]
            place -= len(group)
        return groups[-1][place]


class ConcatenatedOrder:
    """Every real image so many times and every generated one once, shuffled anew in each epoch (section 9 [code])."""

    def __init__(self, num_real: int, num_generated: int, real_repeats: int, seeds: Seeds) -> None:
        self._num_real, self._listed = num_real, num_real * real_repeats
        self._places = epochs(self._listed + num_generated, seeds)

    def image_index(self, position: int) -> int:
        """Return the image at a position >= 0."""
        place = self._places.image_index(position)
        return place % self._num_real if place < self._listed else self._num_real + place - self._listed


def count_draws(order: ImageOrder, first: int, count: int, origin_of: Callable[[int], Origin]) -> dict[str, Any]:
    """Count what the samples of a training showed, by going through their order again.

    Args:
        order: of the training.
        first: number of its first sample.
        count: samples.
        origin_of: where each image is from.

    Returns:
        ``samples``; ``shares``, by origin, of all samples; ``distinct``, by origin, the images that were seen at least once.
    """
    samples: dict[str, int] = {"real": 0, **dict.fromkeys(STRATEGIES, 0)}
    seen: dict[str, set[int]] = {name: set() for name in samples}
    for position in range(first, first + count):
        index = order.image_index(position)
        origin = origin_of(index)
        samples[origin] += 1
        seen[origin].add(index)
    return {
        "samples": count,
        "shares": {name: number / count for name, number in samples.items()},
        "distinct": {name: len(indices) for name, indices in seen.items()},
    }
