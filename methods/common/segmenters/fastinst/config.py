"""Every size and weight of FastInst. Holds no torch, so that planning stays fast.

Defaults are those of the released COCO configuration of R50-FPN-D3 (InstSynth section 7); ``presets.py`` gives complete configs.
Marks are those of docs/papers/instance_synthesis.md.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.segmenters.backbones.config import (
    BackboneConfig,
    NonNegative,
    Positive,
    Probability,
    ResNetConfig,
    check_backbone,
)
from methods.common.segmenters.mask_queries.config import MaskSetLossConfig
from methods.common.stage import Config

NUM_BACKBONE_OUTPUTS = 3
"""Feature maps that the pixel decoder reads: masks come from the finest, queries from the middle one. [FI]"""


class FastInstLossConfig(MaskSetLossConfig):
    """What is matched, sampled and trained (InstSynth section 7.3). [FI] has what it shares with other networks of queries as they have it."""

    location_weight: NonNegative = 1000.0
    """What a query gains in the matching by lying inside the object, and a cell of the proposals likewise. [FI]"""
    proposal_weight: NonNegative = 20.0
    """Weight of the classification of all cells that queries are chosen from. [FI]"""


class FastInstConfig(Config):
    """A complete FastInst."""

    kind: Literal["fastinst"] = "fastinst"
    """Which segmenter this is."""
    num_classes: Positive
    """Number K of classes of objects; output K is "no object"."""
    backbone: BackboneConfig = ResNetConfig()
    """The network that makes three feature maps. [FI] ResNet-50 with frozen batch norms."""
    width: Positive = 256
    """Channels of pixel decoder, queries and masks. [FI]"""
    pool_sizes: tuple[Positive, ...] = (1, 2, 3, 6)
    """Sides of the grids that the pyramid pooling averages the coarsest map to; each gets a quarter of ``width``. [FI]"""
    norm_groups: Positive = 32
    """Groups of the pixel decoder's group norms. [FI]"""
    num_queries: Positive = 100
    """Number Q of queries that predict; fewer where the middle map has fewer cells. [FI]"""
    num_auxiliary: Annotated[int, Field(ge=0)] = 8
    """Number of learned queries that take part in attention and never predict. [FI]"""
    decoder_layers: Positive = 3
    """Dual-path layers: 3 in D3, 1 in D1. Masks and classes are predicted, and trained, before the first and after each. [FI]"""
    heads: Positive = 8
    """Attention heads. [FI]"""
    ffn_width: Positive = 1024
    """Hidden width of the feed-forward parts. [FI]"""
    position_std: Annotated[float, Field(gt=0)] = 0.02
    """Deviation of the initial position grid, which the release leaves uninitialised; our choice, InstSynth section 7.2."""
    peak_threshold: Probability = 1e-6
    """Least probability of a local maximum. [FI]"""
    detections_per_image: Positive = 100
    """Pairs of query and class that are kept at test time. [FI]"""
    loss: FastInstLossConfig = FastInstLossConfig()
    """The training target."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255. [FI]"""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it. [FI]"""
    pad_multiple: Positive = 32
    """Normalised images are padded right and bottom with zeros to a multiple of this many pixels. [FI]"""

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        colours = self.pixel_mean, self.pixel_std
        check_backbone(self.backbone, NUM_BACKBONE_OUTPUTS, "FastInst", self.pad_multiple, colours)
        for name, parts in (("norm_groups", self.norm_groups), ("heads", self.heads), ("the pooling's", 4)):
            if self.width % parts:
                raise ValueError(f"width {self.width} is no multiple of {name} {parts}")
        return self

    @property
    def position_side(self) -> int:
        """Return the side of the learned grid of positions (InstSynth section 7.2)."""
        return round(math.sqrt(self.num_queries))
