"""Mask2Former: the whole network and its public methods.

Shape legend: N images, Q queries, K classes, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.backbones.build import build_backbone
from methods.common.segmenters.construction import PixelNorm, build_without_weights, weights_drawn_from
from methods.common.segmenters.mask2former.config import Mask2FormerConfig
from methods.common.segmenters.mask2former.head import HeadOutputs, Mask2FormerHead
from methods.common.segmenters.mask2former.losses import mask2former_losses
from methods.common.segmenters.mask2former.targets import VOID
from methods.common.segmenters.mask_queries.postprocess import (
    Instances,
    Size,
    best_instances,
    full_size_masks,
    semantic_scores,
)
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.training.batch_norm import batch_norms
from methods.common.training.batch_shard import BatchShare


@dataclass(frozen=True)
class Mask2FormerOutputs(HeadOutputs):
    """What the network makes of a batch.

    Attributes:
        features: the four maps of the backbone, finest first.
        padded_size: (height, width) that the images were padded to.
    """

    features: list[Tensor]
    padded_size: Size


class Mask2Former(SavedWithConfig[Mask2FormerConfig], SemanticSegmenter):
    """Segmenter that predicts a set of masks, each with a class.

    Images are float32 RGB batches [N, 3, H, W] with values 0..255, of any size; the network normalises and pads them itself.

    Example:
        >>> from methods.common.segmenters.mask2former.presets import mask2former_miniature
        >>> model = Mask2Former(mask2former_miniature(num_classes=10), torch.Generator().manual_seed(0)).eval()
        >>> model.scores(torch.full((2, 3, 64, 60), 127.0)).shape
        torch.Size([2, 10, 64, 60])

    Source: SAM filter section 8; arXiv 2112.01527.
    """

    config_type = Mask2FormerConfig

    def __init__(self, config: Mask2FormerConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        with weights_drawn_from(generator):
            self.encoder = build_backbone(config.backbone)
            self.head = Mask2FormerHead(config)
        if not config.train_batch_norm_affine:
            for norm in batch_norms(self.encoder):
                norm.requires_grad_(False)
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)

    @classmethod
    def without_weights(cls, config: Mask2FormerConfig) -> Self:
        """Build on the CPU without drawing weights; the caller fills every entry of the state dict."""
        return build_without_weights(lambda: cls(config))

    @property
    def backbone(self) -> nn.Module:
        """The part that ImageNet weights go into."""
        return self.encoder

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Prefixes of the parameters whose shape depends on the number of classes."""
        dense = () if self.head.dense is None else ("head.dense.",)
        return ("head.class_predictor.", *dense)

    def prepare(self, image_N3HW: Tensor) -> Tensor:
        """Normalise, then pad right and bottom with zeros to the multiple. Source: [M2F]."""
        assert image_N3HW.ndim == 4, f"images have shape {tuple(image_N3HW.shape)}; give [N, 3, H, W]"
        image = self.normalise(image_N3HW.float())
        return functional.pad(image, self._padding(image_N3HW))

    def _padding(self, image_NCHW: Tensor) -> tuple[int, int, int, int]:
        height, width = image_NCHW.shape[-2:]
        multiple = self.config.pad_multiple
        return 0, -width % multiple, 0, -height % multiple

    def forward(
        self, image_N3HW: Tensor, generator: torch.Generator | None = None, share: BatchShare | None = None
    ) -> Mask2FormerOutputs:
        """Run backbone and decoders on images of one size.

        Args:
            image_N3HW: float32 RGB in [0, 255], any height and width.
            generator: source of drop path in training, drawn for the whole batch.
            share: which part of a batch the images are, all of it when None.
        """
        image = self.prepare(image_N3HW)
        share = share or BatchShare(0, len(image), len(image))
        features = self.encoder(image, None if generator is None else partial(share.uniform, generator))
        head = self.head(features)
        return Mask2FormerOutputs(**vars(head), features=features, padded_size=(image.shape[2], image.shape[3]))

    def losses(
        self, image_N3HW: Tensor, label_NHW: Tensor, generator: torch.Generator, share: BatchShare
    ) -> Mapping[str, Tensor]:
        """Return the weighted losses; see :func:`mask2former_losses`. Collective."""
        assert label_NHW.shape == (len(image_N3HW), *image_N3HW.shape[2:]), "labels and images differ in size"
        outputs = self(image_N3HW, generator, share)
        label = functional.pad(label_NHW, self._padding(label_NHW), value=VOID)
        return mask2former_losses(outputs, label, self.config, generator, share)

    @torch.no_grad()
    def scores(self, image_N3HW: Tensor) -> Tensor:
        """Return the score of each class and pixel, float32 [N, K, H, W]; call it in evaluation mode.

        Source: SAM filter section 8.
        """
        outputs = self(image_N3HW)
        size = (image_N3HW.shape[2], image_N3HW.shape[3])
        images = zip(outputs.class_logits[-1], outputs.mask_logits[-1], strict=True)
        return torch.stack(
            [
                semantic_scores(class_logit, full_size_masks(mask_logit, outputs.padded_size, size))
                for class_logit, mask_logit in images
            ]
        )

    @torch.no_grad()
    def instances(
        self, image_N3HW: Tensor, output_sizes: Sequence[Size] | None = None, num_kept: int = 100
    ) -> list[Instances]:
        """Return the best instances of each image, for networks that were trained on instances; call it in evaluation mode.

        Args:
            image_N3HW: float32 RGB in [0, 255].
            output_sizes: (height, width) to resize masks to, e.g. the image before resizing; the image's own when None.
            num_kept: instances kept in an image. 100 [M2F].
        """
        outputs = self(image_N3HW)
        size = (image_N3HW.shape[2], image_N3HW.shape[3])
        sizes = [size] * len(image_N3HW) if output_sizes is None else output_sizes
        images = zip(outputs.class_logits[-1], outputs.mask_logits[-1], sizes, strict=True)
        return [
            best_instances(class_logit, full_size_masks(mask_logit, outputs.padded_size, size, output), num_kept)
            for class_logit, mask_logit, output in images
        ]
