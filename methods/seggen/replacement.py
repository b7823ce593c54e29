"""When a generated sample takes the place of a real one. Imports nothing heavy, so that plans can be made from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from methods.common.stage import Config

Strategy = Literal["MaskSyn", "ImgSyn"]
"""How a pair was made: mask and image are new, or an image was painted onto a human mask (section 1)."""


class Mixing(Config):
    """When a real sample is replaced, and by which (section 7, strategy A)."""

    p_aug: float = Field(default=0.6, ge=0, le=1)
    """Chance that a real sample is replaced by a generated one; 1 trains on generated samples alone. Section 7 [S]"""
    replaced_by: Literal["same image", "pool"] = "same image"
    """By a variant of the same training image, or by any generated pair. Section 7 [C D14]"""
    weigh: Literal["uniform", "one to one"] = "uniform"
    """Every pair that may be drawn is as likely, or MaskSyn as likely as ImgSyn, where there are both. Section 7 [C D14]"""
