"""Every size, weight and name of OneFormer. Holds no torch, so that planning stays fast.

Defaults are those of the release's Cityscapes configuration (InstSynth section 8); ``presets.py`` gives complete configs. Marks are
those of docs/papers/instance_synthesis.md.
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
from methods.common.segmenters.mask_queries.config import MaskSetLossConfig, Task
from methods.common.stage import Config

NUM_BACKBONE_OUTPUTS = 4
"""Feature maps that the pixel decoder reads: the finest makes masks, the three others pass through its transformer. [OF]"""

TASKS: tuple[Task, ...] = ("semantic", "instance", "panoptic")
"""What the network can be asked for, in the order in which everything counts them."""


class TextBranchConfig(Config):
    """The text encoder that is used in training alone, and its loss (InstSynth sections 8.1 and 8.2)."""

    width: Positive = 256
    """Channels; every 64 make one attention head. [OF]"""
    layers: Positive = 6
    """Layers of the text transformer. [OF]"""
    vocabulary_size: Positive = 49_408
    """Rows of the token embedding. [OF] CLIP's."""
    projector_layers: Positive = 2
    """Layers of the MLP from text to the queries' space. [OF]"""
    learned_vectors: Annotated[int, Field(ge=0)] = 16
    """Text queries that are no sentence but learned. [OF]"""
    weight: NonNegative = 0.5
    """Weight of the query-text contrastive loss. [OF]"""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Initial temperature, which is learned. [OF]"""

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        if self.width % 64:
            raise ValueError(f"width {self.width} is no multiple of the 64 channels of an attention head")
        return self


class OneFormerConfig(Config):
    """A complete OneFormer."""

    kind: Literal["oneformer"] = "oneformer"
    """Which segmenter this is."""
    class_names: Annotated[tuple[str, ...], Field(min_length=1)]
    """The K classes in the order of the outputs, in the words of the sentences."""
    stuff_classes: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Places of the classes that have no instances: at most one segment each in an image, never detected."""
    backbone: BackboneConfig = ResNetConfig(norm="batch", output_stages=(0, 1, 2, 3))
    """The network that makes four feature maps."""
    num_queries: Positive = 150
    """Number Q of queries; the last is the task token. [OF] 150 for R50, 250 for the large backbones."""
    width: Positive = 256
    """Channels of pixel decoder, mask features, queries and task token. [OF]"""
    encoder_layers: Positive = 6
    """Layers of multi-scale deformable attention in the pixel decoder. [OF]"""
    query_layers: Positive = 2
    """Layers of the transformer that makes queries of the task token. [OF]"""
    decoder_layers: Positive = 9
    """Layers of masked attention; masks and classes are predicted, and trained, before the first and after each. [OF]"""
    heads: Positive = 8
    """Attention heads of all but the text encoder. [OF]"""
    encoder_ffn_width: Positive = 1024
    """Hidden width of the feed-forward parts of the pixel decoder. [OF]"""
    decoder_ffn_width: Positive = 2048
    """Hidden width of the feed-forward parts of query transformer and decoder. [OF]"""
    norm_groups: Positive = 32
    """Groups of the pixel decoder's group norms. [OF]"""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Of the pixel decoder's and the query transformer's layers in training; the decoder has none. [OF]"""
    tokens: Literal["clip", "words"] = "clip"
    """What sentences are cut into: ``clip`` is CLIP's byte pair encoding, whose vocabulary training with a text branch needs as
    a file [OF]; ``words`` numbers the words of the sentences themselves and needs none."""
    sentence_length: Annotated[int, Field(ge=8)] = 77
    """Numbers that stand for a sentence, padded with 0; the width of the task MLP's input. [OF]"""
    text: TextBranchConfig | None = TextBranchConfig()
    """The text branch; None trains without it ("without CLIP", InstSynth section 10, item 4)."""
    task_shares: tuple[Probability, Probability, Probability] = (1 / 3, 1 / 3, 1 / 3)
    """Chance of each task for a training image, in the order of ``TASKS`` (InstSynth section 8.3). [OF]"""
    loss: MaskSetLossConfig = MaskSetLossConfig()
    """What is matched, sampled and trained; the numbers are Mask2Former's. [OF]"""
    detections_per_image: Positive = 150
    """Best pairs of query and class, over all classes, that detections are taken from. [OF] the number of queries."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255. [OF]"""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it. [OF]"""
    pad_multiple: Positive = 32
    """Normalised images are padded right and bottom with zeros to a multiple of this many pixels. [OF]"""

    @property
    def num_classes(self) -> int:
        """Number K of classes, things and stuff."""
        return len(self.class_names)

    @property
    def num_sentences(self) -> int:
        """Sentences about an image; learned vectors make them as many as there are queries."""
        return self.num_queries - (0 if self.text is None else self.text.learned_vectors)

    @property
    def thing_classes(self) -> tuple[int, ...]:
        """Places of the classes that have instances."""
        return tuple(index for index in range(len(self.class_names)) if index not in self.stuff_classes)

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        colours = self.pixel_mean, self.pixel_std
        check_backbone(self.backbone, NUM_BACKBONE_OUTPUTS, "OneFormer", self.pad_multiple, colours)
        if self.width % 32 or self.width % self.norm_groups or self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} is no multiple of 32, of norm_groups {self.norm_groups} and of twice the {self.heads} heads"
            )
        if self.text is not None and self.text.width != self.width:
            raise ValueError(
                f"text.width {self.text.width} differs from width {self.width}; learned vectors stand beside projected sentences"
            )
        return self

    @model_validator(mode="after")
    def _classes_and_tasks_agree(self) -> Self:
        outside = [index for index in self.stuff_classes if index >= len(self.class_names)]
        if outside:
            raise ValueError(f"stuff_classes names class {outside[0]}; there are {len(self.class_names)} from 0")
        if not self.thing_classes:
            raise ValueError("stuff_classes names every class; leave one that has instances")
        if abs(sum(self.task_shares) - 1) > 1e-6:
            raise ValueError(f"task_shares {self.task_shares} do not add up to 1")
        if self.num_sentences < 1:
            raise ValueError(f"num_queries {self.num_queries} leaves no sentence beside text.learned_vectors")
        return self
