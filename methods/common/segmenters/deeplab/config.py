"""Every size of a DeepLab. Holds no torch, so that planning stays fast.

Defaults are those of BECO's DeepLabV3+ (Attn2mask section 6.4); ``presets.py`` gives complete configs.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.segmenters.backbones.config import Positive, Probability, ResNetConfig
from methods.common.stage import Config


def dilated_resnet101() -> ResNetConfig:
    """Return ResNet-101-D with output stride 16 and multi-grid (Attn2mask section 6.4 [code])."""
    return ResNetConfig(
        blocks=(3, 4, 23, 3),
        norm="batch",
        output_stages=(0, 1, 2, 3),
        stem="deep",
        shortcut="pooled",
        dilated_stages=(3,),
        multi_grid=(1, 2, 4),
    )


class DeepLabConfig(Config):
    """A complete DeepLabV3+, or a DeepLabV3, which has no decoder."""

    kind: Literal["deeplab"] = "deeplab"
    """Which segmenter this is."""
    num_classes: Annotated[int, Field(ge=2, le=255)]
    """Outputs, background included where it is a class."""
    backbone: ResNetConfig = dilated_resnet101()
    """The network whose last output the pyramid reads, and whose finest the decoder. [code]"""
    rates: tuple[Positive, ...] = (6, 12, 18)
    """Dilations of the pyramid's 3x3 convolutions, in cells of the backbone's last output. [code]"""
    width: Positive = 256
    """Channels of each branch of the pyramid, of its output and of the decoder. [code]"""
    low_level_width: Positive | None = 48
    """Channels that the finest output of the backbone is projected to for the decoder; None: no decoder, which is DeepLabV3. [code]"""
    separable: bool = True
    """Whether 3x3 convolutions of pyramid and decoder are depthwise ones and 1x1 ones after each other. [code]"""
    dropout: Probability = 0.1
    """Share of the pyramid's output that is dropped in training. [code]"""
    norm: Literal["batch", "group"] = "batch"
    """Norm of pyramid and decoder: batch norm over the whole batch [code], or group norm with 8 groups."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255. [code]"""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it. [code]"""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.low_level_width is not None and len(self.backbone.output_stages) < 2:
            raise ValueError(
                f"backbone.output_stages is {self.backbone.output_stages}; a decoder needs two outputs, or set low_level_width to None"
            )
        widths = [self.width] if self.low_level_width is None else [self.width, self.low_level_width]
        if self.norm == "group" and any(width % 8 for width in widths):
            raise ValueError(f"width and low_level_width {widths} are not all multiples of 8, which group norm needs")
        return self
