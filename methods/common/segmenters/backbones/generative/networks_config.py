"""What the networks of a Stable Diffusion folder are, as far as such folders differ, and the maps that can be read inside them. Holds no torch."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.growth import Added
from methods.common.stage import Config

Positive = Annotated[int, Field(ge=1)]

_TAP = re.compile(
    r"(?P<network>unet|vae\.encoder|vae\.decoder)\."
    r"(?:mid_block|(?P<side>down|up)_blocks\.(?P<block>\d+)(?:\.(?P<part>resnets|attentions)\.(?P<layer>\d+))?)"
)
_HOW = "name blocks that the networks have, such as unet.up_blocks.1 or vae.encoder.down_blocks.2.resnets.1"


class UNetShape(Config):
    """A U-Net of Stable Diffusion 1 or 2, a pruned one, or the miniature's; names are those of its ``config.json``. Defaults: 1.5."""

    down_block_types: tuple[Literal["DownBlock2D", "CrossAttnDownBlock2D"], ...] = (
        *("CrossAttnDownBlock2D",) * 3,
        "DownBlock2D",
    )
    """Kind of each block on the way down."""
    mid_block_type: Literal["UNetMidBlock2DCrossAttn"] | None = "UNetMidBlock2DCrossAttn"
    """The block in the middle; some pruned U-Nets have none."""
    up_block_types: tuple[Literal["UpBlock2D", "CrossAttnUpBlock2D"], ...] = ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3)
    """Kind of each block on the way up, coarsest first."""
    block_out_channels: tuple[Positive, ...] = (320, 640, 1280, 1280)
    """Channels of each block on the way down."""
    layers_per_block: Positive = 2
    """Residual layers of a block on the way down; one more on the way up. Pruned U-Nets have 1."""
    in_channels: Positive = 4
    """Channels of the latents."""
    out_channels: Positive = 4
    """Channels of the prediction."""
    sample_size: Positive = 64
    """Side of the latents that it was trained on; says nothing of others."""
    cross_attention_dim: Positive = 768
    """Width of the text features."""
    attention_head_dim: Positive | tuple[Positive, ...] = 8
    """Number of attention heads, in every block or in each, as these folders mean it."""
    norm_num_groups: Positive = 32
    """Groups of its norms."""
    use_linear_projection: bool = False
    """Whether attention blocks begin and end with a linear layer, as in Stable Diffusion 2."""
    upcast_attention: bool = False
    """Whether attention is computed in float32."""
    addition_embed_type: Literal["text"] | None = None
    """Whether pooled text is added to the time embedding, as in the miniature."""
    addition_embed_type_num_heads: Positive = 64
    """Heads of that pooling."""

    @model_validator(mode="after")
    def _blocks_agree(self) -> Self:
        counts = {len(self.down_block_types), len(self.up_block_types), len(self.block_out_channels)}
        if len(counts) > 1:
            raise ValueError("down_block_types, up_block_types and block_out_channels name different numbers of blocks")
        return self


class AutoencoderShape(Config):
    """An autoencoder of Stable Diffusion; names are those of its ``config.json``. Defaults are those of 1.5."""

    block_out_channels: tuple[Positive, ...] = (128, 256, 512, 512)
    """Channels of each block of the encoder; each but the last halves the sides."""
    layers_per_block: Positive = 2
    """Residual layers of a block of the encoder; one more in the decoder."""
    latent_channels: Positive = 4
    """Channels of the latents."""
    norm_num_groups: Positive = 32
    """Groups of its norms."""
    sample_size: Positive = 512
    """Side of the pictures that it was trained on; says nothing of others."""
    scaling_factor: Annotated[float, Field(gt=0)] = 0.18215
    """By which latents are multiplied for the U-Net."""
    mid_block_add_attention: bool = True
    """Whether the middle blocks attend."""
    use_quant_conv: bool = True
    """Whether a 1x1 convolution follows the encoder."""
    use_post_quant_conv: bool = True
    """Whether a 1x1 convolution goes before the decoder."""
    force_upcast: bool = True
    """Whether some pipelines decode in float32; says nothing of the network."""

    @property
    def stride_px(self) -> int:
        """Pixels to a cell of the latents."""
        return int(2 ** (len(self.block_out_channels) - 1))


class NoiseSchedule(Config):
    """How much of a latent is left at a time step. Defaults are Stable Diffusion's."""

    num_train_timesteps: Positive = 1000
    """Number of time steps."""
    beta_start: Annotated[float, Field(gt=0, lt=1)] = 0.00085
    """Variance that the first step adds."""
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.012
    """Variance that the last step adds."""
    beta_schedule: Literal["scaled_linear", "linear"] = "scaled_linear"
    """Whether deviations or variances rise evenly."""


class Networks(Config):
    """All that a feature of an image comes from. Defaults are Stable Diffusion 1.5."""

    unet: UNetShape = UNetShape()
    """The U-Net."""
    vae: AutoencoderShape = AutoencoderShape()
    """The autoencoder."""
    schedule: NoiseSchedule = NoiseSchedule()
    """Of the U-Net's training."""
    text_tokens: Positive = 77
    """Tokens of a prompt, padding included."""
    heads_kept: Annotated[float, Field(gt=0, le=1), Added(neutral=1.0)] = 1.0
    """Share of each attention's heads that the U-Net keeps, rounded up; less than 1 for one whose heads were pruned."""

    @model_validator(mode="after")
    def _latents_agree(self) -> Self:
        if self.unet.in_channels != self.vae.latent_channels:
            raise ValueError(
                f"the U-Net takes {self.unet.in_channels} channels and latents have {self.vae.latent_channels}; give a plain "
                "text-to-image model, none that repaints"
            )
        return self

    @property
    def coarsest_px(self) -> int:
        """Pixels to a cell of the U-Net's coarsest map; sides of images are multiples of it."""
        return self.vae.stride_px * int(2 ** (len(self.unet.block_out_channels) - 1))


class Tap(Config):
    """A map inside the networks."""

    name: str
    """Of the module whose output it is, such as ``unet.up_blocks.1``."""
    channels: Positive
    """Its channels."""
    stride_px: Positive
    """Pixels to one of its cells."""


def tap_of(name: str, networks: Networks) -> Tap:
    """Return what is known of the output of a block (after it shrank or grew) or of one of its layers (before).

    Raises:
        ValueError: there is no such block.
    """
    found = _TAP.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no block of U-Net or autoencoder; {_HOW}")
    if found["network"] == "unet":
        return _tap_of_unet(name, found, networks)
    return _tap_of_vae(name, found, networks.vae)


def _tap_of_unet(name: str, found: re.Match[str], networks: Networks) -> Tap:
    unet, channels = networks.unet, networks.unet.block_out_channels
    last = len(channels) - 1
    if found["side"] is None:
        if unet.mid_block_type is None:
            raise ValueError(f"the U-Net has no {name.removeprefix('unet.')}; {_HOW}")
        return Tap(name=name, channels=channels[-1], stride_px=networks.coarsest_px)
    block, up = int(found["block"]), found["side"] == "up"
    kinds = unet.up_block_types if up else unet.down_block_types
    attends = block <= last and kinds[block].startswith("CrossAttn")
    layers = unet.layers_per_block + up
    _check_layer(name, "the U-Net", block <= last, found, {"resnets": layers, "attentions": layers if attends else 0})
    level = last - block if up else block
    if found["part"] is None:
        level = max(level - 1, 0) if up else min(level + 1, last)
    width = channels[::-1][block] if up else channels[block]
    return Tap(name=name, channels=width, stride_px=networks.vae.stride_px * 2**level)


def _tap_of_vae(name: str, found: re.Match[str], vae: AutoencoderShape) -> Tap:
    channels, decodes = vae.block_out_channels, found["network"] == "vae.decoder"
    last = len(channels) - 1
    if found["side"] is None:
        return Tap(name=name, channels=channels[-1], stride_px=vae.stride_px)
    block = int(found["block"])
    there = block <= last and (found["side"] == "up") == decodes
    _check_layer(name, "the autoencoder", there, found, {"resnets": vae.layers_per_block + decodes, "attentions": 0})
    level = last - block if decodes else block
    if found["part"] is None:
        level = max(level - 1, 0) if decodes else min(level + 1, last)
    return Tap(name=name, channels=channels[::-1][block] if decodes else channels[block], stride_px=2**level)


def _check_layer(name: str, network: str, there: bool, found: re.Match[str], layers: dict[str, int]) -> None:
    """Refuse a block that a network does not have, and a layer that its block does not have."""
    part = found["part"]
    if not there or (part is not None and int(found["layer"]) >= layers[part]):
        raise ValueError(f"{network} has no {name.split('.', 1)[1]}; {_HOW}")
