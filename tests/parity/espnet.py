"""ESPNet (Mehta et al., ECCV 2018) with p = 2, q = 8 for inference, written from its paper to fit the published CamVid weights.

Modules carry the names of the weights' tensors. Where the paper leaves something open (epsilon 0.001 in batch norms, averaging
over 3x3 for the small copies of the image, how images are scaled) the weights' publisher says.

Shape suffixes: N images, C channels, H, W pixels.
"""

from pathlib import Path

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

_DILATIONS = (1, 2, 4, 8, 16)
_MEAN_BGR = (110.33, 108.41, 105.03)
_STD_BGR = (72.13, 72.69, 69.90)


def _normalise(num_channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(num_channels, eps=1e-3)


class Convolution(nn.Module):
    """A convolution that keeps the size, but for its stride."""

    def __init__(self, num_in: int, num_out: int, size: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = (size - 1) // 2 * dilation
        self.conv = nn.Conv2d(num_in, num_out, size, stride, padding, dilation, bias=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return self.conv(x_NCHW)


class NormalisedActivation(nn.Module):
    """Batch norm and PReLU."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.bn = _normalise(num_channels)
        self.act = nn.PReLU(num_channels)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return self.act(self.bn(x_NCHW))


class ConvolutionBlock(Convolution):
    """Convolution, batch norm, PReLU."""

    def __init__(self, num_in: int, num_out: int, size: int, stride: int = 1) -> None:
        super().__init__(num_in, num_out, size, stride)
        self.bn = _normalise(num_out)
        self.act = nn.PReLU(num_out)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x_NCHW)))


class Pyramid(nn.Module):
    """Efficient spatial pyramid: reduce, five dilated branches, sums of ever more of them side by side."""

    def __init__(self, num_in: int, num_out: int, size: int, stride: int) -> None:
        super().__init__()
        narrow = num_out // len(_DILATIONS)
        first = num_out - narrow * (len(_DILATIONS) - 1)
        self.c1 = Convolution(num_in, narrow, size, stride)
        for dilation in _DILATIONS:
            branch = Convolution(narrow, first if dilation == 1 else narrow, 3, 1, dilation)
            self.add_module(f"d{dilation}", branch)

    def merged(self, x_NCHW: Tensor) -> Tensor:
        reduced = self.c1(x_NCHW)
        branches = [self.get_submodule(f"d{dilation}")(reduced) for dilation in _DILATIONS]
        sums = [branches[0], branches[1]]
        for branch in branches[2:]:
            sums.append(sums[-1] + branch)
        return torch.cat(sums, 1)


class DownSampler(Pyramid):
    """A pyramid of half the size."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__(num_in, num_out, 3, 2)
        self.bn = _normalise(num_out)
        self.act = nn.PReLU(num_out)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return self.act(self.bn(self.merged(x_NCHW)))


class PyramidBlock(Pyramid):
    """A pyramid of the same size, added to its input where the channels agree."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__(num_in, num_out, 1, 1)
        self.residual = num_in == num_out
        self.bn = NormalisedActivation(num_out)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        merged = self.merged(x_NCHW)
        return self.bn(x_NCHW + merged if self.residual else merged)


class Encoder(nn.Module):
    """Features at 1/2, 1/4 and 1/8 of the image's size."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.level1 = ConvolutionBlock(3, 16, 3, 2)
        self.b1 = NormalisedActivation(19)
        self.level2_0 = DownSampler(19, 64)
        self.level2 = nn.ModuleList(PyramidBlock(64, 64) for _ in range(2))
        self.b2 = NormalisedActivation(131)
        self.level3_0 = DownSampler(131, 128)
        self.level3 = nn.ModuleList(PyramidBlock(128, 128) for _ in range(8))
        self.b3 = NormalisedActivation(256)
        self.classifier = Convolution(256, num_outputs, 1)

    def forward(self, image_NCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = avg_pool2d(image_NCHW, 3, 2, 1)
        quarter = avg_pool2d(half, 3, 2, 1)
        fine = self.b1(torch.cat([self.level1(image_NCHW), half], 1))
        start = middle = self.level2_0(fine)
        for block in self.level2:
            middle = block(middle)
        middle = self.b2(torch.cat([middle, start, quarter], 1))
        start = coarse = self.level3_0(middle)
        for block in self.level3:
            coarse = block(coarse)
        return fine, middle, self.b3(torch.cat([start, coarse], 1))


class ESPNet(nn.Module):
    """Scores for each class and pixel."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        k = num_outputs
        self.encoder = Encoder(k)
        self.level3_C = Convolution(131, k, 1)
        self.br = _normalise(k)
        self.up_l3 = nn.Sequential(nn.ConvTranspose2d(k, k, 2, 2, bias=False))
        self.combine_l2_l3 = nn.Sequential(NormalisedActivation(2 * k), PyramidBlock(2 * k, k))
        self.up_l2 = nn.Sequential(nn.ConvTranspose2d(k, k, 2, 2, bias=False), NormalisedActivation(k))
        self.conv = ConvolutionBlock(19 + k, k, 3)
        self.classifier = nn.ConvTranspose2d(k, k, 2, 2, bias=False)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        fine, middle, coarse = self.encoder(image_NCHW)
        coarse = self.up_l3(self.br(self.encoder.classifier(coarse)))
        middle = self.up_l2(self.combine_l2_l3(torch.cat([self.level3_C(middle), coarse], 1)))
        return self.classifier(self.conv(torch.cat([middle, fine], 1)))


def load_camvid(weights: Path) -> ESPNet:
    """The published network for CamVid: 11 classes and void; in the memory layout that is fastest on a CPU."""
    network = ESPNet(12)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def scores(network: ESPNet, image_HW3: NDArray) -> Tensor:
    """Scores, float32 [outputs, H, W], for an RGB image, uint8."""
    bgr_HW3 = torch.from_numpy(image_HW3[..., ::-1].copy()).float()
    scaled_HW3 = (bgr_HW3 - torch.tensor(_MEAN_BGR)) / torch.tensor(_STD_BGR) / 255
    return network(scaled_HW3.permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last))[0]
