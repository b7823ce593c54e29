"""What happens to training images of semantic segmentation. Imports nothing heavy, so that plans can be made from it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from methods.common.stage import Config

Positive = Annotated[float, Field(gt=0)]


class PhotometricConfig(Config):
    """Random changes of colours, each with probability one half. Defaults are those of SAM filter section 8 [MM]."""

    brightness: Annotated[float, Field(ge=0, le=255)] = 32.0
    """A number in [-brightness, brightness] is added to all colours, 0..255."""
    contrast: tuple[Positive, Positive] = (0.5, 1.5)
    """Colours are multiplied by a number between these, before or after saturation and hue."""
    saturation: tuple[Positive, Positive] = (0.5, 1.5)
    """Saturation is multiplied by a number between these."""
    hue: Annotated[int, Field(ge=0, le=90)] = 18
    """A whole number from -hue up to hue - 1 is added to the hue, in steps of 2 degrees."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("contrast", "saturation"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} goes from {low} to {high}; give the smaller first")
        return self


class SemanticAugmentConfig(Config):
    """Scale, crop, mirror, change colours, pad. Defaults: Mask2Former-R50 on ADE20K (SAM filter section 8 [MM])."""

    crop_px: Annotated[int, Field(ge=16)] = 512
    """Side of the square that comes out."""
    min_scale_tenths: Annotated[int, Field(ge=1)] = 5
    """Smallest short side of the scaled image, in tenths of ``crop_px``."""
    max_scale_tenths: Annotated[int, Field(ge=1)] = 20
    """Largest short side, in tenths of ``crop_px``; every tenth between is as likely, 16 sizes by default."""
    max_long_side: Positive = 4.0
    """Longest long side over ``crop_px``; an image whose long side would pass it is scaled less."""
    max_class_share: Annotated[float, Field(gt=0, le=1)] = 0.75
    """A crop is drawn anew when one class has this share of its rated pixels or more; 1 takes every crop."""
    crop_retries: Annotated[int, Field(ge=0)] = 10
    """How often at most; the last crop is taken as it is."""
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Chance to mirror left and right."""
    photometric: PhotometricConfig | None = PhotometricConfig()
    """Changes of colours; None for none."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_scale_tenths < self.min_scale_tenths:
            raise ValueError(
                f"max_scale_tenths {self.max_scale_tenths} is below min_scale_tenths {self.min_scale_tenths}"
            )
        return self

    @property
    def short_sides_px(self) -> tuple[int, ...]:
        """Sizes that the short side is scaled to, pixels, rounded down."""
        return tuple(self.crop_px * tenth // 10 for tenth in range(self.min_scale_tenths, self.max_scale_tenths + 1))
