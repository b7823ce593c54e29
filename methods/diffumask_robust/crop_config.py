"""How training images are cropped before mixing (section 6.4). Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from methods.common.stage import Config


class CropConfig(Config):
    """A random part of the image, resized to a square, perhaps mirrored."""

    crop_px: Annotated[int, Field(ge=16)] = 512
    """Side of the square that comes out. [code]"""
    min_area: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Smallest share of the image's area. [code]"""
    max_area: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Largest share of the image's area. [code]"""
    max_aspect: Annotated[float, Field(ge=1)] = 4 / 3
    """Width over height is between 1 over this and this, on a logarithmic scale. [code]"""
    attempts: Annotated[int, Field(ge=1)] = 10
    """How often a part is drawn that does not fit; then a middle part is taken."""
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Chance to mirror left and right. [code]"""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_area < self.min_area:
            raise ValueError(f"max_area {self.max_area} is below min_area {self.min_area}")
        return self
