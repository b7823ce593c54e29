"""OneFormer: the whole network and its public methods.

Shape legend: N images, Q queries, K classes, S sentences, L numbers of a sentence, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.backbones.build import Backbone, build_backbone
from methods.common.segmenters.construction import (
    PixelNorm,
    build_without_weights,
    normalise_and_pad,
    weights_drawn_from,
)
from methods.common.segmenters.instance.interface import InstanceTarget, Size
from methods.common.segmenters.mask_queries.answers import Answer, answers_of
from methods.common.segmenters.mask_queries.config import Task
from methods.common.segmenters.mask_queries.losses import batch_totals, mask_set_losses
from methods.common.segmenters.mask_queries.points import point_sources
from methods.common.segmenters.mask_queries.segmenter import QuerySegmenter
from methods.common.segmenters.oneformer.config import TASKS, OneFormerConfig
from methods.common.segmenters.oneformer.contrastive import contrastive_loss
from methods.common.segmenters.oneformer.head import HeadOutputs, OneFormerHead
from methods.common.segmenters.oneformer.sentences import command_row, known_tokens
from methods.common.segmenters.oneformer.tasks import draw_tasks, task_targets
from methods.common.segmenters.oneformer.text import TextBranch
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.training.batch_shard import BatchShare


@dataclass(frozen=True)
class OneFormerOutputs(HeadOutputs):
    """What the network makes of a batch.

    Attributes:
        features: the four maps of the backbone, finest first.
        padded_size: (height, width) that the images were padded to.
        image_sizes: (height, width) of each image.
    """

    features: list[Tensor]
    padded_size: Size
    image_sizes: list[Size]


class OneFormer(SavedWithConfig[OneFormerConfig], QuerySegmenter):
    """Segmenter that predicts a set of masks, each with a class, for the task that it is told.

    Images are float32 RGB batches [N, 3, H, W] with values 0..255, of any size; the network normalises and pads them itself. Targets are *panoptic*
    segments: an instance target for each thing, and one for each stuff class that is there. In training each image is drawn
    a task; detection asks for ``instance``, and finds things only. Classes count through ``config.class_names`` everywhere.

    A network whose sentences are CLIP's needs :meth:`set_sentences` before it can train a text branch; what
    :meth:`save_pretrained` wrote holds them.

    Example:
        >>> from methods.common.segmenters.oneformer.presets import oneformer_miniature
        >>> config = oneformer_miniature(("disc", "square", "sky"), stuff_classes=(2,))
        >>> model = OneFormer(config, torch.Generator().manual_seed(0)).eval()
        >>> detections = model.detect(torch.full((2, 3, 64, 60), 127.0))

    Source: InstSynth section 8; arXiv 2211.06220.
    """

    backbone: Backbone
    sentence_SL: Tensor

    config_type = OneFormerConfig

    def __init__(self, config: OneFormerConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        with weights_drawn_from(generator):
            self.backbone = build_backbone(config.backbone)
            self.head = OneFormerHead(config)
            self.text = None if config.text is None else TextBranch(config, config.text)
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)
        self.register_buffer("sentence_SL", torch.zeros_like(known_tokens(config)))
        self._set_known_sentences()

    @classmethod
    def without_weights(cls, config: OneFormerConfig) -> Self:
        """Build on the CPU without drawing weights; the caller fills every entry of the state dict that has no value of its own.

        Such values have the sentences that are known without a file, and the temperature.
        """
        model = build_without_weights(lambda: cls(config))
        model._set_known_sentences()
        if model.text is not None:
            model.text.set_temperature()
        return model

    def _set_known_sentences(self) -> None:
        if not self.sentence_SL.is_meta:
            self.sentence_SL.copy_(known_tokens(self.config))

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Prefixes of the parameters whose shape depends on the number of classes."""
        return ("head.transformer.decoder.class_embed.",)

    @property
    def lacks_sentences(self) -> bool:
        """Whether a vocabulary is needed before the network can be trained."""
        return self.text is not None and not bool(self.sentence_SL.any(dim=1).all())

    def set_sentences(self, sentence_SL: Tensor) -> None:
        """Set the numbers of all sentences, as :func:`clip_tokens` makes them from CLIP's vocabulary."""
        assert sentence_SL.shape == self.sentence_SL.shape, f"sentences have shape {tuple(sentence_SL.shape)}"
        self.sentence_SL.copy_(sentence_SL)

    def commands(self, task_N: Tensor) -> Tensor:
        """Return the numbers of the command for each task, float32 [N, L]; ``task_N`` counts through ``TASKS``."""
        return self.sentence_SL[command_row(self.config, 0) + task_N.to(self.sentence_SL.device)].float()

    def forward(
        self,
        image_NCHW: Tensor,
        command_NL: Tensor,
        image_sizes: Sequence[Size] | None = None,
        generator: torch.Generator | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
        *,
        all_layers: bool = False,
    ) -> OneFormerOutputs:
        """Run backbone and decoders.

        Args:
            image_NCHW: float32 RGB in [0, 255], any height and width; images of different sizes share the top left corner.
            command_NL: numbers that tell each image's task, see :meth:`commands`.
            image_sizes: (height, width) of each image where they differ.
            generator: source of dropout and drop path in training, drawn for the whole batch; nothing is dropped out when None.
            backbone_dtype: autocast type of the backbone; the decoders stay in float32.
            share: which part of a batch the images are, all of it when None.
            all_layers: whether to predict after every layer, as the losses need.
        """
        image, sizes = normalise_and_pad(self.normalise, image_NCHW, image_sizes, self.config.pad_multiple)
        share = share or BatchShare(0, len(image), len(image))
        draw = None if generator is None else partial(share.uniform, generator)
        with torch.autocast(image.device.type, backbone_dtype, enabled=backbone_dtype is not None):
            features = self.backbone(image, draw)
        with self._dropping_out(generator, share, image.device):
            head = self.head(features, command_NL, all_layers=all_layers)
        padded = (image.shape[2], image.shape[3])
        return OneFormerOutputs(**vars(head), features=features, padded_size=padded, image_sizes=sizes)

    @contextmanager
    def _dropping_out(
        self, generator: torch.Generator | None, share: BatchShare, device: torch.device
    ) -> Iterator[None]:
        if generator is None or not self.training:
            yield
            return
        with self.head.dropout.drawing(generator, share, device):
            yield

    def losses(
        self,
        image_NCHW: Tensor,
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        image_sizes: Sequence[Size] | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
    ) -> dict[str, Tensor]:
        """Return the weighted losses; see :meth:`InstanceSegmenter.losses`. Collective where a team shares the batch.

        Args:
            image_NCHW: float32 RGB in [0, 255].
            targets: panoptic segments of each image.
            generator: source of tasks, dropout, drop path and points.
            image_sizes: (height, width) of each image where they differ.
            backbone_dtype: autocast type of the backbone; the rest stays in float32.
            share: which part of a batch the images are.
        Returns:
            Scalars ``class``, ``mask``, ``dice`` of the last layer, ``earlier_class``, ``earlier_mask``, ``earlier_dice`` of all
            others together, and ``contrastive`` where the network has a text branch.

        Raises:
            InputError: the network lacks its sentences.
        Source: InstSynth section 8.2; losses are averaged over the whole batch, see :class:`BatchShare`.
        """
        assert len(targets) == len(image_NCHW), f"{len(targets)} targets for a batch of {len(image_NCHW)}"
        if self.lacks_sentences:
            raise InputError(
                "the text branch of OneFormer lacks CLIP's vocabulary: give the folder of openai/clip-vit-large-patch14, "
                "or train without the text branch (segmenter.text none)"
            )
        config = self.config
        share = share or BatchShare(0, len(targets), len(targets))
        task_N = draw_tasks(config, generator, share)
        outputs = self(
            image_NCHW, self.commands(task_N), image_sizes, generator, backbone_dtype, share, all_layers=True
        )
        wanted, row_NT = task_targets(targets, task_N, config, outputs.padded_size)
        totals = batch_totals(wanted, config.num_queries, config.loss, share)
        sources = point_sources(None, image_NCHW.device, generator, share)
        losses = mask_set_losses(
            outputs.class_logits, outputs.mask_logits, wanted, sources, config.loss, totals
        )  # fmt: skip
        if self.text is not None and config.text is not None:
            text_NQC = self.text(self.sentence_SL, row_NT)
            contrastive = contrastive_loss(outputs.query_NQC, text_NQC, self.text.logit_scale, share)
            losses["contrastive"] = config.text.weight * contrastive
        return losses

    def answers(
        self,
        task: Task,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> Iterator[Answer]:
        """Yield what the queries answer for each image when they are asked for a task; see :meth:`QuerySegmenter.answers`."""
        task_N = torch.full((len(image_NCHW),), TASKS.index(task))
        outputs = self(image_NCHW, self.commands(task_N), image_sizes)
        sizes = outputs.padded_size, outputs.image_sizes
        return answers_of(outputs.class_logits[-1], outputs.mask_logits[-1], *sizes, output_sizes)
