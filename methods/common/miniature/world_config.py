"""How pictures of the world look. Imports nothing heavy, so that plans can be made from it."""

from typing import Annotated

from pydantic import Field, model_validator

from methods.common.growth import Added
from methods.common.stage import Config


class SceneConfig(Config):
    """How scenes look."""

    height_px: int = Field(default=64, ge=16)
    """Picture height in pixels."""
    width_px: int = Field(default=64, ge=16)
    """Picture width in pixels."""
    min_radius_px: float = Field(default=5.0, ge=3)
    """Half the extent of the smallest object, pixels."""
    max_radius_px: float = Field(default=18.0, ge=3)
    """Half the extent of the largest object, pixels."""
    min_visible: float = Field(default=0.55, gt=0, le=1)
    """An object keeps at least this share of its pixels visible behind later ones."""
    smallness: float = Field(default=1.5, gt=0)
    """Radii are min + (max - min) u^smallness with u uniform; above 1 most objects are small, as in photographs."""
    inset: float = Field(default=0.8, ge=0)
    """An object's centre stays this many radii inside the picture where that is possible."""
    noise: float = Field(default=0.012, ge=0, le=0.2)
    """Standard deviation of pixel noise, colours in [0, 1]."""

    @model_validator(mode="after")
    def _radii_in_order(self) -> "SceneConfig":
        if self.max_radius_px < self.min_radius_px:
            raise ValueError("max_radius_px is below min_radius_px")
        return self


class WebConfig(Config):
    """What the stream holds."""

    image_size_px: int = Field(default=64, ge=16)
    """Side of a square picture."""
    single_share: float = Field(default=0.85, ge=0, le=1)
    """Share of pictures with one large object; the others hold two or three smaller ones."""
    white_share: float = Field(default=0.4, ge=0, le=1)
    """Share of pictures on white; the other backgrounds share the rest equally."""
    min_single_radius: float = Field(default=0.27, gt=0, lt=1)
    """Half the extent of a single object at least, as a share of the side."""
    max_single_radius: float = Field(default=0.4, gt=0, lt=1)
    """Half the extent of a single object at most, as a share of the side."""

    faults: Annotated[bool, Added(neutral=False)] = False
    """Whether pictures of one object fail their captions as often as ``faults.py`` says of its category."""

    def single_scene(self) -> SceneConfig:
        """Return how pictures with one object look."""
        side = self.image_size_px
        low, high = self.min_single_radius * side, self.max_single_radius * side
        return SceneConfig(
            height_px=side, width_px=side, min_radius_px=low, max_radius_px=high, smallness=1.0, inset=1.15
        )

    def crowded_scene(self) -> SceneConfig:
        """Return how pictures with several objects look."""
        side = self.image_size_px
        return SceneConfig(
            height_px=side, width_px=side, min_radius_px=0.13 * side, max_radius_px=0.25 * side, smallness=1.0
        )
