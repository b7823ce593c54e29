"""How far the feedback's accuracy of a class is believed: one measured on a few objects is drawn towards its group's mean.

Shape legend: C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.stage import Config

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AS_PRINTED = {"toward": "none", "prior_instances": 5.0}
"""The neutral value of a shrinkage in configs that were there before it."""


class ShrinkageConfig(Config):
    """How strongly the accuracy of a class with few feedback objects is drawn towards that of its frequency group."""

    toward: Literal["none", "group_mean"] = "group_mean"
    """``none``: the accuracy as measured, what poster and release do [P][R]. ``group_mean``: between it and the mean of the
    classes of its frequency group, by the number of its objects in the feedback images. [C D62]"""
    prior_instances: float = Field(default=5.0, gt=0)
    """k: with so many feedback objects, a class counts half by itself and half by its group. The AP of n objects scatters about
    as a share of n trials does, A (1 - A) / n or some 0.2 / n; classes of a group differ by some 0.2; 0.2 / 0.2^2 = 5. [C D62]"""


def group_mean_accuracy(ap_C: Floats, frequency_C: Sequence[str]) -> Floats:
    """Return for each class the mean over the defined AP of its frequency group.

    Args:
        ap_C: AP of each class, NaN where undefined.
        frequency_C: group of each class, ``r``, ``c`` or ``f``.

    Returns:
        float64 (C,) without NaN. A group without any defined AP has the mean over all defined classes, and 0 if there is none.
    """
    assert len(ap_C) == len(frequency_C), f"{len(ap_C)} accuracies for {len(frequency_C)} classes"
    defined_C, group_C = np.isfinite(ap_C), np.asarray(frequency_C)
    overall = float(ap_C[defined_C].mean()) if defined_C.any() else 0.0
    mean_C = np.full(len(ap_C), overall)
    for group in np.unique(group_C):
        known_C = (group_C == group) & defined_C
        if known_C.any():
            mean_C[group_C == group] = ap_C[known_C].mean()
    return mean_C


def shrink_accuracy(ap_C: Floats, instances_C: Ints, frequency_C: Sequence[str], config: ShrinkageConfig) -> Floats:
    """Draw each defined AP towards the mean of its group: (n A + k g) / (n + k).

    Args:
        ap_C: AP of each class, in any unit; NaN where undefined.
        instances_C: n, objects of each class in the images that gave the AP.
        frequency_C: group of each class, ``r``, ``c`` or ``f``.
        config: k, or that nothing is drawn anywhere.

    Returns:
        float64 (C,), NaN where ``ap_C`` is. g is the plain mean of the group's defined AP.

    Source: [C D62], after the empirical Bayes estimate of many means.
    """
    assert len(ap_C) == len(instances_C), f"{len(ap_C)} accuracies, objects of {len(instances_C)} classes"
    if config.toward == "none":
        return np.array(ap_C, dtype=np.float64)
    k = config.prior_instances
    return np.asarray((instances_C * ap_C + k * group_mean_accuracy(ap_C, frequency_C)) / (instances_C + k))
