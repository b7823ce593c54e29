"""The network that every Mask2Former is: backbone and decoders.

Shape legend: N images, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from methods.common.segmenters.backbones.build import build_backbone
from methods.common.segmenters.construction import PixelNorm, normalise_and_pad, weights_drawn_from
from methods.common.segmenters.mask2former.config import Mask2FormerNetworkConfig
from methods.common.segmenters.mask2former.head import HeadOutputs, Mask2FormerHead
from methods.common.segmenters.mask_queries.postprocess import Size
from methods.common.training.batch_norm import batch_norms
from methods.common.training.batch_shard import BatchShare


@dataclass(frozen=True)
class Mask2FormerOutputs(HeadOutputs):
    """What the network makes of a batch.

    Attributes:
        features: the four maps of the backbone, finest first.
        padded_size: (height, width) that the images were padded to.
        image_sizes: (height, width) of each image.
    """

    features: list[Tensor]
    padded_size: Size
    image_sizes: list[Size]


class Mask2FormerNetwork(nn.Module):
    """Backbone and decoders; images are float32 RGB batches [N, 3, H, W] with values 0..255, which it normalises and pads itself."""

    def __init__(self, config: Mask2FormerNetworkConfig, generator: torch.Generator | None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.num_classes = config.num_classes
        self.pad_multiple = config.pad_multiple
        with weights_drawn_from(generator):
            self.encoder = build_backbone(config.backbone)
            self.head = Mask2FormerHead(config)
        if not config.train_batch_norm_affine:
            for norm in batch_norms(self.encoder):
                norm.requires_grad_(False)
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)

    @property
    def backbone(self) -> nn.Module:
        """The part that ImageNet weights go into."""
        return self.encoder

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Prefixes of the parameters whose shape depends on the number of classes."""
        dense = () if self.head.dense is None else ("head.dense.",)
        return ("head.class_predictor.", *dense)

    def forward(
        self,
        image_N3HW: Tensor,
        generator: torch.Generator | None = None,
        share: BatchShare | None = None,
        image_sizes: Sequence[Size] | None = None,
        backbone_dtype: torch.dtype | None = None,
    ) -> Mask2FormerOutputs:
        """Run backbone and decoders. Padding is right and bottom, with zeros after normalisation [M2F].

        Args:
            image_N3HW: float32 RGB in [0, 255], any height and width; images of different sizes share the top left corner.
            generator: source of drop path in training, drawn for the whole batch.
            share: which part of a batch the images are, all of it when None.
            image_sizes: (height, width) of each image where they differ.
            backbone_dtype: autocast type of the backbone alone; None leaves it as it is around the call.
        """
        image, sizes = normalise_and_pad(self.normalise, image_N3HW, image_sizes, self.pad_multiple)
        share = share or BatchShare(0, len(image), len(image))
        draw = None if generator is None else partial(share.uniform, generator)
        if backbone_dtype is None:
            features = self.encoder(image, draw)
        else:
            with torch.autocast(image.device.type, backbone_dtype):
                features = self.encoder(image, draw)
        head = self.head(features)
        padded = (image.shape[2], image.shape[3])
        return Mask2FormerOutputs(**vars(head), features=features, padded_size=padded, image_sizes=sizes)
