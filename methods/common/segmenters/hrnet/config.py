"""Every size of an HRNet segmenter. Holds no torch, so that planning stays fast. Defaults are HRNetV2-W48's, as MMSegmentation has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from methods.common.segmenters.backbones.config import HRNetConfig
from methods.common.stage import Config
from methods.common.training.sgd_recipe import SgdRecipe


class HRNetSegmenterConfig(Config):
    """A complete HRNetV2: the backbone, and a 1x1 convolution over its four branches side by side before the classes."""

    kind: Literal["hrnet"] = "hrnet"
    """Which segmenter this is."""
    num_classes: Annotated[int, Field(ge=2, le=255)]
    """Outputs, background included where it is a class."""
    backbone: HRNetConfig = HRNetConfig()
    """The network that makes four feature maps."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255."""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it."""


def hrnet_w48(num_classes: int) -> HRNetSegmenterConfig:
    """Return HRNet-W48, 65.9 million parameters with 150 classes (SegGen section 7 [SG])."""
    return HRNetSegmenterConfig(num_classes=num_classes)


def hrnet_recipe() -> SgdRecipe:
    """Return the training of HRNet-W48 on ADE20K: 100,000 steps (SegGen section 7 [SG]), the rest as MMSegmentation trains it."""
    return SgdRecipe(momentum=0.9)


def hrnet_miniature(num_classes: int) -> HRNetSegmenterConfig:
    """Return the same network small enough for one processor core. All values are our choice."""
    backbone = HRNetConfig(stem_width=8, first_blocks=1, widths=(8, 16, 24, 32), modules=(1, 1, 1), blocks=1)
    return HRNetSegmenterConfig(num_classes=num_classes, backbone=backbone)
