"""Scenes in which the background is a class too, as they lie below the views as ADE20K and as COCO panoptic: who shows what, and its looks.

Imports nothing heavy, so that plans can be made from it; ``stuff_drawing.py`` draws. Source: our choice.
"""

from typing import Literal

from pydantic import Field, model_validator

from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.lvis_view import assign_classes, long_tail_counts
from methods.common.miniature.world_config import SceneConfig
from methods.common.seeds import Seeds
from methods.common.stage import Config

Light = Literal["day", "dusk"]

_NUM_UNLABELLED = 4


class StuffScenesConfig(Config):
    """Size, statistics and looks of both splits."""

    num_train: int = Field(default=400, ge=0)
    """Images of the training split, in which few things are common and many rare; 0 leaves it out."""
    num_val: int = Field(default=200, ge=1)
    """Images of the validation split, in which all things are about equally common."""
    num_things: int = Field(default=12, ge=2, le=len(CATEGORIES) - _NUM_UNLABELLED)
    """How many of the world's categories are classes, the first ones of its list. Its eight backgrounds are the other classes."""
    image_size_px: int = Field(default=64, ge=32, le=1024)
    """Side of a square image."""
    min_radius: float = Field(default=0.13, gt=0, lt=0.5)
    """Half the extent of the smallest object, as a share of the side."""
    max_radius: float = Field(default=0.32, gt=0, lt=0.5)
    """Half the extent of the largest object, as a share of the side."""
    commonest_share: float = Field(default=0.45, gt=0, le=1)
    """Share of the training images that show the commonest thing."""
    tail_power: float = Field(default=0.75, gt=0)
    """How fast the others get rare, as for the view as LVIS."""
    classes_per_image: float = Field(default=1.6, ge=1, le=4)
    """Mean number of different things in a validation image."""
    repeat_share: float = Field(default=0.3, ge=0, le=1)
    """Probability that an image shows one of its things once more."""
    unlabelled_share: float = Field(default=0.2, ge=0, le=1)
    """Probability that an image shows a further object that no class names: it is void."""
    look: int = Field(default=0, ge=0)
    """Another number draws the same scenes, mask for mask, with other colours, light on objects and noise."""
    light: Light = "day"
    """``dusk`` draws the same scenes in a warm half-dark that falls off to one side, with coarse noise."""

    @model_validator(mode="after")
    def _radii_in_order(self) -> "StuffScenesConfig":
        if self.max_radius < self.min_radius:
            raise ValueError("max_radius is below min_radius")
        return self

    @property
    def unlabelled_categories(self) -> range:
        """Categories of the world that are drawn and are no class."""
        return range(self.num_things, self.num_things + _NUM_UNLABELLED)

    def scene(self) -> SceneConfig:
        """Return how large objects are."""
        side = self.image_size_px
        return SceneConfig(
            height_px=side,
            width_px=side,
            min_radius_px=max(3.0, self.min_radius * side),
            max_radius_px=max(3.0, self.max_radius * side),
            smallness=1.0,
        )


def thing_plans(config: StuffScenesConfig, seeds: Seeds) -> dict[Literal["train", "val"], list[list[int]]]:
    """Decide which things every image of both splits shows; the data seed says which are rare."""
    rng = seeds.numpy("data", "stuff scenes", "classes")
    order = rng.permutation(config.num_things)
    tail = long_tail_counts(config.num_train, config.num_things, config.commonest_share, config.tail_power)
    counts = [0] * config.num_things
    for rank, category in enumerate(order):
        counts[int(category)] = min(tail[rank], config.num_train)
    each = max(1, round(config.num_val * config.classes_per_image / config.num_things))
    level = [min(each, config.num_val)] * config.num_things
    return {
        "train": assign_classes(counts, config.num_train, rng) if config.num_train else [],
        "val": assign_classes(level, config.num_val, rng),
    }
