"""Every size and weight of DiffusionInst. Holds no torch, so that planning stays fast.

Defaults are those of the released COCO configuration of R50 (InstSynth section 5); ``presets.py`` gives complete configs.
Marks are those of docs/papers/instance_synthesis.md.
"""

from __future__ import annotations

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
from methods.common.stage import Config

POOLED_LEVELS = 4
"""Pyramid levels that boxes are pooled from, the backbone's own. [DI]"""


class DiffusionConfig(Config):
    """How boxes are noised in training and freed from noise at test time (InstSynth sections 5.2 and 5.4)."""

    num_timesteps: Positive = 1000
    """Steps of the noise schedule. [DI]"""
    schedule_offset: Annotated[float, Field(gt=0)] = 0.008
    """Keeps the first steps of the cosine schedule from vanishing. [DI]"""
    signal_scale: Annotated[float, Field(gt=0)] = 2.0
    """Box coordinates are mapped from [0, 1] to minus and plus this; noise has deviation 1. [DI]"""
    sampling_steps: Positive = 1
    """Times that the decoder runs at test time. [DI]"""
    eta: Probability = 1.0
    """Noise that is added anew between two steps: 0 none, 1 as much as DDPM. [DI]"""
    renewal_score: Probability = 0.5
    """Between two steps, boxes whose best class is not surer than this are drawn anew. [DI]"""
    ensemble: bool = True
    """Whether the boxes of all steps are put together, where there are several. [DI]"""
    noise_seed: Annotated[int, Field(ge=0)] = 0
    """Of the noise at test time, which is the same for every image, so that an image's detections depend on no other. Our choice."""
    start: Literal["noise", "fixed"] = "noise"
    """``noise``: decoding begins with noised boxes [DI]. ``fixed``: always, in training too, with the boxes that test time begins
    with, so that nothing is freed from noise; an ablation of ours."""

    @model_validator(mode="after")
    def _fixed_boxes_go_once(self) -> Self:
        if self.start == "fixed" and self.sampling_steps > 1:
            raise ValueError(f"sampling_steps is {self.sampling_steps}; fixed boxes go through the decoder once")
        return self


class DiffusionInstLossConfig(Config):
    """What is matched and trained (InstSynth section 5.3)."""

    class_weight: NonNegative = 2.0
    """Weight of the focal loss of classes, in loss and matching. [DI]"""
    box_weight: NonNegative = 5.0
    """Weight of the L1 distance of boxes as shares of the image. [DI]"""
    giou_weight: NonNegative = 2.0
    """Weight of 1 - GIoU. [DI]"""
    dice_weight: NonNegative = 5.0
    """Weight of the dice loss of masks; matching does not see masks. [DI]"""
    focal_alpha: Probability = 0.25
    """Weight of positives in the focal loss. [DI]"""
    focal_gamma: NonNegative = 2.0
    """How much the focal loss leaves what is easy. [DI]"""
    candidates: Positive = 5
    """Overlaps of an object that are added up to its number of proposals. [DI]"""
    centre_radius: Annotated[float, Field(gt=0)] = 2.5
    """Half the side of the window around an object's centre, as a share of its box. [DI]"""


class DiffusionInstConfig(Config):
    """A complete DiffusionInst."""

    kind: Literal["diffusioninst"] = "diffusioninst"
    """Which segmenter this is."""
    num_classes: Positive
    """Number K of classes of objects."""
    backbone: BackboneConfig = ResNetConfig(output_stages=(0, 1, 2, 3))
    """The network that makes four feature maps. [DI] ResNet-50 with frozen batch norms."""
    width: Positive = 256
    """Channels of pyramid and proposals. [DI]"""
    num_proposals: Positive = 500
    """Number Q of boxes. [DI] 500 in the released configurations."""
    num_heads: Positive = 6
    """Decoder heads, one after the other, each trained. [DI]"""
    attention_heads: Positive = 8
    """Attention heads between proposals. [DI]"""
    ffn_width: Positive = 2048
    """Hidden width of the feed-forward parts. [DI]"""
    dynamic_width: Positive = 64
    """Inner width of the convolution that each proposal makes for its own region. [DI]"""
    pool_size: Positive = 7
    """Side of the grid that a box is pooled to. [DI]"""
    pool_samples: Positive = 2
    """Samples along each side of a cell of that grid. [DI]"""
    canonical_level: Annotated[int, Field(ge=2, le=5)] = 4
    """Level, as log2 of its stride, that boxes of ``canonical_size_px`` are pooled from. [DI]"""
    canonical_size_px: Annotated[float, Field(gt=0)] = 224.0
    """Side of a box on that level; twice the side is one level higher. [DI]"""
    class_layers: Positive = 1
    """Linear layers before the classifier. [DI]"""
    box_layers: Positive = 3
    """Linear layers before box and filters. [DI]"""
    mask_width: Positive = 128
    """Channels inside the mask branch. [DI]"""
    mask_levels: Annotated[int, Field(ge=1, le=POOLED_LEVELS)] = 3
    """Pyramid levels, finest first, that the mask branch adds up. [DI] p2, p3, p4."""
    mask_convs: Positive = 4
    """3x3 convolutions of the mask branch after the sum. [DI]"""
    mask_channels: Positive = 8
    """Channels of the map that every proposal's filters read. [DI]"""
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Class probability that the classifiers start with. [DI]"""
    detections_nms_iou: Probability = 0.5
    """Overlap at which the lower of two detections of a class goes. [DI]"""
    mask_threshold: Probability = 0.5
    """Mask probability from which on a pixel belongs to the object. [DI]"""
    diffusion: DiffusionConfig = DiffusionConfig()
    """Noise and sampling."""
    loss: DiffusionInstLossConfig = DiffusionInstLossConfig()
    """The training target."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255. [DI]"""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it. [DI]"""
    pad_multiple: Positive = 32
    """Normalised images are padded right and bottom with zeros to a multiple of this many pixels. [DI]"""

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        colours = self.pixel_mean, self.pixel_std
        check_backbone(self.backbone, POOLED_LEVELS, "DiffusionInst", self.pad_multiple, colours)
        if self.width % self.attention_heads:
            raise ValueError(f"width {self.width} is no multiple of attention_heads {self.attention_heads}")
        return self

    @property
    def time_width(self) -> int:
        """Return the channels of the time embedding. [DI] 1024."""
        return 4 * self.width

    @property
    def filter_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return (outputs, inputs) of the three 1x1 convolutions that a proposal brings for its mask. [DI] 8-8-8-1."""
        channels = self.mask_channels
        return (channels, channels), (channels, channels), (1, channels)

    @property
    def num_filters(self) -> int:
        """Return how many numbers these are, weights and biases. [DI] 153."""
        return sum(outputs * inputs + outputs for outputs, inputs in self.filter_sizes)
