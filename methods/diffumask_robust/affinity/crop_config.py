"""What happens to AffinityNet's training images. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from methods.common.stage import Config

Strength = Annotated[float, Field(ge=0, le=1)]


class AffinityCropConfig(Config):
    """Crops, mirroring and colours. Defaults are DiffuMask's (section 10.4 [code])."""

    crop_px: Annotated[int, Field(ge=8)] = 448
    """Side of a crop; whole cells, and no larger than an image."""
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the crops that are mirrored."""
    brightness: Strength = 0.3
    """Factors of the brightness are in [1 - b, 1 + b]; 0 for none. [code]"""
    contrast: Strength = 0.3
    """The same of the contrast. [code]"""
    saturation: Strength = 0.3
    """The same of the saturation. [code]"""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """The hue turns by up to this share of the circle, to either side. [code]"""
