"""Which features of a diffusion model a segmenter reads, and how they become its levels. Holds no torch.

Marks are those of docs/papers/instance_synthesis.md; what no source says is our choice and in the deviation ledger.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.segmenters.backbones.generative.networks_config import Networks, Positive, Tap, tap_of
from methods.common.stage import Config

UNIT = (127.5, 127.5, 127.5)
"""Mean and deviation of RGB values 0..255 that make the [-1, 1] of autoencoders."""

Stored = Literal["float32", "float16"]
"""Precision of features on disk."""


def check_strides(strides_px: tuple[int, ...]) -> None:
    """Refuse levels that are no pyramid.

    Raises:
        ValueError: a stride is not twice the one before.
    """
    if any(wide != 2 * fine for fine, wide in pairwise(strides_px)):
        raise ValueError(f"levels have strides {strides_px}; each must be twice the one before")


class ExtractorConfig(Config):
    """The frozen part e(G): an image to maps inside the generator (InstSynth section 4 [C InstSynth D50])."""

    networks: Networks = Networks()
    """Those of the generator."""
    taps: tuple[str, ...]
    """Names of the modules whose outputs are read, such as ``unet.up_blocks.1``."""
    timestep: Annotated[int, Field(ge=0)] = 0
    """The one time step of the U-Net's pass, counted from 0, the least noise."""
    noise: Literal["fixed", "none"] = "fixed"
    """``fixed``: noise as of the time step, the same for every image; ``none``: the latent as it is."""
    noise_seed: Annotated[int, Field(ge=0)] = 0
    """The fixed noise is drawn from it."""
    prompt: str = ""
    """The text of every image, never one of its own; empty: nothing is told."""
    window_px: Positive | None = None
    """Side of the windows that larger images are read in; None reads every image whole."""
    window_step_px: Positive | None = None
    """From one window to the next; where windows overlap their features are averaged. None: three quarters of a window or less."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of weights and passes; the autoencoder stays in float32 where the U-Net is in float16, in which some overflow."""

    @model_validator(mode="after")
    def _networks_agree(self) -> Self:
        if not self.taps or len(set(self.taps)) < len(self.taps):
            raise ValueError("taps needs at least one name, and none twice")
        for name in self.taps:
            tap_of(name, self.networks)
        if self.timestep >= self.networks.schedule.num_train_timesteps:
            raise ValueError(
                f"timestep {self.timestep} is none of the schedule; its last is {self.networks.schedule.num_train_timesteps - 1}"
            )
        return self

    @model_validator(mode="after")
    def _windows_agree(self) -> Self:
        coarsest = self.networks.coarsest_px
        for name, value in (("window_px", self.window_px), ("window_step_px", self.window_step_px)):
            if value is not None and value % coarsest:
                raise ValueError(f"{name} {value} is no multiple of {coarsest}, a cell of the U-Net's coarsest map")
        if self.window_step_px is not None and self.window_step_px > (self.window_px or 0):
            raise ValueError(f"window_step_px {self.window_step_px} is more than window_px; pixels would be left out")
        return self

    @property
    def tapped(self) -> tuple[Tap, ...]:
        """Every tap with its channels and stride."""
        return tuple(tap_of(name, self.networks) for name in self.taps)

    @property
    def step_px(self) -> int:
        """From one window to the next."""
        assert self.window_px is not None
        coarsest = self.networks.coarsest_px
        return self.window_step_px or max(coarsest, self.window_px * 3 // 4 // coarsest * coarsest)


class LevelConfig(Config):
    """One map that the segmenter gets."""

    stride_px: Positive
    """Pixels to one of its cells."""
    taps: tuple[str, ...] = Field(min_length=1)
    """What it is made of: each is resized to the level, projected, and added."""


class GenerativeConfig(Config):
    """A diffusion model as backbone: levels of one width, from projected features (InstSynth section 4)."""

    kind: Literal["generative"] = "generative"
    """Which backbone this is."""
    extractor: ExtractorConfig
    """Where features come from."""
    levels: tuple[LevelConfig, ...] = Field(min_length=1)
    """Finest first; each stride is twice the one before."""
    width: Positive = 256
    """Channels of every level. InstSynth section 4."""
    norm_groups: Positive = 32
    """Groups of the norm after each projection. InstSynth section 4: GroupNorm."""
    tuning: Literal["frozen", "lora", "all"] = "frozen"
    """What of the U-Net is trained: nothing; low-rank updates of its attention; all of it. The autoencoder never is."""
    lora_rank: Positive = 8
    """Rank of the updates; their scale is 1. InstSynth section 4: 8 to 16."""

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        check_strides(self.output_strides)
        unknown = {tap for level in self.levels for tap in level.taps} ^ set(self.extractor.taps)
        if unknown:
            raise ValueError(
                f"levels and extractor.taps must name the same taps; only one of them has {sorted(unknown)}"
            )
        if self.width % self.norm_groups:
            raise ValueError(f"width {self.width} is no multiple of norm_groups {self.norm_groups}")
        if self.tuning != "frozen" and self.extractor.precision != "float32":
            raise ValueError(
                "a U-Net that is trained needs extractor.precision float32; autocast makes its passes cheaper"
            )
        return self

    @property
    def output_channels(self) -> tuple[int, ...]:
        """Channels of each output."""
        return (self.width,) * len(self.levels)

    @property
    def output_strides(self) -> tuple[int, ...]:
        """Stride of each output in pixels."""
        return tuple(level.stride_px for level in self.levels)

    def check_images(self, pad_multiple: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Refuse a segmenter whose images the generator cannot read.

        Raises:
            ValueError: other colours than [-1, 1], or sides that the U-Net cannot halve.
        """
        if (mean, std) != (UNIT, UNIT):
            raise ValueError(f"a generative backbone reads colours in [-1, 1]; set pixel_mean and pixel_std to {UNIT}")
        coarsest = self.extractor.networks.coarsest_px
        if pad_multiple % coarsest:
            raise ValueError(
                f"pad_multiple {pad_multiple} is no multiple of {coarsest}, a cell of the U-Net's coarsest map"
            )
