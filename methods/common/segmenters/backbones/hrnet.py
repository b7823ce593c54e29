"""HRNet backbone: branches of rising stride, which exchange what they know again and again.

Names of parameters are those of the release, which timm, MMSegmentation and MMPretrain share.

Shape legend: N images, C channels, H, W cells.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.backbones.config import HRNetConfig, ResNetConfig
from methods.common.segmenters.backbones.resnet import BasicBlock, Bottleneck, make_norm

_EXPANSION = 4


class HRNet(nn.Module):
    """Stem of stride 4, a stage of bottlenecks, then stages of two, three and four branches; all four branches come out.

    Source: arXiv 1904.04514, HRNetV2; SegGen section 7 [SG], which names HRNet-W48.
    """

    def __init__(self, config: HRNetConfig) -> None:
        super().__init__()
        stem = config.stem_width
        self.conv1 = _conv(3, stem, 2)
        self.bn1 = make_norm(config.norm, stem)
        self.conv2 = _conv(stem, stem, 2)
        self.bn2 = make_norm(config.norm, stem)
        first = [_bottleneck(config, stem, first=True)]
        first += [_bottleneck(config, stem * _EXPANSION, first=False) for _ in range(config.first_blocks - 1)]
        self.layer1 = nn.Sequential(*first)
        before: tuple[int, ...] = (stem * _EXPANSION,)
        for number, modules in enumerate(config.modules, start=2):
            widths = config.widths[:number]
            self.add_module(f"transition{number - 1}", _transition(config, before, widths))
            exchanges = [_Exchange(config, widths) for _ in range(modules)]
            self.add_module(f"stage{number}", nn.Sequential(*exchanges))
            before = widths

    def forward(self, image_N3HW: Tensor) -> list[Tensor]:
        """Return the branches, finest first, strides 4 to 32."""
        x = functional.relu(self.bn1(self.conv1(image_N3HW)))
        branches = [self.layer1(functional.relu(self.bn2(self.conv2(x))))]
        for number in (2, 3, 4):
            transition = self.get_submodule(f"transition{number - 1}")
            assert isinstance(transition, nn.ModuleList)
            branches = [
                branches[min(place, len(branches) - 1)]
                if isinstance(change, nn.Identity)
                else change(branches[min(place, len(branches) - 1)])
                for place, change in enumerate(transition)
            ]
            branches = self.get_submodule(f"stage{number}")(branches)
        return branches


class _Exchange(nn.Module):
    """A few residual blocks on each branch, then each branch gets the sum of all, resized to its stride."""

    def __init__(self, config: HRNetConfig, widths: Sequence[int]) -> None:
        super().__init__()
        block = ResNetConfig(block="basic", norm=config.norm)
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(block, width, width, 1, 1) for _ in range(config.blocks))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resized(config, widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Map the branches to as many of the same sizes."""
        worked = [layers(branch) for layers, branch in zip(self.branches, branches, strict=True)]
        fused = []
        for target, layers in enumerate(self.fuse_layers):
            assert isinstance(layers, nn.ModuleList)
            total = worked[target]
            for source, layer in enumerate(layers):
                if source == target:
                    continue
                part = layer(worked[source])
                if source > target:
                    part = functional.interpolate(
                        part, size=worked[target].shape[-2:], mode="bilinear", align_corners=False
                    )
                total = total + part
            fused.append(functional.relu(total))
        return fused


def _resized(config: HRNetConfig, widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Return what brings a branch to another's channels, and to its stride where that is larger."""
    if source == target:
        return nn.Identity()
    if source > target:
        conv = nn.Conv2d(widths[source], widths[target], 1, bias=False)
        return nn.Sequential(conv, make_norm(config.norm, widths[target]))
    steps: list[nn.Module] = []
    for step in range(source + 1, target + 1):
        last = step == target
        outputs = widths[target] if last else widths[source]
        parts: list[nn.Module] = [_conv(widths[source], outputs, 2), make_norm(config.norm, outputs)]
        steps.append(nn.Sequential(*parts) if last else nn.Sequential(*parts, nn.ReLU(inplace=True)))
    return nn.Sequential(*steps)


def _transition(config: HRNetConfig, before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Return what makes the branches of a stage of those before: other channels, and one branch more of twice the stride."""
    changes: list[nn.Module] = []
    for place, width in enumerate(after):
        if place < len(before):
            changes.append(
                nn.Identity() if before[place] == width else _conv_norm_relu(config, before[place], width, 1)
            )
        else:
            changes.append(nn.Sequential(_conv_norm_relu(config, before[-1], width, 2)))
    return nn.ModuleList(changes)


def _conv_norm_relu(config: HRNetConfig, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, stride), make_norm(config.norm, outputs), nn.ReLU(inplace=True))


def _conv(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def _bottleneck(config: HRNetConfig, inputs: int, *, first: bool) -> Bottleneck:
    block = ResNetConfig(norm=config.norm)
    return Bottleneck(
        block, inputs if first else config.stem_width * _EXPANSION, config.stem_width, 1, 1, deformable=False
    )
