"""How heat maps become label maps, as settings (section 5)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from methods.common.stage import Config


class PseudoMaskConfig(Config):
    """Background channel, its meaning, and which images are kept."""

    beta: float = Field(default=0.2, gt=-1, lt=1)
    """How much the background channel is lowered: a pixel is foreground where its best class is above ``(1 - beta) / 2``. 0.2 for plain
    words, -0.2 for optimised tokens [R]."""
    weak_pixels: Literal["background", "ignored"] = "background"
    """What a pixel is where no word is strong: label 0, or 255 where a data set has no background class, as Cityscapes (section 7)."""
    min_foreground: float = Field(default=0.01, ge=0, le=1)
    """Images with a smaller share of foreground are dropped (section 5.4)."""
    max_foreground: float = Field(default=0.95, ge=0, le=1)
    """Images with a larger share of foreground are dropped; not asked where there is no background [C D4]."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_foreground > self.max_foreground:
            raise ValueError(f"min_foreground {self.min_foreground} is above max_foreground {self.max_foreground}")
        return self

    @property
    def threshold(self) -> float:
        """What the best class must exceed to be foreground."""
        return (1 - self.beta) / 2
