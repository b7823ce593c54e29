"""What a package of the field answers: numbers that stand as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class PackageEvaluation:
    """Numbers that a package computed in one go, so that no image can be weighed differently."""

    definition: str
    """The package with its version, and what was asked of it."""
    image_ids: Sequence[str | int]
    values: dict[str, float | None]
    """By official names."""
    rows: Sequence[dict[str, str | int | float | None]] = ()
    """One a class; none for a metric without classes."""
    remarks: Sequence[str] = ()

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return the numbers; ``weight_I`` must be None.

        Raises:
            InputError: weights are given.
        """
        if weight_I is not None:
            raise InputError("the official package's own evaluation cannot be resampled; leave out --official")
        return dict(self.values)

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return what the package says of each class."""
        return list(self.rows)

    def notes(self) -> list[str]:
        """Say what limits the numbers."""
        return list(self.remarks)
