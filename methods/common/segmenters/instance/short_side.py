"""Augmentation by the length of the short side: FastInst's on COCO, and Mask2Former's on Cityscapes.

Shape legend: H, W image in pixels; N instances.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from methods.common.segmenters.instance.augmentation import crop_instances, mirrored, resize_and_crop
from methods.common.segmenters.instance.instances import Image, Instances
from methods.common.stage import Config

Pixels = Annotated[int, Field(ge=16)]


class ShortSideAugmentConfig(Config):
    """Resize by the short side, crop, mirror. Defaults are those of FastInst on COCO (InstSynth section 7.4 [FI])."""

    kind: Literal["short_side"] = "short_side"
    """Which augmentation this is."""
    short_sides_px: tuple[Pixels, ...] = (416, 448, 480, 512, 544, 576, 608, 640)
    """What the short side becomes, each as likely. [FI]"""
    max_long_side_px: Pixels = 853
    """An image whose long side would pass it is resized less. [FI]"""
    first_crop_probability: float = Field(default=0.5, ge=0, le=1)
    """Chance that the image is resized and cropped before all else. [FI]"""
    first_short_sides_px: tuple[Pixels, ...] = (400, 500, 600)
    """What the short side becomes for that crop. [FI]"""
    first_crop_px: tuple[Pixels, Pixels] = (384, 600)
    """Least and greatest side of that crop, height and width apart; never beyond the image. [FI]"""
    last_crop_px: tuple[Pixels, Pixels] | None = None
    """Height and width of a crop of the resized image; None takes all of it. InstSynth section 7.4: on Cityscapes."""
    flip_probability: float = Field(default=0.5, ge=0, le=1)
    """Chance of mirroring left to right. [FI]"""

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        if not self.short_sides_px or not self.first_short_sides_px:
            raise ValueError("short_sides_px and first_short_sides_px need a size each")
        if self.first_crop_px[0] > self.first_crop_px[1]:
            raise ValueError(
                f"first_crop_px goes from {self.first_crop_px[0]} to {self.first_crop_px[1]}; give the smaller first"
            )
        return self

    @property
    def shows_whole_images(self) -> bool:
        """Whether every image is seen whole, at one of its short sides, perhaps mirrored, and so in few views that can be counted."""
        fits = self.last_crop_px is None or (
            max(self.short_sides_px) <= min(self.last_crop_px) and self.max_long_side_px <= max(self.last_crop_px)
        )
        return self.first_crop_probability == 0 and fits


def short_side_size(height: int, width: int, short_px: int, long_px: float) -> tuple[int, int]:
    """Return (height, width) with the short side as asked, unless the long one would pass its limit; rounded half up."""
    scale = min(short_px / min(height, width), long_px / max(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def augment_short_side(
    image_HW3: Image, instances: Instances, rng: np.random.Generator, config: ShortSideAugmentConfig
) -> tuple[Image, Instances]:
    """Resize, crop and mirror an image with its instances, all in one interpolation.

    Args:
        image_HW3: uint8 RGB.
        instances: its annotations; they change as in :func:`augment_image`.
        rng: of this image.
        config: sizes.

    Source: InstSynth section 7.4 [FI].
    """
    height, width = image_HW3.shape[:2]
    top, left, crop_height, crop_width = 0.0, 0.0, float(height), float(width)
    if rng.random() < config.first_crop_probability:
        short_px = config.first_short_sides_px[int(rng.integers(len(config.first_short_sides_px)))]
        resized = short_side_size(height, width, short_px, float("inf"))
        low, high = config.first_crop_px
        sides = [int(rng.integers(min(side, low), min(side, high) + 1)) for side in resized]
        places = [int(rng.integers(side - part + 1)) for side, part in zip(resized, sides, strict=True)]
        scale_y, scale_x = height / resized[0], width / resized[1]
        top, left, crop_height, crop_width = (
            places[0] * scale_y,
            places[1] * scale_x,
            sides[0] * scale_y,
            sides[1] * scale_x,
        )
        final = short_side_size(sides[0], sides[1], _one_of(config, rng), config.max_long_side_px)
    else:
        final = short_side_size(height, width, _one_of(config, rng), config.max_long_side_px)
    scale_y, scale_x = final[0] / crop_height, final[1] / crop_width
    whole = max(final[0], round(height * scale_y)), max(final[1], round(width * scale_x))
    window = [min(round(top * scale_y), whole[0] - final[0]), min(round(left * scale_x), whole[1] - final[1]), *final]
    if config.last_crop_px is not None:
        for axis, side in enumerate(config.last_crop_px):
            kept = min(side, window[2 + axis])
            window[axis] += int(rng.integers(window[2 + axis] - kept + 1))
            window[2 + axis] = kept
    crop = (window[0], window[1], window[2], window[3])
    flip = bool(rng.random() < config.flip_probability)
    return mirrored(resize_and_crop(image_HW3, whole, crop), flip), crop_instances(instances, whole, crop, flip)


def _one_of(config: ShortSideAugmentConfig, rng: np.random.Generator) -> int:
    return config.short_sides_px[int(rng.integers(len(config.short_sides_px)))]
