"""What every metric answers with, so that one command can print, store and compare them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[int, int], None]
"""Told (images done, images in all) from time to time."""


class Evaluation(Protocol):
    """A finished evaluation that still knows what each image contributed.

    Shape legend: I images.
    """

    @property
    def definition(self) -> str:
        """What the numbers equal, in one sentence: package and version, or paper and section."""

    @property
    def image_ids(self) -> Sequence[str | int]:
        """The images, in the order of the weights of :meth:`metrics`."""

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return the official numbers by their official names; None where nothing defines one.

        Args:
            weight_I: how often each image counts, whole numbers from 0, float64 (I,); None counts each once and gives
                the official value exactly.
        """

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return one row a class for a CSV file; empty for a metric without classes."""


@runtime_checkable
class OfSet(Protocol):
    """An evaluation of pictures as a set, which has a meaning beside that of a set of other pictures."""

    depends_on_size: bool
    """Whether sets of one distribution have other values if they are larger."""


@runtime_checkable
class Noted(Protocol):
    """An evaluation with something to tell beside its numbers."""

    def notes(self) -> list[str]:
        """Return plain sentences to print under the numbers; often none."""
