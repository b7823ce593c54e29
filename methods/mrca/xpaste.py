"""X-Paste's own rules: choice among cutters, pool filter, and which objects go into which image (section 5.1).

Shape legend: K cutters, N images or objects, C classes, H and W pixels, 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from methods.common.errors import InputError
from methods.common.growth import Added
from methods.common.seeds import derive_seed
from methods.common.stage import Config
from methods.mrca.cut import Image, Mask, Scorer, SoftMask, composite, largest_component

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class XPasteFilterConfig(Config):
    """Which cut-outs enter X-Paste's pool."""

    max_clip_bar: float = Field(default=21.0, ge=-100, le=100)
    """An object with at least this CLIP score, 100 x cosine, is kept [B]."""
    best_tolerance: float = Field(default=1.0, ge=0)
    """So is one that is at most this far below the best of its class [B]."""
    min_area_fraction: float = Field(default=0.05, ge=0, le=1)
    """Smallest share of the image that a mask may cover [B]."""
    max_area_fraction: float = Field(default=0.95, ge=0, le=1)
    """Largest share [B]."""
    mask_threshold: float = Field(default=0.5, gt=0, lt=1)
    """Soft mask from here on is object: 128 of 255 [B]."""


class XPasteSamplerConfig(Config):
    """How many objects X-Paste pastes."""

    min_objects_per_image: Annotated[int, Added(neutral=0)] = Field(default=0, ge=0)
    """The number of objects is uniform from this [B] ..."""
    max_objects_per_image: int = Field(default=19, ge=0)
    """... to this [B]."""

    @model_validator(mode="after")
    def _some_number_is_left(self) -> Self:
        if self.min_objects_per_image > self.max_objects_per_image:
            raise ValueError("min_objects_per_image must not be above max_objects_per_image")
        return self


@dataclass(frozen=True)
class Candidate:
    """The best of several cutters' masks for one image, before the filter that needs the whole class."""

    mask_HW: Mask
    """Largest connected part of the winning mask; may be empty."""
    clip_score: float
    """Score of the object on white."""
    area_fraction: float
    """Share of the image that the winning mask covers, all its parts."""
    cutter: int
    """Which cutter won."""


def best_candidates(
    image_NHW3: Image, soft_KNHW: Sequence[SoftMask], texts: Sequence[str], scorer: Scorer, config: XPasteFilterConfig
) -> list[Candidate]:
    """Let several cutters compete: the mask whose object on white resembles the text most wins.

    Args:
        image_NHW3: uint8 RGB.
        soft_KNHW: for each cutter, soft masks in [0, 1].
        texts: what each image should show.
        scorer: CLIP.
        config: the mask threshold.

    Returns:
        One candidate for each image; equal scores go to the cutter named first. Source: section 5.1, step 2 [B].
    """
    assert len(soft_KNHW) > 0, "no cutter"
    if len(image_NHW3) == 0:
        return []
    mask_KNHW = [soft_NHW >= config.mask_threshold for soft_NHW in soft_KNHW]
    score_KN = np.stack(
        [np.asarray(scorer(_on_white(image_NHW3, mask_NHW), list(texts)), dtype=np.float64) for mask_NHW in mask_KNHW]
    )
    winners = score_KN.argmax(axis=0)
    return [
        Candidate(
            largest_component(np.ascontiguousarray(mask_KNHW[cutter][image])),
            float(score_KN[cutter, image]),
            float(mask_KNHW[cutter][image].mean()),
            int(cutter),
        )
        for image, cutter in enumerate(winners)
    ]


def _on_white(image_NHW3: Image, mask_NHW: Mask) -> Image:
    pairs = zip(image_NHW3, mask_NHW, strict=True)
    return np.stack([composite(image_HW3, mask_HW.astype(np.float32), 255) for image_HW3, mask_HW in pairs])


def keep_candidates(
    class_N: Ints, clip_score_N: Floats, area_fraction_N: Floats, config: XPasteFilterConfig
) -> NDArray[np.bool_]:
    """Filter all candidates of a pool at once: the bar is min(21, best score of the class - 1).

    Args:
        class_N: class of each candidate, any non-negative integers.
        clip_score_N: its score, 100 x cosine.
        area_fraction_N: share of its image that the mask covers.
        config: bars.

    Returns:
        bool (N,). The best of a class is taken over all its candidates, whatever their area.

    Source: section 5.1, step 3 [B].
    """
    if len(class_N) == 0:
        return np.zeros(0, np.bool_)
    best_C = np.full(int(class_N.max()) + 1, -np.inf)
    np.maximum.at(best_C, class_N, clip_score_N)
    bar_N = np.minimum(config.max_clip_bar, best_C[class_N] - config.best_tolerance)
    right_size_N = (area_fraction_N >= config.min_area_fraction) & (area_fraction_N <= config.max_area_fraction)
    return np.asarray((clip_score_N >= bar_N) & right_size_N)


class XPasteSampler:
    """Which pool objects go into which image: a random number, random classes, a random object of each.

    With replacement, every class that has objects equally likely. Image j's draw is a pure function of (seed, j).

    Args:
        class_N: class of each object in the pool.
        seed: derived seed of the training run.
        config: how many objects.

    Raises:
        InputError: the pool is empty.

    Source: section 5.1, step 4 [B].
    """

    def __init__(self, class_N: Ints, seed: int, config: XPasteSamplerConfig | None = None) -> None:
        if len(class_N) == 0:
            raise InputError(
                "the object pool is empty, so nothing can be pasted; relax the filter or make more objects"
            )
        self.seed = seed
        self.config = config or XPasteSamplerConfig()
        self._by_class = np.argsort(class_N, kind="stable")
        _, self._first, self._count = np.unique(class_N[self._by_class], return_index=True, return_counts=True)

    def objects_of_image(self, image_number: int) -> Ints:
        """Return the pool indices for one image, int64 [min_objects_per_image .. max_objects_per_image]."""
        rng = np.random.default_rng(derive_seed("xpaste", self.seed, image_number))
        number = int(rng.integers(self.config.min_objects_per_image, self.config.max_objects_per_image + 1))
        chosen = rng.integers(0, len(self._first), number)
        return np.asarray(self._by_class[self._first[chosen] + rng.integers(0, self._count[chosen])], dtype=np.int64)
