"""Ordinary copy-paste between real images: X-Paste's option "both" beside its generated objects (section 5.1, step 4).

Shape legend: H, W image in pixels; N instances.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from methods.common.segmenters.instance.instances import Image, Instances, box_of_mask
from methods.common.stage import Config
from methods.mrca.paste import Placement


class RealPastingConfig(Config):
    """Which instances of another real image are pasted."""

    share: float = Field(default=0.5, gt=0, le=1)
    """Chance of each instance of the other image to be pasted [C D82]."""


def draw_real_objects(
    image_HW3: Image, instances: Instances, rng: np.random.Generator, config: RealPastingConfig
) -> tuple[list[tuple[Image, int]], list[Placement]]:
    """Choose instances of another real image, which was augmented for itself, and cut them out where they are.

    Args:
        image_HW3: the other image, uint8 RGB.
        instances: what is in it.
        rng: one number is drawn for each instance.
        config: how many are chosen.

    Returns:
        RGBA cut-outs with their class index, in the order of the instances, and placements that leave size and place as they are.

    Source: section 5.1, step 4 [B]; a random part of the instances of one other image, as in Sec. 3 of Ghiasi et al. 2021 [C D82].
    """
    objects, placements = [], []
    for index in np.flatnonzero(rng.random(len(instances)) < config.share).tolist():
        x0, y0, x1, y1 = box_of_mask(instances.mask_NHW[index])
        alpha_HW = instances.mask_NHW[index, y0:y1, x0:x1] * np.uint8(255)
        objects.append((np.dstack([image_HW3[y0:y1, x0:x1], alpha_HW]), int(instances.class_N[index])))
        placements.append(Placement(y1 - y0, x1 - x0, (y0 + y1) / 2, (x0 + x1) / 2, flip=False))
    return objects, placements
