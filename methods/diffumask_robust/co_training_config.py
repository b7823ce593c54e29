"""How two networks train each other, as settings (section 6). Holds no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from methods.common.stage import Config
from methods.diffumask_robust.colours import ColourConfig
from methods.diffumask_robust.schedule import RobustRecipe
from methods.diffumask_robust.warm_up import WarmUp

NonNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]

Border = Literal["as_released", "as_meant"]
"""Pixels outside the image: ``as_released`` they neither erode nor dilate, so a region has no rim at the image's edge [code]; ``as_meant``
they are not pasted, and erode it [C D24]."""


class MixingConfig(Config):
    """How images are mixed."""

    probability: Probability = 0.5
    """Chance of each image to be a composite. [code]"""
    share_of_classes: Probability = 0.5
    """Share of the partner's foreground classes that is pasted, rounded up. [code]"""
    confidence: Probability = 0.95
    """Online labels above this probability are trusted. [code]"""
    boundary_radius_px: Annotated[int, Field(ge=1)] = 1
    """Of the square kernel that widens and narrows a pasted region; 1 is 3x3. [code]"""
    border: Border = "as_released"
    """What is outside of an image, for the boundary of a region. [C D24]"""
    nothing_pasted: Literal["as_released", "as_meant"] = "as_released"
    """A composite onto which nothing could be pasted: ``as_released`` it has the online labels and reliability all the same; ``as_meant`` it
    stays as it was [C D23]."""
    order: Literal["as_meant", "as_released"] = "as_meant"
    """Of the mixed batch: its own, or interleaved, 0, N/2, 1, N/2 + 1, .. as released [C D22]."""


class RobustLossConfig(Config):
    """Weights of the losses. All of [code]."""

    supervised_boundary: NonNegative = 0.2
    """w_b: what a pixel on a paste boundary counts more in the supervised losses."""
    co_boundary: NonNegative = 0.0
    """w_l: the same in the losses of the other network's labels."""
    co_training: NonNegative = 1.0
    """Weight of the losses of the other network's labels; 0 is the baseline *mask-only* of section 6.5."""


class CoTrainingConfig(Config):
    """How two networks train each other."""

    recipe: RobustRecipe = RobustRecipe()
    """Optimiser, schedule and batch."""
    mixing: MixingConfig = MixingConfig()
    """How images are mixed."""
    loss: RobustLossConfig = RobustLossConfig()
    """Weights of the losses."""
    warm_up: WarmUp = "as_meant"
    """How long images are mixed with offline labels. [C D25]"""
    colours: ColourConfig | None = ColourConfig()
    """Changes of colours after mixing; None for none."""
