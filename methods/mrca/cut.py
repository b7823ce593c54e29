"""From a generated image and its soft mask to an object, or to the reason why there is none (section 3.5).

Shape legend: N images; H, W pixels; 3 RGB; 4 RGBA.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.growth import Added
from methods.common.stage import Config

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
SoftMask = NDArray[np.float32]

Scorer = Callable[[NDArray[np.uint8], list[str]], Any]
"""Maps images uint8 [N, H, W, 3] and N texts to N scores, 100 x cosine: ``ClipScorer.score``."""

Outcome = Literal["accepted", "clip_score", "empty_mask", "too_small", "too_large"]
"""What became of an image; the first test it failed, in the order of the specification."""


class CutConfig(Config):
    """MRCA's filter."""

    min_clip_score: float = Field(default=25.0, ge=-100, le=100)
    """Lower bound on the better of the two CLIP scores, 100 x cosine [R]; -100 keeps every object."""
    mask_threshold: float = Field(default=0.5, gt=0, lt=1)
    """Soft mask from here on is object [C D27]."""
    min_area_fraction: float = Field(default=0.01, ge=0, le=1)
    """Objects that cover less of their image are dropped [C D27]."""
    max_area_fraction: float = Field(default=0.95, ge=0, le=1)
    """Objects that cover more of their image are dropped [C D27]."""
    canvas: Annotated[Literal["crop", "whole"], Added(neutral="crop")] = "crop"
    """``crop``: the largest connected part, cropped [C D27]. ``whole``: the whole image, with every pixel that the 8-bit soft mask does not
    rule out, and no bounds on the area, as in the release [R]."""


@dataclass(frozen=True)
class CutResult:
    """What became of one generated image."""

    outcome: Outcome
    clip_score: float
    """The larger of the scores on white and on black."""
    area_fraction: float
    """Share of the image that the largest connected part of the mask covers."""
    rgba_HW4: Image | None
    """The cut-out, tightly cropped, alpha 0 or 255; None unless accepted."""


def composite(image_HW3: Image, soft_HW: SoftMask, grey: int) -> Image:
    """Lay an object over a plain background of one grey value (255 is white), by its soft mask in [0, 1]."""
    alpha_HW1 = soft_HW.astype(np.float32)[..., None]
    blended = image_HW3 * alpha_HW1 + grey * (1 - alpha_HW1)
    return np.asarray((blended + 0.5).astype(np.uint8))


def largest_component(mask_HW: Mask) -> Mask:
    """Keep the largest 8-connected part of a mask; of equally large ones, the one met first from the top left."""
    import cv2

    count, label_HW, stats, _ = cv2.connectedComponentsWithStats(mask_HW.view(np.uint8), connectivity=8)
    if count <= 2:
        return mask_HW
    return np.asarray(label_HW == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def crop_rgba(image_HW3: Image, mask_HW: Mask) -> Image:
    """Crop an image to the tight box of a mask that is not empty; the mask becomes alpha 255, the rest 0 and black."""
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    visible_HW = mask_HW[window]
    return np.dstack([image_HW3[window] * visible_HW[..., None], visible_HW * np.uint8(255)])


def judge_cut(image_HW3: Image, soft_HW: SoftMask, clip_score: float, config: CutConfig) -> CutResult:
    """Decide on one image whose CLIP score is known, and cut the object out if it is kept."""
    if config.canvas == "whole":
        return _judge_canvas(image_HW3, soft_HW, clip_score, config)
    mask_HW = largest_component(np.ascontiguousarray(soft_HW >= config.mask_threshold))
    area = float(mask_HW.mean())
    outcome: Outcome = "accepted"
    if clip_score < config.min_clip_score:
        outcome = "clip_score"
    elif not mask_HW.any():
        outcome = "empty_mask"
    elif area < config.min_area_fraction:
        outcome = "too_small"
    elif area > config.max_area_fraction:
        outcome = "too_large"
    rgba_HW4 = crop_rgba(image_HW3, mask_HW) if outcome == "accepted" else None
    return CutResult(outcome, clip_score, area, rgba_HW4)


def _judge_canvas(image_HW3: Image, soft_HW: SoftMask, clip_score: float, config: CutConfig) -> CutResult:
    """Decide as the release does: by the score alone. Source: section 9, item 9 [R]."""
    mask_HW = np.round(soft_HW * 255) > 0
    outcome: Outcome = "clip_score" if clip_score < config.min_clip_score else "accepted"
    if outcome == "accepted" and not mask_HW.any():
        outcome = "empty_mask"
    rgba_HW4 = np.dstack([image_HW3 * mask_HW[..., None], mask_HW * np.uint8(255)]) if outcome == "accepted" else None
    return CutResult(outcome, clip_score, float(mask_HW.mean()), rgba_HW4)


def score_on_white_and_black(
    image_NHW3: Image, soft_NHW: SoftMask, texts: Sequence[str], scorer: Scorer
) -> NDArray[np.float64]:
    """Score each object on white and on black against its text; the larger score counts, float64 (N,).

    A soft mask enters as 8-bit alpha would: the object fades into the background.
    """
    scores = []
    for grey in (255, 0):
        laid = np.stack([composite(image, soft, grey) for image, soft in zip(image_NHW3, soft_NHW, strict=True)])
        scores.append(np.asarray(scorer(laid, list(texts)), dtype=np.float64))
    return np.maximum(*scores)


def cut_objects(
    image_NHW3: Image, soft_NHW: SoftMask, texts: Sequence[str], scorer: Scorer, config: CutConfig
) -> list[CutResult]:
    """Cut and filter a batch of generated images.

    Args:
        image_NHW3: uint8 RGB.
        soft_NHW: soft masks in [0, 1] from the dichotomous segmenter, at the images' size.
        texts: what each object should look like, see :func:`methods.mrca.prompts.clip_text`.
        scorer: CLIP.
        config: thresholds.

    Returns:
        One result for each image, in order.

    Source: section 3.5 [R]; largest component, tight crop and area limits [C D27].
    """
    if len(image_NHW3) == 0:
        return []
    score_N = score_on_white_and_black(image_NHW3, soft_NHW, texts, scorer)
    return [
        judge_cut(image, soft, float(score), config)
        for image, soft, score in zip(image_NHW3, soft_NHW, score_N, strict=True)
    ]
