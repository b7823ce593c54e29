"""AffinityNet: a ResNet-38 and three 1x1 branches, whose joint feature tells which cells belong together.

Shape legend: N images, C channels, H, W pixels, h, w cells, P pairs of cells; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.construction import PixelNorm, weights_drawn_from
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust.affinity.blocks import FixedNorm, PlainBlock, WideResidual, activated
from methods.diffumask_robust.affinity.config import AffinityNetConfig


@dataclass(frozen=True)
class AffinityOutputs:
    """What the network makes of a batch."""

    taps: tuple[Tensor, Tensor, Tensor]
    """What the branches read, after norm and ReLU."""
    branches: tuple[Tensor, Tensor, Tensor]
    """Their outputs, after ELU."""
    feature_NChw: Tensor
    """After the last 1x1 convolution and ELU."""


class AffinityNet(SavedWithConfig[AffinityNetConfig]):
    """Feature of each cell; how near two features are says how surely the cells belong together.

    Images are float32 RGB batches [N, 3, H, W] with values 0..255; normalised, they are padded right and bottom with zeros to whole
    cells. Entries have the names of the release, so that its files load as they are.

    Source: section 10.4 [code].
    """

    config_type = AffinityNetConfig

    def __init__(self, config: AffinityNetConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        with weights_drawn_from(generator):
            self._build(config)
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)
        self._freeze()

    def _build(self, config: AffinityNetConfig) -> None:
        self.conv1a = nn.Conv2d(3, config.stem_width, 3, padding=1, bias=False)
        width, self._stages = config.stem_width, list[list[str]]()
        taps: list[int] = []
        for number, stage in enumerate(config.plain, 2):
            taps.append(width)
            names = [f"b{number}" if place == 0 else f"b{number}_{place}" for place in range(stage.count)]
            for place, name in enumerate(names):
                self.add_module(name, PlainBlock(width, stage, first=place == 0))
                width = stage.width
            self._stages.append(names)
        taps.append(width)
        first_wide = 2 + len(config.plain)
        self._wide = [f"b{first_wide + place}" for place in range(len(config.wide))]
        for name, block in zip(self._wide, config.wide, strict=True):
            self.add_module(name, WideResidual(width, block))
            width = block.width
        self.add_module(self._last_norm, FixedNorm(width))
        for name, width_in, out in zip(_BRANCHES, (*taps[-2:], width), config.branches, strict=True):
            self.add_module(name, nn.Conv2d(width_in, out, 1, bias=False))
        self.f9 = nn.Conv2d(sum(config.branches), sum(config.branches), 1, bias=False)

    @property
    def _last_norm(self) -> str:
        return f"bn{1 + len(self.config.plain) + len(self.config.wide)}"

    def _freeze(self) -> None:
        if self.config.frozen_stages == 0:
            return
        self.conv1a.requires_grad_(False)
        for names in self._stages[: self.config.frozen_stages]:
            for name in names:
                self.get_submodule(name).requires_grad_(False)

    @property
    def new_layers(self) -> tuple[nn.Parameter, ...]:
        """The weights that no classifier has: those of the branches."""
        layers = [self.get_submodule(name) for name in (*_BRANCHES, "f9")]
        return tuple(parameter for layer in layers for parameter in layer.parameters())

    def forward(self, image_N3HW: Tensor) -> AffinityOutputs:
        """Return the feature of each cell, and everything on the way there that the branches read."""
        image = self.normalise(image_N3HW.float())
        stride = self.config.stride
        x: Tensor = self.conv1a(functional.pad(image, (0, -image.shape[-1] % stride, 0, -image.shape[-2] % stride)))
        for number, names in enumerate(self._stages, 1):
            if number == len(self._stages):
                before = self._after_norm(names[0], x)
            for name in names:
                x = self.get_submodule(name)(x)
        taps = [before, self._after_norm(self._wide[0], x)]
        for name in self._wide:
            x = self.get_submodule(name)(x)
        last = self.get_submodule(self._last_norm)
        assert isinstance(last, FixedNorm)
        taps.append(activated(last, x))
        one, two, three = taps
        branches = [functional.elu(self.get_submodule(name)(tap)) for name, tap in zip(_BRANCHES, taps, strict=True)]
        feature = functional.elu(self.f9(torch.cat(branches, 1)))
        return AffinityOutputs((one, two, three), (branches[0], branches[1], branches[2]), feature)

    def _after_norm(self, block: str, x_NChw: Tensor) -> Tensor:
        norm = self.get_submodule(f"{block}.bn_branch2a")
        assert isinstance(norm, FixedNorm)
        return activated(norm, x_NChw)

    @contextmanager
    def dropping(self, generator: torch.Generator, share: BatchShare, device: torch.device) -> Iterator[None]:
        """Drop channels for a while, as training does."""
        with ExitStack() as stack:
            for name in self._wide:
                block = self.get_submodule(name)
                assert isinstance(block, WideResidual)
                stack.enter_context(block.dropping(generator, share, device))
            yield


_BRANCHES = ("f8_3", "f8_4", "f8_5")
