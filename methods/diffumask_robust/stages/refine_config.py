"""How DiffuMask's masks are made of heat maps, as settings (section 10.4). Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.stage import Config
from methods.diffumask_robust.affinity.config import WalkConfig
from methods.diffumask_robust.crf import LabelCrf, diffumask_threshold_crf
from methods.diffumask_robust.diffumask.area_config import AreaRule

Box = Annotated[float, Field(ge=0)]


class RefineConfig(Config):
    """Random walk, threshold and filters."""

    preset: str = "diffumask"
    """Whose heat maps: a folder below ``maps`` of the pictures. [code]"""
    rescaled: bool = False
    """Whether maps are scaled to [0, 1] by their smallest and largest value; as released only by their largest. [C D51]"""
    mask: Literal["adaptive", "fixed", "walk"] = "adaptive"
    """The threshold that agrees best with the walk's mask, a fixed one, or the walk's mask itself: the rows of Table 4a. A fixed threshold
    needs no network."""
    walk: WalkConfig = WalkConfig()
    """How scores walk."""
    walk_box_px2: Box = 250.0
    """Smallest bounding box of a region of the walk's mask, of 512 x 512 pixels. [code]"""
    thresholds: tuple[Annotated[float, Field(ge=0, le=1)], ...] = tuple(place / 100 for place in range(35, 55))
    """What the adaptive threshold is chosen from. [code]"""
    fixed_threshold: Annotated[float, Field(ge=0, le=1)] = 0.4
    """The fixed one; the best of three in Table 4a."""
    smoothing: LabelCrf | None = diffumask_threshold_crf()
    """The dense CRF; None for none [C D32]."""
    box_px2: Box = 1500.0
    """Smallest bounding box of a region of the final mask. [code]"""
    area: AreaRule | None = None
    """Which masks are of use; None for the released rules of each class."""

    @model_validator(mode="after")
    def _has_thresholds(self) -> Self:
        if self.mask == "adaptive" and not self.thresholds:
            raise ValueError("thresholds is empty; give the adaptive threshold something to choose from")
        return self
