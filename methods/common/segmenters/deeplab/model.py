"""DeepLabV3+ and DeepLabV3: the whole network and its public methods.

Shape legend: N images, K classes, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.errors import InputError
from methods.common.segmenters.backbones.resnet import ResNet
from methods.common.segmenters.construction import PixelNorm, weights_drawn_from
from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.segmenters.deeplab.head import DeepLabHead, HeadOutputs
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.segmenters.semantic.pixel_loss import pixel_loss
from methods.common.training.batch_shard import BatchShare


@dataclass(frozen=True)
class DeepLabOutputs(HeadOutputs):
    """What the network makes of a batch.

    Attributes:
        features: the backbone's outputs, finest first.
    """

    features: list[Tensor]


class DeepLab(SavedWithConfig[DeepLabConfig], SemanticSegmenter):
    """Segmenter of a dilated ResNet, a pyramid of dilated convolutions and a small decoder.

    Images are float32 RGB batches [N, 3, H, W] with values 0..255, of any size; nothing is padded.

    Example:
        >>> from methods.common.segmenters.deeplab.presets import deeplab_miniature
        >>> model = DeepLab(deeplab_miniature(num_classes=10), torch.Generator().manual_seed(0)).eval()
        >>> model.scores(torch.full((2, 3, 64, 60), 127.0)).shape
        torch.Size([2, 10, 64, 60])

    Source: Attn2mask section 6.4 [code]; arXiv 1802.02611.
    """

    config_type = DeepLabConfig

    def __init__(self, config: DeepLabConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        with weights_drawn_from(generator):
            self.encoder = ResNet(config.backbone)
            self.head = DeepLabHead(config)
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)

    @property
    def backbone(self) -> nn.Module:
        """The part that ImageNet weights go into."""
        return self.encoder

    @property
    def class_layers(self) -> tuple[str, ...]:
        """The 1x1 convolution at the end."""
        return ("head.classifier.",)

    def forward(self, image_N3HW: Tensor) -> DeepLabOutputs:
        """Return logits at the stride of the decoder, and everything on the way there."""
        features = self.encoder(self.normalise(image_N3HW.float()))
        return DeepLabOutputs(**vars(self.head(features)), features=features)

    def scores(self, image_N3HW: Tensor) -> Tensor:
        """Return logits, float32 [N, K, H, W]; bilinear, ``align_corners=False``. Source: Attn2mask section 6.4 [code]."""
        logits = self(image_N3HW).logits.float()
        return functional.interpolate(logits, size=image_N3HW.shape[-2:], mode="bilinear", align_corners=False)

    def losses(
        self, image_N3HW: Tensor, label_NHW: Tensor, generator: torch.Generator, share: BatchShare
    ) -> Mapping[str, Tensor]:
        """Return ``pixel``, the cross-entropy of rated pixels. Dropout follows ``generator``; see :meth:`training_scores`.

        Raises:
            InputError: the batch has a single image, and batch norm has one value a channel after image pooling.
        """
        return {"pixel": pixel_loss(self.training_scores(image_N3HW, generator, share), label_NHW, share)}

    def training_scores(self, image_N3HW: Tensor, generator: torch.Generator, share: BatchShare) -> Tensor:
        """Return what :meth:`scores` does, in training with dropout whose draws belong to the images of the batch.

        Raises:
            InputError: see :meth:`losses`.
        """
        if self.training and self.config.norm == "batch" and share.batch_size == 1:
            raise InputError(
                "DeepLab's batch norm after image pooling needs two images; set recipe.batch_size to 2 or more, or segmenter.norm "
                "to group"
            )
        if not self.training:
            return self.scores(image_N3HW)
        with self.head.pyramid.dropout.drawing(generator, share, image_N3HW.device):
            return self.scores(image_N3HW)
