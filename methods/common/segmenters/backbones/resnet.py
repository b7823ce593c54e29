"""ResNet backbone; parameter names follow timm's, so that public ImageNet and detector weights map one to one."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from methods.common.segmenters.backbones.config import NormKind, ResNetConfig
from methods.common.segmenters.backbones.folding import DeformableConv2d, normalised, rectified
from methods.common.training.batch_norm import TeamBatchNorm2d


def make_norm(kind: NormKind, channels: int, epsilon: float = 1e-5) -> nn.Module:
    """Return the normalisation of a config: frozen batch norm, trained batch norm, or group norm with 8 groups."""
    if kind == "frozen":
        frozen: nn.Module = FrozenBatchNorm2d(channels, epsilon)
        return frozen
    return TeamBatchNorm2d(channels, epsilon) if kind == "batch" else nn.GroupNorm(8, channels, epsilon)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = kernel // 2 * dilation
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=padding, dilation=dilation, bias=False)


def _shortcut(config: ResNetConfig, inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    if config.shortcut == "strided":
        return nn.Sequential(_conv(inputs, outputs, 1, stride), make_norm(config.norm, outputs))
    pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, _conv(inputs, outputs, 1), make_norm(config.norm, outputs))


class _Block(nn.Module):
    """What residual blocks share."""

    downsample: nn.Sequential | None
    folds = False
    """See :meth:`ResNet.fold_norms`."""

    def _normalised(
        self, conv: nn.Conv2d, norm: nn.Module, x_BCHW: Tensor, offset_B18HW: Tensor | None = None
    ) -> Tensor:
        return normalised(conv, norm, x_BCHW, offset_B18HW, folds=self.folds)

    def _shortcut_of(self, x_BCHW: Tensor) -> Tensor:
        if self.downsample is None:
            return x_BCHW
        *pool, conv, norm = self.downsample
        assert isinstance(conv, nn.Conv2d)
        return self._normalised(conv, norm, pool[0](x_BCHW) if pool else x_BCHW)


class Bottleneck(_Block):
    """1x1, 3x3 (carries the stride), 1x1 convolutions with a shortcut; four times as many channels out as inside."""

    def __init__(
        self, config: ResNetConfig, inputs: int, width: int, stride: int, dilation: int, deformable: bool
    ) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 1)
        self.bn1 = make_norm(config.norm, width)
        self.conv2_offset = nn.Conv2d(width, 18, 3, stride, padding=1) if deformable else None
        self.conv2 = (
            DeformableConv2d(width, width, 3, stride, padding=1, bias=False)
            if deformable
            else _conv(width, width, 3, stride, dilation)
        )
        self.bn2 = make_norm(config.norm, width)
        self.conv3 = _conv(width, width * 4, 1)
        self.bn3 = make_norm(config.norm, width * 4)
        self.downsample = _shortcut(config, inputs, width * 4, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, 4 * width, H / stride, W / stride]."""
        shortcut = self._shortcut_of(x_BCHW)
        y = rectified(self._normalised(self.conv1, self.bn1, x_BCHW), folds=self.folds)
        offset = None if self.conv2_offset is None else self.conv2_offset(y)
        y = rectified(self._normalised(self.conv2, self.bn2, y, offset), folds=self.folds)
        return rectified(self._normalised(self.conv3, self.bn3, y), shortcut, folds=self.folds)


class BasicBlock(_Block):
    """Two 3x3 convolutions, the first with the stride, with a shortcut."""

    def __init__(self, config: ResNetConfig, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride, dilation)
        self.bn1 = make_norm(config.norm, width)
        self.conv2 = _conv(width, width, 3, dilation=dilation)
        self.bn2 = make_norm(config.norm, width)
        self.downsample = _shortcut(config, inputs, width, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, width, H / stride, W / stride]."""
        shortcut = self._shortcut_of(x_BCHW)
        y = rectified(self._normalised(self.conv1, self.bn1, x_BCHW), folds=self.folds)
        return rectified(self._normalised(self.conv2, self.bn2, y), shortcut, folds=self.folds)


class ResNet(nn.Module):
    """ResNet that returns the outputs of its last stages.

    Source: MRCA section 6.1; stride in the 3x3 convolution [R]. Deep stem, pooled shortcuts and deformable stages:
    InstSynth section 7.1 [FI]. Dilated stages: Attn2mask section 6.4 [code].
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.output_stages = config.output_stages
        self.folds = False
        self.conv1 = _stem(config)
        self.bn1 = make_norm(config.norm, config.stem_width)
        self.pool = nn.MaxPool2d(3, 2, 1) if config.stem_pool else nn.Identity()
        channels = config.stem_width
        for index in range(len(config.blocks)):
            stage, channels = _make_stage(config, channels, index)
            self.add_module(f"layer{index + 1}", stage)
        self.stages = [f"layer{index + 1}" for index in range(len(config.blocks))]
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                if name.endswith("conv2_offset"):  # the taps start at their places [FI]
                    nn.init.zeros_(module.weight)
                    nn.init.zeros_(_bias_of(module))
                else:
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def fold_norms(self) -> None:
        """From now on multiply norms with fixed statistics into the convolutions in passes without gradients.

        That is quicker, and another rounding; networks whose finished results should keep their last bits go without.
        """
        for module in self.modules():
            if isinstance(module, ResNet | _Block):
                module.folds = True

    def forward(self, image_NCHW: Tensor, draw: object = None) -> list[Tensor]:
        """Return the output stages, finest first, of a normalised float image batch; ``draw`` is not used."""
        x = self.pool(rectified(self._stem_of(image_NCHW), folds=self.folds))
        outputs = []
        for index, name in enumerate(self.stages):
            x = getattr(self, name)(x)
            if index in self.output_stages:
                outputs.append(x)
        return outputs

    def _stem_of(self, image_NCHW: Tensor) -> Tensor:
        if isinstance(self.conv1, nn.Conv2d):
            return normalised(self.conv1, self.bn1, image_NCHW, folds=self.folds)
        first, first_norm, _, second, second_norm, _, third = self.conv1
        x = image_NCHW
        for conv, norm in ((first, first_norm), (second, second_norm)):
            assert isinstance(conv, nn.Conv2d)
            x = rectified(normalised(conv, norm, x, folds=self.folds), folds=self.folds)
        assert isinstance(third, nn.Conv2d)
        return normalised(third, self.bn1, x, folds=self.folds)


def _stem(config: ResNetConfig) -> nn.Conv2d | nn.Sequential:
    """Return all convolutions before the stem's last norm; a deep stem has timm's layers."""
    if config.stem == "single":
        return nn.Conv2d(3, config.stem_width, config.stem_kernel, 2, config.stem_kernel // 2, bias=False)
    half = config.stem_width // 2
    return nn.Sequential(
        *(_conv(3, half, 3, 2), make_norm(config.norm, half), nn.ReLU()),
        *(_conv(half, half, 3), make_norm(config.norm, half), nn.ReLU()),
        _conv(half, config.stem_width, 3),
    )


def _bias_of(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


def _make_stage(config: ResNetConfig, inputs: int, index: int) -> tuple[nn.Sequential, int]:
    width = config.widths[index]
    outputs = width * 4 if config.block == "bottleneck" else width
    layers: list[nn.Module] = []
    for block, dilation in enumerate(config.block_dilations(index)):
        first = block == 0
        place = inputs if first else outputs, width, config.stage_stride(index) if first else 1, dilation
        layers.append(
            Bottleneck(config, *place, index in config.deformable_stages)
            if config.block == "bottleneck"
            else BasicBlock(config, *place)
        )
    return nn.Sequential(*layers), outputs
