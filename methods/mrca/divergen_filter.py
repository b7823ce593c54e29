"""DiverGen's filter: a generated object must look like the real ones of its class to CLIP (section 5.4).

Shape legend: N images, D CLIP's joint space, H and W pixels, 3 RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.stage import Config
from methods.mrca.cut import CutResult, Image, Mask, Outcome, SoftMask, crop_rgba, largest_component

Embedder = Callable[[Image], NDArray[np.float32]]
"""Maps images uint8 [N, H, W, 3] to unit vectors [N, D]: CLIP."""


class CropConfig(Config):
    """How a real object is cut out for the comparison."""

    padding_px: int = Field(default=40, ge=0)
    """Of the square around the object, on each side [B]."""
    blur_px: int = Field(default=10, ge=1)
    """Side of the box filter that blurs what is not the object [B]."""


class SimilarityFilterConfig(Config):
    """Which cut-outs enter DiverGen's pool."""

    min_similarity: float = Field(default=0.6, ge=-1, le=1)
    """Lower bound on the mean cosine between a generated object and the real crops of its class [B]."""
    min_area_fraction: float = Field(default=0.05, ge=0, le=1)
    """Smallest share of the image that a mask may cover; X-Paste's [C D83]."""
    max_area_fraction: float = Field(default=0.95, ge=0, le=1)
    """Largest share; X-Paste's [C D83]."""


def real_crop(image_HW3: Image, mask_HW: Mask, config: CropConfig) -> Image:
    """Cut the square around a real object, everything else in it blurred; black where the square leaves the image.

    Args:
        image_HW3: uint8 RGB.
        mask_HW: the object, not empty.
        config: padding and blur.

    Returns:
        uint8 RGB (S, S, 3), S the longer side of the mask's box plus the padding on both sides. Source: section 5.4 [B].
    """
    import cv2

    from methods.common.segmenters.instance.instances import box_of_mask

    x0, y0, x1, y1 = box_of_mask(mask_HW)
    side = max(x1 - x0, y1 - y0) + 2 * config.padding_px
    top, left = (y0 + y1 - side) // 2, (x0 + x1 - side) // 2
    blurred_HW3 = cv2.blur(np.ascontiguousarray(image_HW3), (config.blur_px, config.blur_px))
    shown_HW3 = np.where(mask_HW[..., None], image_HW3, blurred_HW3)
    crop_SS3: Image = np.zeros((side, side, 3), np.uint8)
    rows = slice(max(top, 0), min(top + side, image_HW3.shape[0]))
    columns = slice(max(left, 0), min(left + side, image_HW3.shape[1]))
    crop_SS3[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = shown_HW3[rows, columns]
    return crop_SS3


def mean_similarity(generated_D: NDArray[np.float32], real_RD: NDArray[np.float32]) -> float:
    """Return the mean cosine between one unit vector and several. Source: section 5.4 [B]."""
    return float((real_RD.astype(np.float64) @ generated_D.astype(np.float64)).mean())


def judge_similarity(
    image_NHW3: Image,
    soft_NHW: SoftMask,
    real: Sequence[NDArray[np.float32] | None],
    embed: Embedder,
    config: SimilarityFilterConfig,
) -> list[CutResult]:
    """Cut and filter a batch of generated images.

    Args:
        image_NHW3: uint8 RGB.
        soft_NHW: soft masks in [0, 1] at the images' size.
        real: for each image, unit vectors (R, D) of the real crops of its class, or None for a class without any, whose objects
            are judged by their area alone [C D83].
        embed: CLIP.
        config: thresholds.

    Returns:
        One result for each image; its score is 100 x the mean cosine, NaN where there is nothing to compare with.

    Source: section 5.4 [B]: background set to 0, mean cosine to the real crops.
    """
    if len(image_NHW3) == 0:
        return []
    mask_NHW = soft_NHW >= 0.5
    embedded_ND = embed(image_NHW3 * mask_NHW[..., None])
    results = []
    for image_HW3, mask_HW, embedded_D, real_RD in zip(image_NHW3, mask_NHW, embedded_ND, real, strict=True):
        similarity = float("nan") if real_RD is None else mean_similarity(embedded_D, real_RD)
        results.append(_judge(image_HW3, mask_HW, similarity, config))
    return results


def _judge(image_HW3: Image, mask_HW: Mask, similarity: float, config: SimilarityFilterConfig) -> CutResult:
    area = float(mask_HW.mean())
    outcome: Outcome = "accepted"
    if not mask_HW.any():
        outcome = "empty_mask"
    elif area < config.min_area_fraction:
        outcome = "too_small"
    elif area > config.max_area_fraction:
        outcome = "too_large"
    elif similarity < config.min_similarity:  # not where there is nothing to compare with
        outcome = "clip_score"
    rgba_HW4 = None
    if outcome == "accepted":
        rgba_HW4 = crop_rgba(image_HW3, largest_component(np.ascontiguousarray(mask_HW)))
    return CutResult(outcome, 100 * similarity, area, rgba_HW4)
