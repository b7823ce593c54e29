"""A diffusion model as a segmenter's backbone: extractor, projections, levels.

Shape legend: N images, C channels, H, W pixels, h, w cells of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.errors import InputError
from methods.common.segmenters.backbones.generative.cache import FeatureCache
from methods.common.segmenters.backbones.generative.config import GenerativeConfig
from methods.common.segmenters.backbones.generative.extractor import Extractor

LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""Layers of attention that get low-rank updates. InstSynth section 4, item 6: attention projections."""


class GenerativeBackbone(nn.Module):
    """Levels of one width from a generator's features; what is trained of it is said by its config, projections always.

    It takes images like every backbone: normalised, here to [-1, 1], and padded with zeros.

    Source: InstSynth section 4, items 4 to 6. The pyramid over the levels is the segmenter's own.
    """

    def __init__(self, config: GenerativeConfig) -> None:
        """Build with random weights, drawn from torch's global generator."""
        super().__init__()
        self.config = config
        self.cache: FeatureCache | None = None
        """Where frozen features lie that need not be computed; no part of what is saved."""
        self.extractor = Extractor(config.extractor)
        channels = {tap.name: tap.channels for tap in config.extractor.tapped}
        self.projections = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(nn.Conv2d(channels[tap], config.width, 1), nn.GroupNorm(config.norm_groups, config.width))
                for tap in level.taps
            )
            for level in config.levels
        )
        if config.tuning == "lora":
            add_low_rank_updates(self.extractor.unet, config.lora_rank)
        elif config.tuning == "all":
            self.extractor.unet.requires_grad_(True)

    def forward(self, image_NCHW: Tensor, draw: object = None) -> list[Tensor]:
        """Return the levels, finest first, [N, width, h, w] float32, of images in [-1, 1]; ``draw`` is not used."""
        maps = dict(zip(self.config.extractor.taps, self.features(image_NCHW), strict=True))
        height, width = image_NCHW.shape[2:]
        levels = []
        for level, projections in zip(self.config.levels, self.projections, strict=True):
            assert isinstance(projections, nn.ModuleList)
            size = height // level.stride_px, width // level.stride_px
            parts = [
                project(resized(maps[tap].float(), size)) for tap, project in zip(level.taps, projections, strict=True)
            ]
            levels.append(torch.stack(parts).sum(dim=0))
        return levels

    def use_cache(self, folders: Sequence[Path]) -> FeatureCache:
        """Read features from folders where they have an image's; returns the cache, which counts. The weights must be there already.

        Raises:
            InputError: the U-Net is trained, or the features are those of other weights or choices.
        """
        if self.config.tuning != "frozen":
            raise InputError(
                f"features of a U-Net that is trained (tuning {self.config.tuning!r}) cannot be kept; leave them out"
            )
        self.cache = FeatureCache(folders, self.extractor)
        return self.cache

    def features(self, image_NCHW: Tensor) -> list[Tensor]:
        """Return the map of each tap, from the cache where one has them; a frozen extractor computes in its own precision."""
        if self.config.tuning != "frozen":
            computed: list[Tensor] = self.extractor(image_NCHW)
            return computed
        with torch.no_grad(), torch.autocast(image_NCHW.device.type, enabled=False):
            if self.cache is None:
                frozen: list[Tensor] = self.extractor(image_NCHW.float())
                return frozen
            return self.cache.maps(image_NCHW, self.extractor)


def resized(map_NChw: Tensor, size: Sequence[int]) -> Tensor:
    """Resize a map to (height, width): averages of areas where it shrinks, bilinear where it grows."""
    if tuple(map_NChw.shape[2:]) == tuple(size):
        return map_NChw
    if size[0] < map_NChw.shape[2]:
        return functional.interpolate(map_NChw, tuple(size), mode="area")
    return functional.interpolate(map_NChw, tuple(size), mode="bilinear", align_corners=False)


def add_low_rank_updates(unet: Any, rank: int) -> None:
    """Put low-rank updates, 0 at first, beside the projections of every attention; only they are trained.

    The pooling of text that some U-Nets have is left alone: its text is always the same.
    """
    from peft import LoraConfig, inject_adapter_in_model

    targets = rf".*attn[12]\.({'|'.join(name.replace('.', chr(92) + '.') for name in LORA_TARGETS)})"
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=targets), unet)
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(".lora_" in name)
