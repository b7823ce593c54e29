"""EfficientNet-Lite0 backbone; parameter names follow the package that its ImageNet weights come in, so that they map one to one.

Source: arXiv 1905.11946 without squeeze-and-excitation and with ReLU6, as EfficientNet-Lite was released.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.backbones.config import EFFICIENTNET_LITE0_BLOCKS, EfficientNetLiteConfig
from methods.common.segmenters.backbones.resnet import make_norm

_EPSILON = 1e-3
"""Of all norms, as the weights were trained."""


class SamePadding(nn.Conv2d):
    """A convolution padded as the weights were trained: as little as gives ceil(side / stride) cells, the odd cell right and bottom."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve [B, C, H, W]."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in input.shape[-2:])
        padded = functional.pad(input, (width // 2, width - width // 2, height // 2, height - height // 2))
        return functional.conv2d(padded, self.weight, None, self.stride, 0, 1, self.groups)


def _pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


class Block(nn.Module):
    """Widens by a 1x1 convolution, looks around by a depthwise one, narrows again; a shortcut where nothing changes its shape."""

    def __init__(self, config: EfficientNetLiteConfig, index: int) -> None:
        super().__init__()
        shape = EFFICIENTNET_LITE0_BLOCKS[index]
        inner = shape.inputs * shape.expansion
        self.has_shortcut = shape.stride == 1 and shape.inputs == shape.outputs
        if shape.expansion > 1:
            self._expand_conv = _pointwise(shape.inputs, inner)
            self._bn0 = make_norm(config.norm, inner, _EPSILON)
        self._depthwise_conv = SamePadding(inner, inner, shape.kernel, shape.stride, groups=inner, bias=False)
        self._bn1 = make_norm(config.norm, inner, _EPSILON)
        self._project_conv = _pointwise(inner, shape.outputs)
        self._bn2 = make_norm(config.norm, shape.outputs, _EPSILON)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, ceil(H / stride), ceil(W / stride)]."""
        y: Tensor = x_BCHW
        if hasattr(self, "_expand_conv"):
            y = functional.relu6(self._bn0(self._expand_conv(y)))
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x_BCHW + y if self.has_shortcut else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 that returns the last map of each stride, from the strides that are asked for."""

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__()
        self.output_blocks = config.output_blocks
        self._conv_stem = SamePadding(3, EFFICIENTNET_LITE0_BLOCKS[0].inputs, 3, 2, bias=False)
        self._bn0 = make_norm(config.norm, EFFICIENTNET_LITE0_BLOCKS[0].inputs, _EPSILON)
        self._blocks = nn.ModuleList(Block(config, index) for index in range(self.output_blocks[-1] + 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image_NCHW: Tensor, draw: object = None) -> list[Tensor]:
        """Return the output maps, finest first, of a normalised float image batch; ``draw`` is not used."""
        image = image_NCHW.contiguous(memory_format=torch.channels_last)  # depthwise convolutions are quicker so
        x = functional.relu6(self._bn0(self._conv_stem(image)))
        outputs = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in self.output_blocks:
                outputs.append(x)
        return outputs

    def of_its_blocks(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Leave out the weights of the blocks behind the last output, and of the classifier."""
        last = len(self._blocks)
        own = (name.split(".") for name in weights)
        kept = {
            ".".join(parts)
            for parts in own
            if parts[0] not in ("_conv_head", "_bn1", "_fc") and (parts[0] != "_blocks" or int(parts[1]) < last)
        }
        return {name: value for name, value in weights.items() if name in kept}
