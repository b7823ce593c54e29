"""A small U-Net for semantic segmentation, made to be quick on one processor core.

Shape legend: N images, H, W pixels, h, w cells of a level, K classes, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.backbones.build import build_backbone
from methods.common.segmenters.construction import PixelNorm, weights_drawn_from
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.segmenters.semantic.pixel_loss import pixel_loss
from methods.common.training.batch_norm import TeamBatchNorm2d
from methods.common.training.batch_shard import BatchShare


class ConvolutionalSegmenter(SavedWithConfig[ConvolutionalConfig], SemanticSegmenter):
    """Encoder of strided convolutions or a backbone, decoder that adds the levels up again, 1x1 class layer on the finest level.

    The loss is cross-entropy averaged over all rated pixels of the batch. Pixels labelled 255 are left out: there is no mask
    that they could be negatives of, which is the other treatment that Mask2Former knows.

    Example:
        >>> model = ConvolutionalSegmenter(ConvolutionalConfig(num_classes=10), torch.Generator().manual_seed(0)).eval()
        >>> model.scores(torch.full((2, 3, 64, 80), 127.0)).shape
        torch.Size([2, 10, 64, 80])

    Source: our choice, for the miniature tier.
    """

    config_type = ConvolutionalConfig

    def __init__(self, config: ConvolutionalConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        with weights_drawn_from(generator):
            self.encoder = Encoder(config) if config.backbone is None else build_backbone(config.backbone)
            widths = config.level_widths
            self.level_norms = nn.ModuleList(
                _norm(config, width) if config.norm_levels else nn.Identity() for width in widths
            )
            self.context = nn.Conv2d(widths[-1], widths[-1], 1)
            pairs = list(pairwise(widths))
            self.lateral = nn.ModuleList([nn.Conv2d(deep, width, 1) for width, deep in pairs])
            self.smooth = nn.ModuleList([_conv(config, width, width) for width, _ in pairs])
            self.classifier = nn.Conv2d(widths[0], config.num_classes, 1)
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)

    @property
    def backbone(self) -> nn.Module:
        """The encoder."""
        encoder: nn.Module = self.encoder
        return encoder

    @property
    def class_layers(self) -> tuple[str, ...]:
        """The 1x1 convolution at the end."""
        return ("classifier.",)

    def features(self, image_N3HW: Tensor) -> list[Tensor]:
        """Return the levels of the encoder, finest first, [N, C, h, w] with h = ceil(H / 2), ceil(H / 4), ..."""
        image = self.normalise(image_N3HW)
        # Convolutions on the CPU are a third quicker with the channels last (measured).
        levels: list[Tensor] = self.encoder(image.contiguous(memory_format=torch.channels_last))
        return levels

    def scores(self, image_N3HW: Tensor) -> Tensor:
        """Return logits, float32 [N, K, H, W]."""
        maps = self.features(image_N3HW)
        *levels, x = [norm(level) for norm, level in zip(self.level_norms, maps, strict=True)]
        # What is in the picture as a whole helps to name its parts: objects are larger than what a cell sees.
        x = torch.relu(x + self.context(x.mean((2, 3), keepdim=True)))
        for index in reversed(range(len(levels))):
            finer = levels[index]
            x = functional.interpolate(self.lateral[index](x), size=finer.shape[-2:])
            x = self.smooth[index](x + finer)
        logits = self.classifier(x).float()
        return functional.interpolate(logits, size=image_N3HW.shape[-2:], mode="bilinear", align_corners=False)

    def losses(
        self, image_N3HW: Tensor, label_NHW: Tensor, generator: torch.Generator, share: BatchShare
    ) -> Mapping[str, Tensor]:
        """Return ``pixel``, the cross-entropy; 0 where no pixel of the whole batch is rated. Nothing is drawn."""
        return {"pixel": pixel_loss(self.scores(image_N3HW), label_NHW, share)}


class Encoder(nn.Module):
    """Levels of half the sides each."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        levels = [_conv(config, 3, config.widths[0], stride=2)]
        for width, deep in pairwise(config.widths):
            more = [_conv(config, deep, deep) for _ in range(config.convs_per_level - 1)]
            levels.append(nn.Sequential(_conv(config, width, deep, stride=2), *more))
        self.levels = nn.ModuleList(levels)

    def forward(self, image_N3HW: Tensor) -> list[Tensor]:
        """Return all levels, finest first, of normalised images."""
        outputs = [image_N3HW]
        for level in self.levels:
            outputs.append(level(outputs[-1]))
        return outputs[1:]


def _conv(config: ConvolutionalConfig, inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, _norm(config, outputs), nn.ReLU(inplace=True))


def _norm(config: ConvolutionalConfig, channels: int) -> nn.Module:
    return TeamBatchNorm2d(channels) if config.norm == "batch" else nn.GroupNorm(8, channels)
