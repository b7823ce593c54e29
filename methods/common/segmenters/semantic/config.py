"""Config of the small convolutional segmenter. Imports nothing heavy, so that plans can be made from it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.growth import Added
from methods.common.segmenters.backbones.config import EfficientNetLiteConfig, Positive
from methods.common.stage import Config


class ConvolutionalConfig(Config):
    """A small U-Net that is quick on one processor core. All of it is our choice; no paper uses it."""

    kind: Literal["convolutional"] = "convolutional"
    """Which segmenter this is."""
    num_classes: Annotated[int, Field(ge=2, le=255)]
    """Outputs, background included where it is a class."""
    widths: tuple[Positive, ...] = (16, 32, 64, 128)
    """Channels of each level; every level halves the sides, so the first one has stride 2."""
    convs_per_level: Annotated[int, Field(ge=1, le=4)] = 2
    """3x3 convolutions of each level of the encoder after the first level, the one with the stride included."""
    norm: Literal["batch", "group"] = "batch"
    """Batch norm over the whole batch, or group norm with 8 groups, with which a batch can be cut into parts."""
    backbone: Annotated[EfficientNetLiteConfig | None, Added(neutral=None)] = None
    """A network to take the levels from, instead of ``widths`` and ``convs_per_level``; None: an encoder of its own."""
    norm_levels: Annotated[bool, Added(neutral=False)] = False
    """Bring every level to one scale by a norm before the decoder adds them up. Those of EfficientNet-Lite0's weights have standard
    deviations of 3 to 9 on photographs, what the decoder adds to them 0.4 (measured on 8 frames of CamVid)."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255."""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it."""

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        if len(self.widths) < 2:
            raise ValueError(f"widths names {len(self.widths)} level; give at least 2")
        if len(self.level_widths) < 2:
            raise ValueError(f"backbone.output_stages names {len(self.level_widths)} level; give at least 2")
        if self.norm == "group" and any(width % 8 for width in self.level_widths):
            raise ValueError(f"widths {self.widths} are not all multiples of 8, which group norm needs")
        return self

    @property
    def level_widths(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        return self.widths if self.backbone is None else self.backbone.output_channels
