"""ResNet backbone; parameter names follow timm's, so that public ImageNet and detector weights map one to one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from methods.common.segmenters.backbones.config import NormKind, ResNetConfig
from methods.common.training.batch_norm import TeamBatchNorm2d


def make_norm(kind: NormKind, channels: int) -> nn.Module:
    """Return the normalisation of a config: frozen batch norm, trained batch norm, or group norm with 8 groups."""
    if kind == "frozen":
        frozen: nn.Module = FrozenBatchNorm2d(channels)
        return frozen
    return TeamBatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(8, channels)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(config: ResNetConfig, inputs: int, outputs: int, stride: int) -> nn.Module | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, 1, stride), make_norm(config.norm, outputs))


class Bottleneck(nn.Module):
    """1x1, 3x3 (carries the stride), 1x1 convolutions with a shortcut; four times as many channels out as inside."""

    def __init__(self, config: ResNetConfig, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 1)
        self.bn1 = make_norm(config.norm, width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = make_norm(config.norm, width)
        self.conv3 = _conv(width, width * 4, 1)
        self.bn3 = make_norm(config.norm, width * 4)
        self.downsample = _shortcut(config, inputs, width * 4, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, 4 * width, H / stride, W / stride]."""
        shortcut = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        y = torch.relu(self.bn1(self.conv1(x_BCHW)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + shortcut)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, the first with the stride, with a shortcut."""

    def __init__(self, config: ResNetConfig, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride)
        self.bn1 = make_norm(config.norm, width)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = make_norm(config.norm, width)
        self.downsample = _shortcut(config, inputs, width, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, width, H / stride, W / stride]."""
        shortcut = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        y = torch.relu(self.bn1(self.conv1(x_BCHW)))
        return torch.relu(self.bn2(self.conv2(y)) + shortcut)


class ResNet(nn.Module):
    """ResNet that returns the outputs of its last stages.

    Source: MRCA section 6.1; stride in the 3x3 convolution [R].
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.output_stages = config.output_stages
        self.conv1 = nn.Conv2d(3, config.stem_width, config.stem_kernel, 2, config.stem_kernel // 2, bias=False)
        self.bn1 = make_norm(config.norm, config.stem_width)
        self.pool = nn.MaxPool2d(3, 2, 1) if config.stem_pool else nn.Identity()
        channels = config.stem_width
        for index, (blocks, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
            stride = config.first_stage_stride if index == 0 else 2
            stage, channels = _make_stage(config, channels, width, blocks, stride)
            self.add_module(f"layer{index + 1}", stage)
        self.stages = [f"layer{index + 1}" for index in range(len(config.blocks))]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image_NCHW: Tensor, draw: object = None) -> list[Tensor]:
        """Return the output stages, finest first, of a normalised float image batch; ``draw`` is not used."""
        x = self.pool(torch.relu(self.bn1(self.conv1(image_NCHW))))
        outputs = []
        for index, name in enumerate(self.stages):
            x = getattr(self, name)(x)
            if index in self.output_stages:
                outputs.append(x)
        return outputs


def _make_stage(config: ResNetConfig, inputs: int, width: int, blocks: int, stride: int) -> tuple[nn.Sequential, int]:
    make = Bottleneck if config.block == "bottleneck" else BasicBlock
    outputs = width * 4 if config.block == "bottleneck" else width
    layers = [
        make(config, inputs if block == 0 else outputs, width, stride if block == 0 else 1) for block in range(blocks)
    ]
    return nn.Sequential(*layers), outputs
