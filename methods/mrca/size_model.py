"""X-Paste's size model, also MRCA's: pasted objects are as large as real ones of their class (section 3.7).

Shape legend: C classes, N real instances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from methods.common.growth import Added
from methods.common.stage import Config

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PasteSizeConfig(Config):
    """Limits of the pasted size. Pixel limits are the papers' at 640 and 896 px; small images need smaller ones."""

    min_length_px: float = Field(default=10.0, ge=0)
    """Lower limit of s * H, the square root of the pasted box's area at a square image [B]."""
    max_fraction: float = Field(default=0.5, gt=0, le=1)
    """Upper limit of s, the linear size as a fraction of the image [B]."""
    aspect_jitter: float = Field(default=0.2, ge=0, lt=1)
    """Width over height is multiplied by a uniform factor in [1 - jitter, 1 + jitter] [B]."""
    min_side_px: int = Field(default=5, ge=1)
    """Objects with a shorter side are not pasted [B]."""
    extra_min_factor: Annotated[float, Added(neutral=0.05)] = Field(default=0.05, gt=0, le=1)
    """An object of an extra class, of which there are no real sizes, gets this share of its cut-out's own sides or more [B] (section 5.4)."""
    extra_max_factor: Annotated[float, Added(neutral=0.3)] = Field(default=0.3, gt=0, le=1)
    """And at most this share [B]."""
    extra_min_side_px: Annotated[int, Added(neutral=3)] = Field(default=3, ge=1)
    """But no side is shorter than this [B]."""

    @model_validator(mode="after")
    def _factors_are_in_order(self) -> Self:
        if self.extra_min_factor > self.extra_max_factor:
            raise ValueError("extra_min_factor must not be above extra_max_factor")
        return self


@dataclass(frozen=True)
class SizeModel:
    """Mean m_c and standard deviation d_c of the linear size, sqrt(box area / image area), of each class."""

    mean_C: Floats
    std_C: Floats


def fit_size_model(class_N: Ints, box_area_px_N: Floats, image_area_px_N: Floats, num_classes: int) -> SizeModel:
    """Measure the linear size of real training instances, class by class.

    Args:
        class_N: class index of each instance, 0..C-1.
        box_area_px_N: area of its box.
        image_area_px_N: area of its image, > 0.
        num_classes: C.

    Returns:
        Means and population standard deviations (0 for one instance). A class without instances gets the mean over
        the other classes of each number [C D60]; without any instance at all, 0.12 and 0, LVIS' median mean.

    Source: section 3.7 [R][B].
    """
    side_N = np.sqrt(np.asarray(box_area_px_N, dtype=np.float64) / np.asarray(image_area_px_N, dtype=np.float64))
    count_C = np.bincount(class_N, minlength=num_classes).astype(np.float64)
    safe_C = np.maximum(count_C, 1)
    mean_C = np.bincount(class_N, weights=side_N, minlength=num_classes) / safe_C
    variance_C = np.bincount(class_N, weights=(side_N - mean_C[class_N]) ** 2, minlength=num_classes) / safe_C
    std_C = np.sqrt(variance_C)
    seen_C = count_C > 0
    mean_C[~seen_C] = mean_C[seen_C].mean() if seen_C.any() else 0.12
    std_C[~seen_C] = std_C[seen_C].mean() if seen_C.any() else 0.0
    return SizeModel(mean_C, std_C)


def draw_size(
    object_size: tuple[int, int],
    image_size: tuple[int, int],
    mean: float,
    std: float,
    factor: float,
    config: PasteSizeConfig,
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Draw the size at which an object is pasted.

    ``s = clip(mean * factor + std * N(0, 1), min_length_px / H, max_fraction)``; the box gets the area s^2 H W and the
    object's own ratio times the jitter. Two numbers are drawn from ``rng`` whatever the outcome.

    Args:
        object_size: (height, width) of the cut-out in pixels.
        image_size: (H, W) of the training image in pixels.
        mean: m_c.
        std: d_c.
        factor: f_c, 1 without accuracy-based resizing; it acts on the mean only.
        config: limits.
        rng: source of the two random numbers.

    Returns:
        (height, width) in whole pixels, or None if a side is below ``min_side_px`` or not shorter than the image's.

    Source: section 3.7 [R][B].
    """
    height, width = image_size
    normal, jitter = rng.standard_normal(), rng.uniform(-config.aspect_jitter, config.aspect_jitter)
    linear = float(np.clip(mean * factor + std * normal, config.min_length_px / height, config.max_fraction))
    area_px = linear * linear * height * width
    ratio = object_size[1] / object_size[0] * (1 + jitter)
    pasted_height, pasted_width = round(float(np.sqrt(area_px / ratio))), round(float(np.sqrt(area_px * ratio)))
    if min(pasted_height, pasted_width) < config.min_side_px or pasted_height >= height or pasted_width >= width:
        return None
    return pasted_height, pasted_width


def draw_extra_size(
    object_size: tuple[int, int], image_size: tuple[int, int], config: PasteSizeConfig, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Draw the size of an object whose class has no real instances: a uniform share of its cut-out's own sides.

    Args:
        object_size: (height, width) of the cut-out in pixels.
        image_size: (H, W) of the training image in pixels.
        config: limits.
        rng: source of one random number.

    Returns:
        (height, width) in whole pixels, or None if a side is not shorter than the image's. Source: section 5.4 [B].
    """
    factor = rng.uniform(config.extra_min_factor, config.extra_max_factor)
    height, width = (max(config.extra_min_side_px, round(side * factor)) for side in object_size)
    return None if height >= image_size[0] or width >= image_size[1] else (height, width)
