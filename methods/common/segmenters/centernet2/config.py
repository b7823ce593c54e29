"""Every size, level, range and threshold of CenterNet2. Holds no torch, so that planning stays fast.

Defaults are those of the paper's R50 segmenter (MRCA section 6); ``presets.py`` gives complete configs. Marks
are those of docs/papers/mrca.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.growth import Added
from methods.common.segmenters.backbones.config import BackboneConfig, NonNegative, Positive, Probability, ResNetConfig
from methods.common.stage import Config


class PyramidConfig(Config):
    """Feature pyramid: one level for each backbone output, then coarser ones from the last."""

    channels: Positive = 256
    """Channels of every level. [R]"""
    extra_levels: Literal[0, 1, 2] = 2
    """Levels beyond the backbone's: 3x3 convolutions of stride 2 on the last level, then on its ReLU. [R] P6, P7."""


class ProposalConfig(Config):
    """First stage: class-agnostic CenterNet on every pyramid level (MRCA section 6.2)."""

    tower_convs: Positive = 4
    """3x3 convolutions, each with group norm and ReLU, that all levels share. [R]"""
    norm_groups: Positive = 32
    """Groups of the tower's group norm. [D]"""
    ranges_px: tuple[tuple[NonNegative, NonNegative], ...] = ((0, 80), (64, 160), (128, 320), (256, 640), (512, 1e7))
    """Half box diagonals that each level is responsible for, both ends included; they overlap on purpose. [R]"""
    min_overlap: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """IoU that a shifted box keeps within the heat map's radius; radius^2 = 2 ((1-o)/(1+o))^2 area. [R]"""
    min_radius_px: Annotated[float, Field(gt=0)] = 4.0
    """Smallest heat-map radius. [R]"""
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Heat-map value of an untrained network. [R]"""
    distance_bias: float = 8.0
    """Initial bias of the four distances, in strides. [R]"""
    alpha: Probability = 0.25
    """Weight of positive cells in the focal loss; negative ones get 1 - alpha. [R]"""
    gamma: NonNegative = 2.0
    """Exponent that plays down easy cells. [R]"""
    beta: NonNegative = 4.0
    """Exponent that plays down negative cells near a centre. [R]"""
    ignore_above: Probability = 0.85
    """Negative cells with a higher probability are left out of the loss. [R]"""
    clamp: Annotated[float, Field(gt=0, lt=0.5)] = 1e-4
    """Probabilities are clamped to [clamp, 1 - clamp] in the loss. [R]"""
    positive_weight: NonNegative = 0.5
    """Weight of the positive part of the heat-map loss. [R]"""
    negative_weight: NonNegative = 0.5
    """Weight of the negative part of the heat-map loss. [R]"""
    box_weight: NonNegative = 1.0
    """Weight of the GIoU loss. [R]"""
    score_threshold: Probability = 1e-4
    """Cells need a probability above it to become proposals. [R]"""
    candidates_train: Positive = 4000
    """Best cells of each level that go into the NMS in training. [R]"""
    candidates_test: Positive = 1000
    """The same at test time. [R]"""
    nms_iou: Probability = 0.9
    """IoU above which the weaker of two proposals is dropped. [R]"""
    keep_train: Positive = 2000
    """Proposals kept in training. [R]"""
    keep_test: Positive = 256
    """Proposals kept at test time. [R]"""


class CascadeConfig(Config):
    """Second stage: box heads that refine the proposals one after another (MRCA section 6.3)."""

    foreground_iou: tuple[Probability, ...] = (0.6, 0.7, 0.8)
    """IoU from which a box counts as foreground, one for each stage. [R]"""
    delta_weights: tuple[tuple[float, float, float, float], ...] = ((10, 10, 5, 5), (20, 20, 10, 10), (30, 30, 15, 15))
    """Factors of the regression targets dx, dy, dw, dh, one row for each stage. [D]"""
    pool_size: Positive = 7
    """Side of the pooled features. [D]"""
    pool_levels: Positive = 3
    """Number of pyramid levels, from the finest, that boxes are pooled from. [R] P3-P5."""
    canonical_size_px: Annotated[float, Field(gt=0)] = 224.0
    """A box with this sqrt(area) is pooled from ``canonical_level``. [D]"""
    canonical_level: int = 4
    """log2 of the stride of that level; a box of half the side goes one level finer. [D]"""
    fc_width: Positive = 1024
    """Width of the two fully connected layers of each stage. [R]"""
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Class probability of an untrained network. [R]"""
    samples_per_image: Positive = 512
    """Boxes of an image that the losses see. [R]"""
    foreground_fraction: Probability = 0.25
    """Largest share of foreground among them. [D]"""
    gradient_divisor: Annotated[float, Field(gt=0)] = 3.0
    """Divides the gradient that each stage sends into the features. [D] the number of stages."""
    federated_classes: Positive = 50
    """Classes whose columns count in the classification loss of a batch; all when there are no more. [R]"""
    frequency_power: NonNegative = 0.5
    """Classes fill up the federated subset with a probability proportional to image_count^power. [R]"""
    box_loss_average: Literal["foreground", "sampled"] = "foreground"
    """Average of the L1 loss over foreground coordinates, as X-Paste does [B], or its sum over the number of sampled
    boxes, as the detector framework does [D]."""
    class_weight: NonNegative = 1.0
    """Weight of each stage's classification loss. [D]"""
    box_weight: NonNegative = 1.0
    """Weight of each stage's box loss. [D]"""

    @model_validator(mode="after")
    def _one_row_per_stage(self) -> Self:
        if not self.foreground_iou or len(self.foreground_iou) != len(self.delta_weights):
            raise ValueError(
                f"foreground_iou has {len(self.foreground_iou)} stages and delta_weights {len(self.delta_weights)}; give one each"
            )
        return self


class MaskConfig(Config):
    """Class-agnostic mask head (MRCA section 6.4)."""

    pool_size: Positive = 14
    """Side of the pooled features; masks have twice that side. [D]"""
    convs: Positive = 4
    """Number of 3x3 convolutions before the transposed one. [D]"""
    channels: Positive = 256
    """Their width. [D]"""
    weight: NonNegative = 1.0
    """Weight of the mask loss. [R]"""


class InferenceConfig(Config):
    """From cascade outputs to detections (MRCA section 6.3, last line)."""

    score_threshold: Probability = 0.02
    """Detections need a higher score. [R]"""
    nms_iou: Probability = 0.5
    """IoU above which the weaker of two detections of a class is dropped. [R]"""
    detections_per_image: Positive = 300
    """Best detections kept, over all classes. [R]"""
    mask_threshold: Probability = 0.5
    """A pixel belongs to a mask from this probability on. [D]"""


class CenterNet2Config(Config):
    """A complete CenterNet2."""

    num_classes: Positive
    """Number C of classes that are detected."""
    extra_classes: Annotated[int, Added(neutral=0), Field(ge=0)] = 0
    """Classes behind them that exist in training alone: they have columns of the classifiers and a share in the federated loss, and no
    detection. The index behind all of them is background. [B] MRCA section 5.4."""
    backbone: BackboneConfig = ResNetConfig()
    """The network that makes features."""
    pyramid: PyramidConfig = PyramidConfig()
    """Its multi-scale neck."""
    proposals: ProposalConfig = ProposalConfig()
    """First stage."""
    cascade: CascadeConfig = CascadeConfig()
    """Second stage."""
    mask: MaskConfig = MaskConfig()
    """Mask head."""
    inference: InferenceConfig = InferenceConfig()
    """Post-processing."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255. [R]"""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it. [R]"""
    pad_multiple: Positive = 32
    """Batches are padded right and bottom to a multiple of this many pixels, the backbone's largest stride. [D] The golden
    outputs of the official model confirm 32, not the pyramid's 128."""

    @property
    def trained_classes(self) -> int:
        """Number of classes in training; also the label of background."""
        return self.num_classes + self.extra_classes

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each pyramid level in pixels."""
        own = self.backbone.output_strides
        return own + tuple(own[-1] * 2 ** (extra + 1) for extra in range(self.pyramid.extra_levels))

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        if len(self.proposals.ranges_px) != len(self.strides):
            raise ValueError(
                f"proposals.ranges_px has {len(self.proposals.ranges_px)} entries and the pyramid {len(self.strides)} levels; give one each"
            )
        if self.cascade.pool_levels > len(self.strides):
            raise ValueError(
                f"cascade.pool_levels is {self.cascade.pool_levels}, the pyramid has {len(self.strides)} levels"
            )
        if self.pad_multiple % self.backbone.output_strides[-1]:
            raise ValueError(
                f"pad_multiple {self.pad_multiple} is no multiple of the backbone's stride {self.backbone.output_strides[-1]}"
            )
        if self.pyramid.channels % self.proposals.norm_groups:
            raise ValueError(
                f"pyramid.channels {self.pyramid.channels} is no multiple of proposals.norm_groups {self.proposals.norm_groups}"
            )
        return self
