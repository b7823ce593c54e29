"""Configs of the backbones that several segmenters use, and the bounds of their numbers. Holds no torch, so that planning stays fast.

Defaults are those of MRCA's segmenters, marks those of docs/papers/mrca.md; ConvNeXt's are those of OneFormer's release.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from methods.common.growth import Added
from methods.common.segmenters.backbones.generative.config import GenerativeConfig
from methods.common.stage import Config

Positive = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]

NormKind = Literal["frozen", "batch", "group"]


def _check_output_stages(output_stages: tuple[int, ...], num_stages: int) -> None:
    first = output_stages[0] if output_stages else -1
    if not output_stages or output_stages != tuple(range(first, num_stages)):
        raise ValueError(f"output_stages is {output_stages}; give consecutive stages that end with {num_stages - 1}")


class ResNetConfig(Config):
    """A ResNet whose downsampling blocks stride in their 3x3 convolution."""

    kind: Literal["resnet"] = "resnet"
    """Which backbone this is."""
    block: Literal["bottleneck", "basic"] = "bottleneck"
    """Residual block: 1x1-3x3-1x1 with four times wider output, or two 3x3 convolutions. [R] bottleneck."""
    blocks: tuple[Positive, ...] = (3, 4, 6, 3)
    """Number of blocks in each stage. [R] ResNet-50."""
    widths: tuple[Positive, ...] = (64, 128, 256, 512)
    """Width of the 3x3 convolutions of each stage, in channels. [R] ResNet-50."""
    stem_width: Positive = 64
    """Channels after the first convolution. [R]"""
    stem_kernel: Literal[3, 5, 7] = 7
    """Side of the first convolution's kernel; its stride is 2. [R]"""
    stem_pool: bool = True
    """Whether a 3x3 max pooling of stride 2 follows the first convolution. [R]"""
    first_stage_stride: Literal[1, 2] = 1
    """Stride of the first stage; every later stage that is not dilated has stride 2. [R]"""
    norm: NormKind = "frozen"
    """``frozen``: batch norm with fixed statistics and weights, for pretrained weights [R]; ``batch``: trained batch norm
    and ``group``: trained group norm with 8 groups, both for training from scratch [C MRCA D44] [C SAM filter D9]."""
    output_stages: tuple[Annotated[int, Field(ge=0, le=3)], ...] = (1, 2, 3)
    """Stages, counted from 0, whose outputs go to the pyramid. [R] C3, C4, C5."""
    stem: Annotated[Literal["single", "deep"], Added(neutral="single")] = "single"
    """``single``: one convolution [R]; ``deep``: three 3x3 convolutions, the first two of half the width, and ``stem_kernel`` does
    not count. InstSynth section 7.1 [FI]: ResNet-vd."""
    shortcut: Annotated[Literal["strided", "pooled"], Added(neutral="strided")] = "strided"
    """How a shortcut shrinks: its 1x1 convolution strides [R], or a 2x2 average pooling comes before it. InstSynth section 7.1
    [FI]: ResNet-vd."""
    deformable_stages: Annotated[tuple[Annotated[int, Field(ge=0, le=3)], ...], Added(neutral=())] = ()
    """Stages, counted from 0, whose 3x3 convolutions look at learned places, two coordinates for each of the nine taps, without
    modulation. InstSynth section 7.1 [FI]: the last two in R50-d-DCN. Only bottlenecks."""
    dilated_stages: Annotated[tuple[Annotated[int, Field(ge=0, le=3)], ...], Added(neutral=())] = ()
    """Last stages, counted from 0, that keep the size of their input; each doubles the dilation of the 3x3 convolutions instead.
    Attn2mask section 6.4 [code]: the last one, so that the output has stride 16."""
    multi_grid: Annotated[tuple[Positive, ...], Added(neutral=())] = ()
    """Factors on the dilation of each block of the last stage; empty: 1 each. Attn2mask section 6.4 [code]: 1, 2, 4."""
    contract_dilation: Annotated[bool, Added(neutral=False)] = False
    """Whether the first block of a dilated stage still has the dilation of the stage before, as in torchvision. Attn2mask
    section 6.4 [code]: no."""

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"blocks names {len(self.blocks)} stages and widths {len(self.widths)}; give one each")
        _check_output_stages(self.output_stages, len(self.blocks))
        if self.stem == "deep" and self.stem_width % 2:
            raise ValueError(f"stem_width {self.stem_width} is odd; a deep stem begins with half of it")
        wrong = [stage for stage in self.deformable_stages if stage >= len(self.blocks)]
        if wrong or (self.deformable_stages and self.block == "basic"):
            raise ValueError(
                f"deformable_stages is {self.deformable_stages}; name stages of bottlenecks from 0 to {len(self.blocks) - 1}"
            )
        return self

    @model_validator(mode="after")
    def _dilations_agree(self) -> Self:
        last = len(self.blocks)
        if self.dilated_stages != tuple(range(last - len(self.dilated_stages), last)) or 0 in self.dilated_stages:
            raise ValueError(
                f"dilated_stages is {self.dilated_stages}; give consecutive stages that end with {last - 1}"
            )
        both = set(self.dilated_stages) & set(self.deformable_stages)
        if both:
            raise ValueError(f"stages {sorted(both)} are dilated and deformable; choose one")
        if self.multi_grid and (not self.dilated_stages or len(self.multi_grid) != self.blocks[-1]):
            raise ValueError(
                f"multi_grid is {self.multi_grid}; give one factor for each of the {self.blocks[-1]} blocks of a last stage that "
                "dilated_stages names"
            )
        return self

    def block_dilations(self, stage: int) -> tuple[int, ...]:
        """Return the dilation of each block of a stage."""
        dilation = 2 ** sum(dilated <= stage for dilated in self.dilated_stages)
        factors = self.multi_grid if self.multi_grid and stage == len(self.blocks) - 1 else (1,) * self.blocks[stage]
        dilations = [dilation * factor for factor in factors]
        if self.contract_dilation and stage in self.dilated_stages:
            dilations[0] //= 2
        return tuple(dilations)

    def stage_stride(self, stage: int) -> int:
        """Return the stride of a stage's first block."""
        if stage == 0:
            return self.first_stage_stride
        return 1 if stage in self.dilated_stages else 2

    @property
    def output_channels(self) -> tuple[int, ...]:
        """Channels of each output."""
        expansion = 4 if self.block == "bottleneck" else 1
        return tuple(self.widths[stage] * expansion for stage in self.output_stages)

    @property
    def output_strides(self) -> tuple[int, ...]:
        """Stride of each output in pixels."""
        strides = [4 if self.stem_pool else 2]
        for stage in range(len(self.blocks)):
            strides.append(strides[-1] * self.stage_stride(stage))
        return tuple(strides[stage + 1] for stage in self.output_stages)


class SwinConfig(Config):
    """A Swin transformer with a LayerNorm on each output. Defaults are Swin-L [R]."""

    kind: Literal["swin"] = "swin"
    """Which backbone this is."""
    patch_px: Positive = 4
    """Side of a patch in pixels. [R]"""
    window: Positive = 12
    """Side of an attention window in patches. [R]"""
    embedding: Positive = 192
    """Channels of the first stage; each later stage doubles them. [R]"""
    depths: tuple[Positive, ...] = (2, 2, 18, 2)
    """Number of blocks in each stage. [R]"""
    heads: tuple[Positive, ...] = (6, 12, 24, 48)
    """Attention heads in each stage. [R]"""
    mlp_ratio: Positive = 4
    """Hidden width of a block's MLP over its input width. [R]"""
    drop_path: Probability = 0.3
    """Chance to skip the last block in training; it grows linearly from 0 at the first. [R]"""
    output_stages: tuple[Annotated[int, Field(ge=0, le=3)], ...] = (1, 2, 3)
    """Stages, counted from 0, whose outputs go to the pyramid. [R]"""

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        if len(self.depths) != len(self.heads):
            raise ValueError(f"depths names {len(self.depths)} stages and heads {len(self.heads)}; give one each")
        _check_output_stages(self.output_stages, len(self.depths))
        return self

    @property
    def output_channels(self) -> tuple[int, ...]:
        """Channels of each output."""
        return tuple(self.embedding * 2**stage for stage in self.output_stages)

    @property
    def output_strides(self) -> tuple[int, ...]:
        """Stride of each output in pixels."""
        return tuple(self.patch_px * 2**stage for stage in self.output_stages)


class ConvNeXtConfig(Config):
    """A ConvNeXt with a norm on each output. Defaults are ConvNeXt-L (InstSynth section 8.3)."""

    kind: Literal["convnext"] = "convnext"
    """Which backbone this is."""
    depths: tuple[Positive, ...] = (3, 3, 27, 3)
    """Number of blocks in each stage."""
    widths: tuple[Positive, ...] = (192, 384, 768, 1536)
    """Channels of each stage; strides are 4, 8, 16, 32 pixels."""
    drop_path: Probability = 0.4
    """Chance to skip the last block in training; it grows linearly from 0 at the first."""
    layer_scale: NonNegative = 1.0
    """Initial factor of each block's output; the release of OneFormer trains from 1."""
    output_stages: tuple[Annotated[int, Field(ge=0, le=3)], ...] = (0, 1, 2, 3)
    """Stages, counted from 0, whose outputs are returned."""

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        if len(self.depths) != len(self.widths):
            raise ValueError(f"depths names {len(self.depths)} stages and widths {len(self.widths)}; give one each")
        _check_output_stages(self.output_stages, len(self.depths))
        return self

    @property
    def output_channels(self) -> tuple[int, ...]:
        """Channels of each output."""
        return tuple(self.widths[stage] for stage in self.output_stages)

    @property
    def output_strides(self) -> tuple[int, ...]:
        """Stride of each output in pixels."""
        return tuple(4 * 2**stage for stage in self.output_stages)


class HRNetConfig(Config):
    """An HRNet, whose four branches come out. Defaults are W48 (SegGen section 7 [SG])."""

    stem_width: Positive = 64
    """Channels of the stem, and inside the bottlenecks after it."""
    first_blocks: Positive = 4
    """Bottlenecks after the stem."""
    widths: tuple[Positive, Positive, Positive, Positive] = (48, 96, 192, 384)
    """Channels of the branches of strides 4, 8, 16 and 32."""
    modules: tuple[Positive, Positive, Positive] = (1, 4, 3)
    """Exchanges between branches in the stages of two, three and four of them."""
    blocks: Positive = 4
    """Residual blocks of each branch before an exchange."""
    norm: NormKind = "batch"
    """As for :class:`ResNetConfig`."""

    @property
    def output_channels(self) -> tuple[int, ...]:
        """Channels of each output."""
        return self.widths

    @property
    def output_strides(self) -> tuple[int, ...]:
        """Stride of each output in pixels."""
        return (4, 8, 16, 32)


class BlockShape(NamedTuple):
    """One block of an EfficientNet: channels, stride and kernel of its depthwise convolution, and how much wider it is inside."""

    inputs: int
    outputs: int
    stride: int
    kernel: int
    expansion: int


def _lite0_blocks() -> tuple[BlockShape, ...]:
    """Repeats, channels, stride, kernel and expansion of each group of blocks of EfficientNet-B0 (arXiv 1905.11946, Table 1)."""
    groups = (
        *((1, 16, 1, 3, 1), (2, 24, 2, 3, 6), (2, 40, 2, 5, 6), (3, 80, 2, 3, 6)),
        *((3, 112, 1, 5, 6), (4, 192, 2, 5, 6), (1, 320, 1, 3, 6)),
    )
    blocks, inputs = [], 32
    for repeats, outputs, stride, kernel, expansion in groups:
        for place in range(repeats):
            blocks.append(BlockShape(inputs, outputs, stride if place == 0 else 1, kernel, expansion))
            inputs = outputs
    return tuple(blocks)


EFFICIENTNET_LITE0_BLOCKS = _lite0_blocks()


class EfficientNetLiteConfig(Config):
    """EfficientNet-Lite0, whose ImageNet weights are a package on the Python index: a start for CPU-sized networks on photographs."""

    kind: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    """Which backbone this is."""
    norm: Literal["frozen", "batch"] = "batch"
    """As for :class:`ResNetConfig`."""
    output_stages: tuple[Annotated[int, Field(ge=0, le=4)], ...] = (0, 1, 2, 3, 4)
    """Strides whose last maps are returned: 0 for 2 pixels, 1 for 4, ... to 4 for 32; blocks behind the last one are left out."""

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        _check_output_stages(self.output_stages, self.output_stages[-1] + 1 if self.output_stages else 1)
        return self

    @property
    def output_blocks(self) -> tuple[int, ...]:
        """Blocks, counted from 0, whose outputs are returned: the last one before each stride grows."""
        shapes = EFFICIENTNET_LITE0_BLOCKS
        last = [index for index in range(len(shapes)) if index + 1 == len(shapes) or shapes[index + 1].stride == 2]
        return tuple(last[stage] for stage in self.output_stages)

    @property
    def output_channels(self) -> tuple[int, ...]:
        """Channels of each output."""
        return tuple(EFFICIENTNET_LITE0_BLOCKS[block].outputs for block in self.output_blocks)

    @property
    def output_strides(self) -> tuple[int, ...]:
        """Stride of each output in pixels."""
        return tuple(2 ** (stage + 1) for stage in self.output_stages)


EFFICIENTNET_LITE0_MEAN = (127.0, 127.0, 127.0)
EFFICIENTNET_LITE0_STD = (128.0, 128.0, 128.0)
"""How EfficientNet-Lite0's weights want their pixels: with these the stem's running variances fit photographs within 8 %, with the
ImageNet mean and deviation that other backbones take they are off by a factor of 5 (measured on 16 photographs)."""


AnyBackbone = ResNetConfig | SwinConfig | ConvNeXtConfig | EfficientNetLiteConfig | GenerativeConfig
BackboneConfig = Annotated[AnyBackbone, Field(discriminator="kind")]
"""Every backbone a segmenter can have: each says the ``output_channels`` and ``output_strides`` of the maps that its network returns."""


def check_backbone(
    backbone: AnyBackbone,
    outputs: int,
    segmenter: str,
    pad_multiple: int,
    colours: tuple[tuple[float, float, float], tuple[float, float, float]],
) -> None:
    """Refuse a backbone that a segmenter cannot read.

    Args:
        backbone: of the segmenter's config.
        outputs: number of maps that it reads.
        segmenter: its name, for the message.
        pad_multiple: of which its images' sides become multiples.
        colours: that it subtracts, and divides by.

    Raises:
        ValueError: the number of maps, their strides or the colours do not fit.
    """
    strides = backbone.output_strides
    if len(strides) != outputs:
        named = "levels names {} levels" if isinstance(backbone, GenerativeConfig) else "output_stages names {} stages"
        raise ValueError(f"backbone.{named.format(len(strides))}; {segmenter} reads {outputs}")
    if pad_multiple % strides[-1]:
        raise ValueError(f"pad_multiple {pad_multiple} is no multiple of the backbone's stride {strides[-1]}")
    if isinstance(backbone, GenerativeConfig):
        backbone.check_images(pad_multiple, *colours)
