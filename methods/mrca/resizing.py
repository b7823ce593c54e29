"""Accuracy-based resizing: objects of classes that the model does badly on are pasted larger (section 3.7)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.growth import Added
from methods.common.stage import Config
from methods.mrca.accuracy import AS_PRINTED, ShrinkageConfig

Floats = NDArray[np.float64]


class ResizingConfig(Config):
    """How strongly accuracy changes the size."""

    max_factor: float = Field(default=16.0, ge=1.0)
    """Linear factor at AP 0; its inverse at AP 100, 1 at the mean over classes [R]. 1 switches resizing off."""
    shrinkage: Annotated[ShrinkageConfig, Added(neutral=AS_PRINTED)] = ShrinkageConfig()
    """How far the accuracy of a class with few feedback objects is believed. [C D62]"""


def resize_factor(ap_percent: float, class_mean_percent: float, max_factor: float = 16.0) -> float:
    """Return the factor on the mean side length for one class.

    Log-linear on both sides of the mean b: ``max_factor ** (1 - a/b)`` below it, ``max_factor ** -((a-b)/(100-b))``
    from it on. It scales the *side*, so the area changes by its square.

    Args:
        ap_percent: a, box AP in [0, 100]; NaN where undefined.
        class_mean_percent: b, mean over the classes with a defined AP; NaN if there is none.
        max_factor: factor at a = 0.

    Returns:
        The factor, in [1 / max_factor, max_factor]; 1 where a or b is undefined.

    Raises:
        ValueError: a outside [0, 100].

    Source: section 3.7 [R].
    """
    if np.isnan(ap_percent) or np.isnan(class_mean_percent):
        return 1.0
    if not 0 <= ap_percent <= 100:
        raise ValueError(f"AP {ap_percent} is not a percentage")
    if ap_percent < class_mean_percent:
        return float(max_factor ** (1 - ap_percent / class_mean_percent))
    if class_mean_percent >= 100:  # every class is perfect: a = b
        return 1.0
    return float(max_factor ** -((ap_percent - class_mean_percent) / (100 - class_mean_percent)))


def resize_factors(ap_percent_C: Floats, config: ResizingConfig) -> Floats:
    """Return the factor of every class from its box AP in percent (NaN where undefined), float64 (C,)."""
    defined_C = np.isfinite(ap_percent_C)
    mean = float(np.mean(ap_percent_C[defined_C])) if defined_C.any() else float("nan")
    return np.array([resize_factor(float(ap), mean, config.max_factor) for ap in ap_percent_C], dtype=np.float64)
