"""Pasting a repainted instance back into its image (section 2.5).

Shape legend: H, W image; S side of the square window; G side of the generated picture; 3 RGB.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from methods.common.stage import Config
from methods.instance_synthesis.crop import Crop
from methods.instance_synthesis.frames import Box, Image

Normalise = Literal["paper", "none", "signed_mean", "histogram"]


class PasteConfig(Config):
    """How a repainted instance is fitted to its image."""

    normalise: Normalise = "paper"
    """Offset of its intensities: as released, always darker; none; or the signed mean difference, which follows its sign. [code]
    ``histogram``: no offset, each channel gets the distribution of the real crop's (section 6.1)."""


def intensity_offset(generated_SS3: Image, crop: Crop, normalise: Normalise) -> int:
    """Return what is taken off a generated crop, over all channels of the window outside the mask; 0 where there is no such pixel.

    Padding beyond the image counts, as it is part of the window [C D24].

    Source: section 2.5, step 2.
    """
    import cv2

    outside_SS = (~crop.mask_HW).view(np.uint8)
    count = 3 * int(np.count_nonzero(outside_SS))
    if normalise in ("none", "histogram") or count == 0:
        return 0
    if normalise == "signed_mean":
        sums = [sum(cv2.mean(image, outside_SS)) for image in (generated_SS3, crop.image_HW3)]
        return round((sums[0] - sums[1]) / 3)
    difference_SS3 = cv2.absdiff(generated_SS3, crop.image_HW3)
    total = int(sum(cv2.sumElems(cv2.copyTo(difference_SS3, outside_SS))))
    return -(-total // count)


def match_histogram(picture_HW3: Image, reference_HW3: Image) -> Image:
    """Return a picture whose channels have, value by value, the ranks of another's; one that has them already is returned as it is.

    Source: section 6.1: the synthetic image to the original one.
    """
    matched_HW3 = np.empty_like(picture_HW3)
    for channel in range(3):
        counts, wanted = (
            np.bincount(image[:, :, channel].ravel(), minlength=256) for image in (picture_HW3, reference_HW3)
        )
        occurring = np.flatnonzero(wanted)
        share, wanted_share = counts.cumsum() / counts.sum(), wanted.cumsum()[occurring] / wanted.sum()
        table = np.rint(np.interp(share, wanted_share, occurring)).astype(np.uint8)
        matched_HW3[:, :, channel] = table[picture_HW3[:, :, channel]]
    return matched_HW3


def fit_to_window(generated_GG3: Image, crop: Crop, config: PasteConfig) -> tuple[Image, int]:
    """Resize a generated picture to its window and take the offset off.

    As released the result is ``|generated - offset|``: what lies below the offset folds back [code].

    Args:
        generated_GG3: uint8 RGB, square.
        crop: what the generator was given.
        config: which offset.

    Returns:
        uint8 RGB (S, S, 3), and the offset.

    Source: section 2.5, steps 1 and 2. Nearest neighbour means the nearest centre [C D25].
    """
    import cv2

    side = crop.mask_HW.shape[0]
    picture = generated_GG3
    if picture.shape[0] != side:
        picture = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_NEAREST_EXACT))
    if config.normalise == "histogram":
        picture = match_histogram(picture, crop.image_HW3)
    offset = intensity_offset(picture, crop, config.normalise)
    if offset == 0:
        return picture, 0
    shifted = np.arange(256) - offset
    table = np.abs(shifted) if config.normalise == "paper" else np.clip(shifted, 0, 255)
    return np.asarray(cv2.LUT(picture, table.astype(np.uint8)), np.uint8), offset


def paste_into(view_HW3: Image, view: Box, picture_SS3: Image, crop: Crop, window: Box) -> None:
    """Paste the masked pixels of a fitted picture into a part of the image, in place; what lies outside of that part is left out.

    Args:
        view_HW3: uint8 RGB, a part of the image or all of it.
        view: where in the image it lies.
        picture_SS3: from :func:`fit_to_window`.
        crop: its mask is the alpha: hard, without feathering.
        window: where in the image the picture lies.

    Source: section 2.5, step 3.
    """
    import cv2

    x0, y0 = max(view.x0, window.x0), max(view.y0, window.y0)
    x1, y1 = min(view.x1, window.x1), min(view.y1, window.y1)
    if x0 >= x1 or y0 >= y1:
        return
    own = np.s_[y0 - window.y0 : y1 - window.y0, x0 - window.x0 : x1 - window.x0]
    target = view_HW3[y0 - view.y0 : y1 - view.y0, x0 - view.x0 : x1 - view.x0]
    cv2.copyTo(picture_SS3[own], crop.mask_HW[own].view(np.uint8), target)


def paste_instance(image_HW3: Image, picture_SS3: Image, crop: Crop, window: Box) -> Image:
    """Return a copy of an image with one instance replaced; its annotation stays as it is (section 2.5, step 4)."""
    pasted_HW3 = image_HW3.copy()
    height, width = image_HW3.shape[:2]
    paste_into(pasted_HW3, Box(0, 0, width, height), picture_SS3, crop, window)
    return pasted_HW3
