"""Config of the training of Mask2Img (section 6)."""

from __future__ import annotations

from pydantic import Field

from methods.seggen.diffusion.config import GeneratorTrainingConfig


class Mask2ImgTrainingConfig(GeneratorTrainingConfig):
    """How a ControlNet learns to read masks. ``caption_dropout`` 0.5 makes the mask count more (section 6)."""

    panoptic: bool = False
    """Whether the data are COCO's panoptic ones, whose segments get an edge each (section 4.4)."""
    edge_px: int = Field(default=2, ge=1)
    """Width of the edges at the size that is learnt. Section 12, item 2"""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones kept; section 6 names none, so 0 keeps the last weights."""
