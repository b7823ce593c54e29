"""The ladder of sizes of the generative extractor (section 6.2): an ordered list of ever cheaper ones. Holds no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from methods.common.segmenters.backbones.generative.config import GenerativeConfig, check_strides
from methods.common.segmenters.backbones.generative.networks_config import Networks
from methods.common.segmenters.backbones.generative.presets import (
    DIFFUSIONINST_STRIDES,
    decoder_taps,
    generative_backbone,
)
from methods.common.stage import Config

RungId = Literal["full", "half", "features_only", "cut", "block_pruned", "head_pruned"]
TITLES: dict[RungId, str] = {
    "full": "Whole pipeline, float32",
    "half": "Half precision",
    "features_only": "No text encoder, no decoder",
    "cut": "Finest output block cut",
    "block_pruned": "Fewer blocks",
    "head_pruned": "Fewer heads",
}
DISTILLED: tuple[RungId, ...] = ("block_pruned", "head_pruned")
"""Rungs whose U-Net learns from that of ``cut``."""


class LadderConfig(Config):
    """What the rungs have in common."""

    networks: Networks = Networks()
    """Those of the whole generator."""
    strides_px: tuple[int, ...] = DIFFUSIONINST_STRIDES
    """Of the segmenter's levels."""
    width: Annotated[int, Field(ge=4)] = 256
    """Channels of the levels."""
    half: Literal["float16", "bfloat16"] = "float16"
    """Precision of every rung but the first."""
    heads_kept: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of heads that the last rung keeps [C D56]."""
    timestep: Annotated[int, Field(ge=0)] = 0
    """Of the one pass."""

    @field_validator("strides_px")
    @classmethod
    def _strides_double(cls, strides_px: tuple[int, ...]) -> tuple[int, ...]:
        check_strides(strides_px)
        return strides_px

    def backbone(self, rung: RungId) -> GenerativeConfig:
        """Return the backbone of a rung; each saves what those before save, and the last prunes heads where the one before prunes blocks.

        Text encoder and decoder of the first two give the same features as without: all other rungs read what ``half`` reads,
        until ``cut`` loses the finest map [C D57].
        """
        networks = self.networks
        if rung == "block_pruned":
            networks = without_blocks(networks)
        elif rung == "head_pruned":
            networks = networks.model_copy(update={"heads_kept": self.heads_kept})
        taps = decoder_taps(networks)
        if rung in ("cut", *DISTILLED):
            taps = taps[1:]
        precision = "float32" if rung == "full" else self.half
        return generative_backbone(
            networks, "decoder", self.strides_px, self.width, taps, timestep=self.timestep, precision=precision
        )


def without_blocks(networks: Networks) -> Networks:
    """Return the same with one layer a block and no block in the middle, as the small one of the BK-SDM family (section 6.2, item 4)."""
    unet = networks.unet.model_copy(update={"layers_per_block": 1, "mid_block_type": None})
    return networks.model_copy(update={"unet": unet})
