"""U2-Net: nested U-shapes, each level of the outer U being a U of its own.

Names of modules are those of the published weights, so that ``u2net.pth`` loads as it is.

Shape suffixes: N pictures, C channels, H, W pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from methods.common.cutouts.birefnet import IMAGENET_MEAN, IMAGENET_STD
from methods.common.errors import InputError
from methods.common.tensor_file import read_tensors

INPUT_SIDE_PX = 256
"""Pictures are resized to this square. Source: MRCA section 5.1 [B]."""
_REMEDY = "give u2net.pth of the U2-Net release"
_STAGES = ("stage1", "stage2", "stage3", "stage4", "stage5", "stage6")
_DECODER = ("stage5d", "stage4d", "stage3d", "stage2d", "stage1d")


class Level(NamedTuple):
    """One level of the outer U."""

    depth: int
    """Convolutions of the inner U on its way down; 0 for the variant that dilates and never pools."""
    middle: int
    """Channels inside it."""
    out: int
    """Channels that leave it."""


U2NET_DOWN = (
    Level(7, 32, 64),
    Level(6, 32, 128),
    Level(5, 64, 256),
    Level(4, 128, 512),
    Level(0, 256, 512),
    Level(0, 256, 512),
)
"""Encoder of the published network. Source: Table 1 of Qin et al. 2020."""
U2NET_UP = (Level(0, 256, 512), Level(4, 128, 256), Level(5, 64, 128), Level(6, 32, 64), Level(7, 16, 64))
"""Its decoder, from the bottom up."""


class _Convolution(nn.Module):
    def __init__(self, width_in: int, width_out: int, dilation: int) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(width_in, width_out, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(width_out)

    def forward(self, feature_NCHW: Tensor) -> Tensor:
        return self.bn_s1(self.conv_s1(feature_NCHW)).relu()  # type: ignore[no-any-return]


class _InnerU(nn.Module):
    """A U with a residual around it: down by pooling or by growing dilation, and up again beside what came down."""

    def __init__(self, width_in: int, level: Level) -> None:
        super().__init__()
        self.pools = level.depth > 0
        self.depth = level.depth or 4
        dilations = [1] * (self.depth - 1) + [2] if self.pools else [2**index for index in range(self.depth)]
        self.rebnconvin = _Convolution(width_in, level.out, 1)
        for number, dilation in enumerate(dilations, start=1):
            width = level.out if number == 1 else level.middle
            self.add_module(f"rebnconv{number}", _Convolution(width, level.middle, dilation))
        for number in range(self.depth - 1, 0, -1):
            width = level.out if number == 1 else level.middle
            dilation = 1 if self.pools else dilations[number - 1]
            self.add_module(f"rebnconv{number}d", _Convolution(2 * level.middle, width, dilation))

    def forward(self, feature_NCHW: Tensor) -> Tensor:
        start_NCHW = self.rebnconvin(feature_NCHW)
        down = [self.get_submodule("rebnconv1")(start_NCHW)]
        for number in range(2, self.depth + 1):
            pooled_NCHW = _halved(down[-1]) if self.pools and number < self.depth else down[-1]
            down.append(self.get_submodule(f"rebnconv{number}")(pooled_NCHW))
        up_NCHW = down.pop()
        for number in range(self.depth - 1, 0, -1):
            beside_NCHW = down.pop()
            up_NCHW = torch.cat([_as_large_as(up_NCHW, beside_NCHW), beside_NCHW], 1)
            up_NCHW = self.get_submodule(f"rebnconv{number}d")(up_NCHW)
        return up_NCHW + start_NCHW  # type: ignore[no-any-return]


class U2Net(nn.Module):
    """The network; :meth:`forward` returns the finest side output, which X-Paste cuts by.

    Source: Qin et al. 2020; the deeper side outputs and their fusion are filled with weights and not computed.
    """

    def __init__(self, down: Sequence[Level] = U2NET_DOWN, up: Sequence[Level] = U2NET_UP) -> None:
        super().__init__()
        width = 3
        for name, level in zip(_STAGES, down, strict=True):
            self.add_module(name, _InnerU(width, level))
            width = level.out
        for name, level, beside in zip(_DECODER, up, reversed(down[:-1]), strict=True):
            self.add_module(name, _InnerU(width + beside.out, level))
            width = level.out
        for number, level in enumerate([*reversed(up), down[-1]], start=1):
            self.add_module(f"side{number}", nn.Conv2d(level.out, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """Return mask logits (N, H, W) of normalised RGB pictures."""
        levels = [self.get_submodule(_STAGES[0])(image_NCHW)]
        for name in _STAGES[1:]:
            levels.append(self.get_submodule(name)(_halved(levels[-1])))
        feature_NCHW = levels.pop()
        for name in _DECODER:
            beside_NCHW = levels.pop()
            feature_NCHW = torch.cat([_as_large_as(feature_NCHW, beside_NCHW), beside_NCHW], 1)
            feature_NCHW = self.get_submodule(name)(feature_NCHW)
        logits_N1HW: Tensor = self.get_submodule("side1")(feature_NCHW)
        return logits_N1HW[:, 0]


def _halved(feature_NCHW: Tensor) -> Tensor:
    return max_pool2d(feature_NCHW, 2, stride=2, ceil_mode=True)


def _as_large_as(feature_NCHW: Tensor, other_NCHW: Tensor) -> Tensor:
    if feature_NCHW.shape[2:] == other_NCHW.shape[2:]:
        return feature_NCHW
    size = (other_NCHW.shape[2], other_NCHW.shape[3])
    return interpolate(feature_NCHW, size, mode="bilinear", align_corners=False)


class U2NetCutout:
    """U2-Net as a cut-out network like any other."""

    def __init__(self, network: U2Net, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()

    @classmethod
    def from_file(cls, path: Path, device: torch.device | None = None) -> "U2NetCutout":
        """Load the published weights; nothing in the file is run.

        Raises:
            InputError: no such file, no file of tensors, or tensors of another network.
        """
        network = U2Net()
        try:
            network.load_state_dict(read_tensors(path, _REMEDY))
        except RuntimeError as error:
            fault = str(error).splitlines()[1:2] or ["it does not fit"]
            raise InputError(f"{path} does not fill U2-Net ({fault[0].strip()[:200]}); {_REMEDY}") from error
        return cls(network, device)

    @torch.no_grad()
    def soft_mask(self, image_NCHW: Tensor) -> Tensor:
        """Return soft masks, float32 (N, H, W) in [0, 1], of RGB pictures (N, 3, H, W) in [0, 1].

        Source: MRCA section 5.1 [B]: 256x256, ImageNet statistics, the finest side output, stretched to [0, 1] in each picture.
        """
        height, width = image_NCHW.shape[2:]
        side = (INPUT_SIDE_PX, INPUT_SIDE_PX)
        image = interpolate(image_NCHW.to(self.device, torch.float32), side, mode="bilinear", align_corners=False)
        mean_C11 = torch.tensor(IMAGENET_MEAN, device=self.device)[:, None, None]
        std_C11 = torch.tensor(IMAGENET_STD, device=self.device)[:, None, None]
        prob_N1HW = self.network((image - mean_C11) / std_C11)[:, None].sigmoid()
        soft_NHW = interpolate(prob_N1HW, (height, width), mode="bilinear", align_corners=False)[:, 0]
        return stretched(soft_NHW)


def stretched(soft_NHW: Tensor) -> Tensor:
    """Stretch each mask (N, H, W) so that its lowest value becomes 0 and its highest 1; an even one becomes 0. Source: MRCA section 5.1 [B]."""
    lowest_N11, highest_N11 = soft_NHW.amin((1, 2), keepdim=True), soft_NHW.amax((1, 2), keepdim=True)
    return (soft_NHW - lowest_N11) / (highest_N11 - lowest_N11).clamp(min=1e-12)
