"""Every size of an AffinityNet. Holds no torch, so that planning stays fast."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.stage import Config

Positive = Annotated[int, Field(ge=1)]

Border = Literal["as_released", "as_meant"]
"""Which pairs of cells there are. ``as_released``: none whose upper cell is in the first or last columns or the last rows [code];
``as_meant``: all within the radius [C D27]."""


class PlainBlocks(Config):
    """A stage of residual blocks of two 3x3 convolutions; the first block may shrink."""

    count: Positive
    """Blocks."""
    middle: Positive
    """Channels between the two convolutions."""
    width: Positive
    """Channels of the output."""
    stride: Positive = 1
    """Of the first block."""
    dilation: Positive = 1
    """Of all convolutions but the first one."""


class WideBlock(Config):
    """A residual block of 1x1, 3x3 and 1x1 convolutions; a quarter, a half and all of its width."""

    width: Annotated[int, Field(ge=4, multiple_of=4)]
    """Channels of the output."""
    dilation: Positive
    """Of the 3x3 convolution."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Share of the channels dropped before each of the last two convolutions, in training."""


class AffinityNetConfig(Config):
    """A pre-activation ResNet-38 with affinity branches. Defaults are those of the release (section 10.4 [code])."""

    stem_width: Positive = 64
    """Channels of the first convolution."""
    plain: tuple[PlainBlocks, ...] = (
        PlainBlocks(count=3, middle=128, width=128, stride=2),
        PlainBlocks(count=3, middle=256, width=256, stride=2),
        PlainBlocks(count=6, middle=512, width=512, stride=2),
        PlainBlocks(count=3, middle=512, width=1024, dilation=2),
    )
    """Stages b2 to b5. The branches read what goes into the last one, and what comes out."""
    wide: tuple[WideBlock, ...] = (
        WideBlock(width=2048, dilation=4, dropout=0.3),
        WideBlock(width=4096, dilation=4, dropout=0.5),
    )
    """Blocks b6 and b7. The branches read what comes out of the last one."""
    branches: tuple[Positive, Positive, Positive] = (64, 128, 256)
    """Channels of the three 1x1 convolutions, whose outputs together are the feature."""
    frozen_stages: Annotated[int, Field(ge=0)] = 1
    """Stages after the first convolution that are not trained, and with them that convolution; 0 trains everything but norms."""
    radius: Annotated[int, Field(ge=2)] = 5
    """Pairs of cells are nearer than this, in cells."""
    border: Border = "as_released"
    """Which pairs there are at the border."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from the RGB channels, 0..255."""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """The RGB channels are then divided by it."""

    @model_validator(mode="after")
    def _has_stages(self) -> Self:
        if not self.plain or not self.wide or self.frozen_stages > len(self.plain):
            raise ValueError("plain and wide need a stage each, and frozen_stages is at most the number of plain ones")
        return self

    @property
    def stride(self) -> int:
        """Pixels of a cell."""
        stride = 1
        for stage in self.plain:
            stride *= stage.stride
        return stride


def affinity_miniature() -> AffinityNetConfig:
    """Return a 64 px size that trains from scratch in seconds on one processor core: cells of 4 px, everything trained.

    All values that differ from the defaults are our choice [C D27].
    """
    return AffinityNetConfig(
        stem_width=16,
        plain=(
            PlainBlocks(count=1, middle=16, width=16, stride=2),
            PlainBlocks(count=1, middle=32, width=32, stride=2),
            PlainBlocks(count=1, middle=32, width=32, dilation=2),
        ),
        wide=(WideBlock(width=64, dilation=4, dropout=0.1),),
        branches=(16, 16, 32),
        frozen_stages=0,
        radius=4,
        border="as_meant",
    )


class WalkConfig(Config):
    """How scores walk. Defaults are DiffuMask's (section 10.4 [code])."""

    beta: Annotated[float, Field(gt=0)] = 16.0
    """Power of the affinities; 8 in AffinityNet's release."""
    log2_steps: Annotated[int, Field(ge=0, le=12)] = 8
    """The walk takes 2 to this power steps."""
    background: Annotated[float, Field(ge=0, le=1)] = 0.45
    """Constant score of the background."""
