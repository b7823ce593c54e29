"""What queries can be asked for, and what the loss of a set of masks is made of. Holds no torch, so that planning stays fast. Marks are those of docs/papers/sam_filter.md."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from methods.common.segmenters.backbones.config import NonNegative, Positive, Probability
from methods.common.stage import Config

Task = Literal["semantic", "instance", "panoptic"]
"""What is to be made of the answers. OneFormer's queries are told, and answer otherwise."""


class MaskSetLossConfig(Config):
    """What is matched, sampled and trained (SAM filter section 8; InstSynth section 8.2 has the same numbers)."""

    class_weight: NonNegative = 2.0
    """Weight of the classification in the loss and in the matching. [MM]"""
    mask_weight: NonNegative = 5.0
    """Weight of the binary cross-entropy of masks in both. [MM]"""
    dice_weight: NonNegative = 5.0
    """Weight of the dice loss of masks in both. [MM]"""
    no_object_weight: NonNegative = 0.1
    """Weight of queries without a target in the classification. [MM]"""
    num_points: Positive = 12_544
    """Points of a mask that the loss sees, and points of an image that the matching sees. [MM]"""
    oversampling: Annotated[float, Field(ge=1)] = 3.0
    """Candidates over points; the most uncertain candidates are taken. [MM]"""
    importance_share: Probability = 0.75
    """Share of the points that are taken for their uncertainty; the others are uniform. [MM]"""
