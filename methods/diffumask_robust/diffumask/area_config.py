"""Which masks are plausible, by class (section 10.5). Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from methods.common.stage import Config

Share = Annotated[float, Field(ge=0, le=1)]


class AreaRule(Config):
    """How large a mask may be, and which shape its largest region may have. By default everything passes."""

    min_share: Share = 0.0
    """Smallest share of the image."""
    max_share: Share = 1.0
    """Largest share of the image."""
    min_aspect: Annotated[float, Field(ge=0)] = 0.0
    """Smallest width over height of the largest bounding box of a region."""
    max_aspect: Annotated[float, Field(gt=0)] | None = None
    """Largest; None for any."""
    min_filled: Share = 0.0
    """Smallest share of that box that the mask fills."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_share > self.max_share or (self.max_aspect is not None and self.min_aspect > self.max_aspect):
            raise ValueError("a smallest value is above the largest one; swap them")
        return self


_OF_PERSONS = AreaRule(min_share=0.05, max_share=0.5)
RELEASED_RULES: Mapping[str, AreaRule] = {
    "person": _OF_PERSONS,
    "human": _OF_PERSONS,
    "diningtable": AreaRule(min_share=0.05, max_share=0.9),
    "pottedplant": AreaRule(min_share=0.05, max_share=0.94),
    "sofa": AreaRule(min_share=0.05, max_share=0.94),
    "tvmonitor": AreaRule(min_aspect=1.0, max_aspect=2.5, min_filled=0.7),
}
"""Rules of classes that have their own, by VOC's names (section 10.5 [code]); the street's group of humans has that of persons [C D67]."""


def rule_of(class_name: str) -> AreaRule:
    """Return the rule of a class."""
    return RELEASED_RULES.get(class_name, AreaRule())
