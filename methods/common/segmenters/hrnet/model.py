"""HRNetV2 as a semantic segmenter: the whole network and its public methods.

Shape legend: N images, K classes, C channels, H, W pixels, h, w cells of the finest branch.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.backbones.hrnet import HRNet
from methods.common.segmenters.backbones.resnet import make_norm
from methods.common.segmenters.construction import PixelNorm, weights_drawn_from
from methods.common.segmenters.hrnet.config import HRNetSegmenterConfig
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.segmenters.semantic.pixel_loss import pixel_loss
from methods.common.training.batch_shard import BatchShare


class HRNetSegmenter(SavedWithConfig[HRNetSegmenterConfig], SemanticSegmenter):
    """Segmenter of four branches of strides 4 to 32, resized to the finest, and two 1x1 convolutions.

    Images are float32 RGB batches [N, 3, H, W] with values 0..255, of any size.

    Example:
        >>> from methods.common.segmenters.hrnet.config import hrnet_miniature
        >>> model = HRNetSegmenter(hrnet_miniature(num_classes=10), torch.Generator().manual_seed(0)).eval()
        >>> model.scores(torch.full((2, 3, 64, 60), 127.0)).shape
        torch.Size([2, 10, 64, 60])

    Source: arXiv 1904.04514; SegGen section 7 [SG].
    """

    config_type = HRNetSegmenterConfig

    def __init__(self, config: HRNetSegmenterConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        width = sum(config.backbone.output_channels)
        with weights_drawn_from(generator):
            self.encoder = HRNet(config.backbone)
            self.joint = nn.Sequential(
                nn.Conv2d(width, width, 1, bias=False), make_norm(config.backbone.norm, width), nn.ReLU(inplace=True)
            )
            self.classifier = nn.Conv2d(width, config.num_classes, 1)
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)

    @property
    def backbone(self) -> nn.Module:
        """The part that ImageNet weights go into."""
        return self.encoder

    @property
    def class_layers(self) -> tuple[str, ...]:
        """The 1x1 convolution at the end."""
        return ("classifier.",)

    def forward(self, image_N3HW: Tensor) -> Tensor:
        """Return logits at stride 4, [N, K, h, w]."""
        finest, *others = self.encoder(self.normalise(image_N3HW.float()))
        resized = [
            functional.interpolate(branch, size=finest.shape[-2:], mode="bilinear", align_corners=False)
            for branch in others
        ]
        logits: Tensor = self.classifier(self.joint(torch.cat([finest, *resized], dim=1)))
        return logits

    def scores(self, image_N3HW: Tensor) -> Tensor:
        """Return logits, float32 [N, K, H, W]; bilinear, ``align_corners=False``."""
        logits = self(image_N3HW).float()
        return functional.interpolate(logits, size=image_N3HW.shape[-2:], mode="bilinear", align_corners=False)

    def losses(
        self, image_N3HW: Tensor, label_NHW: Tensor, generator: torch.Generator, share: BatchShare
    ) -> Mapping[str, Tensor]:
        """Return ``pixel``, the cross-entropy of rated pixels. Nothing is drawn."""
        return {"pixel": pixel_loss(self.scores(image_N3HW), label_NHW, share)}
