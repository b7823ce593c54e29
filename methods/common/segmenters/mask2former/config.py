"""Every size and weight of Mask2Former. Holds no torch, so that planning stays fast.

Defaults are those of the ADE20K R50 configuration that SAM filter starts from (SAM filter section 8); ``presets.py`` and ``recipes.py``
give complete configs. Marks are those of docs/papers/sam_filter.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.segmenters.backbones.config import (
    BackboneConfig,
    NonNegative,
    Positive,
    ResNetConfig,
    check_backbone,
)
from methods.common.segmenters.mask_queries.config import MaskSetLossConfig
from methods.common.stage import Config

NUM_BACKBONE_OUTPUTS = 4
"""Feature maps that the pixel decoder reads: the finest makes masks, the three others pass through its transformer. [M2F]"""


def resnet50(norm: Literal["batch", "frozen"] = "batch") -> ResNetConfig:
    """Return the plain ResNet-50 with four outputs."""
    return ResNetConfig(norm=norm, output_stages=(0, 1, 2, 3))


class Mask2FormerLossConfig(MaskSetLossConfig):
    """What is matched, sampled and trained (SAM filter section 8)."""

    void: Literal["negative", "excluded"] = "negative"
    """What pixels of label 255 are: ``negative`` gives them no target, but they count against every mask, as in MMSegmentation;
    ``excluded`` puts no point of loss or matching on them. SAM filter section 2.5; SAM filter section 10, item 12."""
    dense_weight: NonNegative = 0.0
    """Weight of a per-pixel cross-entropy on the mask features, dropped at test time; 0 builds no layer for it.
    It makes short trainings of small networks start sooner [C SAM filter D67]."""


class Mask2FormerNetworkConfig(Config):
    """The network of every Mask2Former, whatever its queries are trained to find."""

    num_classes: Positive
    """Number K of classes, background included where it is one; output K is "no object"."""
    backbone: BackboneConfig = resnet50()
    """The network that makes four feature maps."""
    train_batch_norm_affine: bool = True
    """Whether scale and shift of the backbone's batch norms are trained. The official configuration fixes them [MM]; from scratch
    they would then stay at 1 and 0, so they are trained (SAM filter section 8.1) [C SAM filter D9]. Only for
    ``norm="batch"``."""
    num_queries: Positive = 100
    """Number Q of queries. [MM]"""
    feature_width: Positive = 256
    """Channels of the pixel decoder. [MM]"""
    mask_width: Positive = 256
    """Channels of the mask features, and of the embedding that each query compares them with. [MM]"""
    hidden_width: Positive = 256
    """Channels of the transformer decoder. [MM]"""
    encoder_layers: Positive = 6
    """Layers of multi-scale deformable attention in the pixel decoder. [MM]"""
    decoder_layers: Positive = 9
    """Layers of masked attention; masks and classes are predicted, and trained, before the first and after each. [MM]"""
    heads: Positive = 8
    """Attention heads of both. [MM]"""
    encoder_ffn_width: Positive = 1024
    """Hidden width of the feed-forward parts of the pixel decoder. [MM]"""
    decoder_ffn_width: Positive = 2048
    """Hidden width of the feed-forward parts of the transformer decoder. [MM]"""
    norm_groups: Positive = 32
    """Groups of the pixel decoder's group norms. [MM]"""
    loss: Mask2FormerLossConfig = Mask2FormerLossConfig()
    """The training target."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255. [MM]"""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it. [MM]"""
    pad_multiple: Positive = 32
    """Normalised images are padded right and bottom with zeros to a multiple of this many pixels. [M2F]"""

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        colours = self.pixel_mean, self.pixel_std
        check_backbone(self.backbone, NUM_BACKBONE_OUTPUTS, "Mask2Former", self.pad_multiple, colours)
        if self.feature_width % 32 or self.feature_width % self.norm_groups:
            raise ValueError(
                f"feature_width {self.feature_width} is no multiple of 32 and of norm_groups {self.norm_groups}"
            )
        for name, width in (("feature_width", self.feature_width), ("hidden_width", self.hidden_width)):
            if width % (2 * self.heads) or width % 4:
                raise ValueError(f"{name} {width} is no multiple of 4 and of twice the {self.heads} heads")
        return self


class Mask2FormerConfig(Mask2FormerNetworkConfig):
    """A complete Mask2Former for semantic segmentation."""

    kind: Literal["mask2former"] = "mask2former"
    """Which segmenter this is."""
    task: Literal["semantic"] = "semantic"
    """What a query stands for in training: one class that is present in the picture."""


class PanopticMask2FormerConfig(Mask2FormerNetworkConfig):
    """A complete Mask2Former for panoptic segmentation, or for instances alone where every class has some."""

    kind: Literal["panoptic_mask2former"] = "panoptic_mask2former"
    """Which segmenter this is."""
    stuff_classes: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Places of the classes that have no instances: at most one segment each in an image, never detected."""
    detections_per_image: Positive = 100
    """Best pairs of query and class, over all classes, that detections are taken from. SegGen section 8.3 [code]"""

    @property
    def thing_classes(self) -> tuple[int, ...]:
        """Places of the classes that have instances."""
        return tuple(index for index in range(self.num_classes) if index not in self.stuff_classes)

    @model_validator(mode="after")
    def _classes_agree(self) -> Self:
        outside = [index for index in self.stuff_classes if index >= self.num_classes]
        if outside:
            raise ValueError(f"stuff_classes names class {outside[0]}; there are {self.num_classes} from 0")
        if not self.thing_classes:
            raise ValueError("stuff_classes names every class; leave one that has instances")
        if self.loss.void != "negative" or self.loss.dense_weight:
            raise ValueError(
                "loss.void and loss.dense_weight are for label maps; leave them at 'negative' and 0 for segments"
            )
        return self
