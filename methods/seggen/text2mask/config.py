"""Config of the training of Text2Mask (section 5)."""

from __future__ import annotations

from pydantic import Field

from methods.seggen.diffusion.config import GeneratorTrainingConfig


class Text2MaskTrainingConfig(GeneratorTrainingConfig):
    """How a text-to-image generator learns to draw masks."""

    lora_rank: int | None = Field(default=None, ge=1)
    """Rank of low-rank updates of the U-Net's attention, for small machines; None trains all of it. Section 12, item 5"""
