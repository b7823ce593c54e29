"""Limited data: a part of a training split, drawn by name.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from methods.common.errors import InputError
from methods.common.seeds import Seeds, derive_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.labelled_images import CheckedImages


def limited_names(names: Collection[str], fraction: float, seeds: Seeds) -> list[str]:
    """Keep a share of the images, by name: the same for the same data seed, and within any larger share of it.

    Every image gets a number from seed and name; those with the smallest are kept, ``round(fraction * images)`` of them but at least one.

    Args:
        names: of the images of a training split, each once.
        fraction: in (0, 1]; 1 keeps all.
        seeds: the data seed decides.
    Returns:
        names, sorted.

    Source: InstSynth section 10, item 1; by image, as it says no more.
    """
    assert 0 < fraction <= 1, f"fraction {fraction} is outside (0, 1]"
    count = max(1, round(fraction * len(names)))
    return sorted(sorted(names, key=lambda name: seeds.derive("data", "limited", name))[:count])


def limited_indices(names: Sequence[str], count: int) -> list[int]:
    """Return which images are kept when a number of them is drawn by name alone, in order; a smaller number lies within a larger one.

    Raises:
        InputError: there are fewer.
    """
    if count > len(names):
        raise InputError(f"max_images is {count}, the list has {len(names)} images; ask for fewer")
    kept = frozenset(sorted(names, key=lambda name: derive_seed("limited", name))[:count])
    return [index for index, name in enumerate(names) if name in kept]


class LimitedImages:
    """A number of the images of a data set, the same in every run; a smaller number lies within a larger one."""

    def __init__(self, images: CheckedImages, count: int) -> None:
        """Draw the images by name alone.

        Raises:
            InputError: there are fewer.
        """
        self._images = images
        self._indices = limited_indices([images.name(index) for index in range(len(images))], count)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""
        return self._images.class_names

    def __len__(self) -> int:
        """Number of images."""
        return len(self._indices)

    def name(self, index: int) -> str:
        """Return an image's name."""
        return self._images.name(self._indices[index])

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of an image."""
        return self._images.size(self._indices[index])

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return an image, uint8 RGB [H, W, 3], and its labels, uint8 [H, W]."""
        return self._images[self._indices[index]]
