"""How generated pictures get labels and reliability, as settings (sections 5 and 6.1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from methods.common.stage import Config
from methods.diffumask_robust.crf import LabelCrf
from methods.diffumask_robust.margins import Ties
from methods.diffumask_robust.pseudo_mask_config import PseudoMaskConfig


class LabelConfig(Config):
    """Where labels come from, and which pixels are trusted."""

    preset: str = "attn2mask"
    """Whose heat maps: a folder below ``maps`` of the pictures."""
    rescaled: bool = True
    """Whether maps are scaled to [0, 1] by their smallest and largest value (section 5.1), whatever the preset has done; otherwise they stay as the
    preset leaves them. [C D49]"""
    mask: PseudoMaskConfig = PseudoMaskConfig()
    """Background channel and filters of images."""
    smoothing: LabelCrf | None = None
    """A dense CRF on the labels, after the margins are taken; None for none. Section 5.3 [C D53]"""
    masks_from: Literal["attention", "cutout", "segmenter"] = "attention"
    """``segmenter``: the labels are those of the segmenter of role ``model``, trained on real images, with which generated ones are rated.
    ``cutout``: the foreground is what the network of role ``cutter`` cuts out, and attention only says which of several classes
    it is; a control that no paper has [C D42]."""
    segmenter_px: int | None = Field(default=None, ge=16)
    """Short side of pictures for the segmenter; None for their own."""
    trust_remote_code: bool = False
    """Whether the cut-out network's folder may run its own code."""
    trusted: Literal["margin", "random"] = "margin"
    """``random``: as many trusted pixels of each class, drawn at random; a control [C D43]."""
    trusted_share: float = Field(default=0.5, ge=0, le=1)
    """Share of each class's pixels that are trusted. [code] 1/2"""
    ties: Ties = "as_meant"
    """How the runner-up of a margin is found. [C D18]"""
