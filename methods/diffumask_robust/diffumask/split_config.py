"""Where DiffuMask splits a heat map into sure foreground and sure background, by class (section 10.4). Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from methods.common.stage import Config

Share = Annotated[float, Field(ge=0, le=1)]


class SplitConfig(Config):
    """How a heat map in about [0, 1] is split. Defaults are those of most classes [code]."""

    low: Share = 0.45
    """Lowest split value; a whole hundredth."""
    high: Share = 0.53
    """End of the highest bin of the window; a whole hundredth."""
    foreground: Annotated[float, Field(ge=-1, le=1)] = -0.04
    """Added to the mean of the values above the split."""
    background: Annotated[float, Field(ge=-1, le=1)] = 0.02
    """Added to the mean of the values below the split."""
    min_share: Share = 0.06
    """The split moves until each side has this share of the image above, or below, its mean."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not round(self.low * 100) < round(self.high * 100):
            raise ValueError(f"low {self.low} and high {self.high} leave no bin of 0.01 between them")
        return self


_OF_PERSONS = SplitConfig(low=0.48, high=0.55, foreground=0.06, background=0.06, min_share=0.01)
RELEASED_SPLITS: Mapping[str, SplitConfig] = {
    "person": _OF_PERSONS,
    "human": _OF_PERSONS,
    "sofa": SplitConfig(low=0.48, high=0.58, foreground=-0.01, background=0.07),
    "aeroplane": SplitConfig(low=0.48, high=0.53, foreground=-0.02, background=0.05),
    "boat": SplitConfig(low=0.48, high=0.53, foreground=-0.02, background=0.05),
    "diningtable": SplitConfig(low=0.55, high=0.64, background=0.04),
}
"""Splits of classes that have their own, by VOC's names (section 10.4 [code]); the street's group of humans is split as persons are [C D67]."""


def split_of(class_name: str) -> SplitConfig:
    """Return the split of a class."""
    return RELEASED_SPLITS.get(class_name, SplitConfig())
