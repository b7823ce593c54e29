"""X-Paste + CLIP: X-Paste's pool under a stricter rule, a stand-in for a row that no source defines (section 5.2).

Shape legend: N objects, C classes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.stage import Config


class XPasteClipConfig(Config):
    """Which objects of X-Paste's pool stay."""

    min_clip_score: float = Field(default=25.0, ge=-100, le=100)
    """An object with at least this CLIP score, 100 x cosine, stays; MRCA's own limit [C D15]."""
    fallback_share: float = Field(default=0.1, gt=0, le=1)
    """Of a class without such an object, this share stays, the best ones, and at least one [C D15]."""


def keep_closest(
    class_N: NDArray[np.int64], clip_score_N: NDArray[np.float64], config: XPasteClipConfig
) -> NDArray[np.bool_]:
    """Keep objects that resemble their class; where none does, the best tenth of the class.

    Args:
        class_N: class of each object, any non-negative integers.
        clip_score_N: its score, 100 x cosine.
        config: limit and share.

    Returns:
        bool (N,). A tenth is rounded up; of equal scores the object that comes first is taken.

    Source: section 5.2 [C D15].
    """
    kept_N = clip_score_N >= config.min_clip_score
    for class_index in np.setdiff1d(class_N, class_N[kept_N]):
        mine = np.flatnonzero(class_N == class_index)
        best_first = mine[np.argsort(-clip_score_N[mine], kind="stable")]
        kept_N[best_first[: math.ceil(config.fallback_share * len(mine))]] = True
    return kept_N
