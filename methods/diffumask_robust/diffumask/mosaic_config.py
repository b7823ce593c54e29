"""Mosaics and distortions of a training set (section 10.6). Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from methods.common.stage import Config

Chance = Annotated[float, Field(ge=0, le=1)]


class Mosaics(Config):
    """Mosaics of one shape."""

    rows: Annotated[int, Field(ge=1, le=8)]
    """Images below each other."""
    columns: Annotated[int, Field(ge=1, le=8)]
    """Images beside each other."""
    count: Annotated[int, Field(ge=0)]
    """How many."""
    may_turn: bool = False
    """Whether rows and columns are swapped in half of them, at random."""


RELEASED_MOSAICS: tuple[Mosaics, ...] = (
    Mosaics(rows=1, columns=2, count=3000, may_turn=True),
    Mosaics(rows=2, columns=2, count=3000),
    Mosaics(rows=3, columns=3, count=4000),
    Mosaics(rows=5, columns=5, count=3000),
    Mosaics(rows=6, columns=6, count=2000),
    Mosaics(rows=7, columns=7, count=2000),
    Mosaics(rows=8, columns=8, count=1000),
)
"""Section 10.6 [code]."""


class _Distortion(Config):
    chance: Chance = 0.5
    """Share of the images that it happens to. [C D36]"""


class Blur(_Distortion):
    """Gaussian blur of the image."""

    min_sigma: Annotated[float, Field(gt=0)] = 0.002
    """Smallest standard deviation, as a share of the image's shorter side. [C D36]"""
    max_sigma: Annotated[float, Field(gt=0)] = 0.008
    """Largest; in between all are equally likely. [C D36] 1 to 4 px of 512."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_sigma > self.max_sigma:
            raise ValueError(f"min_sigma {self.min_sigma} is above max_sigma {self.max_sigma}")
        return self


class Occlusion(_Distortion):
    """Boxes of one colour before the scene; what they cover is background."""

    max_boxes: Annotated[int, Field(ge=1)] = 3
    """Largest number of boxes; one is the smallest. [C D36]"""
    min_side: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Smallest side of a box, as a share of the image's. [C D36]"""
    max_side: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Largest. [C D36]"""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_side > self.max_side:
            raise ValueError(f"min_side {self.min_side} is above max_side {self.max_side}")
        return self


class Perspective(_Distortion):
    """The image as seen from elsewhere; its corners move, and outside of it nothing is known."""

    max_move: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    """Largest move of a corner towards the middle, along each side, as a share of the side. [C D36]"""


class Distortions(Config):
    """What happens to each image before it is used, alone or in a mosaic; None for what does not. Table 4d adds one after another."""

    blur: Blur | None = Blur()
    """Gaussian blur."""
    occlusion: Occlusion | None = Occlusion()
    """Boxes before the scene."""
    perspective: Perspective | None = Perspective()
    """Another view."""


NO_DISTORTIONS = Distortions(blur=None, occlusion=None, perspective=None)
"""Splicing alone, the second column of table 4d."""
