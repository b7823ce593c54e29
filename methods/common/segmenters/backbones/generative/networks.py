"""The networks of an extractor, built without what its taps do not need, and attention with fewer heads.

Shape legend: D channels of an attention's input or output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from methods.common.segmenters.backbones.generative.networks_config import Networks, NoiseSchedule

Heads = Mapping[str, Sequence[int]]
"""Which heads each attention keeps, by the attention's name."""


def build_unet(networks: Networks, taps: Sequence[str]) -> Any:
    """Build a U-Net with random weights that ends with the last of its taps."""
    unet: Any = UNet2DConditionModel(**networks.unet.model_dump())  # type: ignore[no-untyped-call]
    if networks.heads_kept < 1:
        narrow_attention(unet, first_heads(unet, networks.heads_kept))
    cut_unet(unet, taps)
    return unet


def build_autoencoder(networks: Networks, taps: Sequence[str]) -> Any:
    """Build an autoencoder with random weights; it has a decoder only where one is tapped, and then up to the last tap."""
    vae: Any = AutoencoderKL(  # type: ignore[no-untyped-call]
        **networks.vae.model_dump(exclude={"down_block_types", "up_block_types"}),
        down_block_types=("DownEncoderBlock2D",) * len(networks.vae.block_out_channels),
        up_block_types=("UpDecoderBlock2D",) * len(networks.vae.block_out_channels),
    )
    cut_autoencoder(vae, taps)
    return vae


def alpha_of(schedule: NoiseSchedule, timestep: int) -> float:
    """Return the share of the signal's variance that is left at a time step, as diffusers' schedulers compute it."""
    with torch.device("cpu"):  # also where networks are built without weights
        scheduler: Any = DDPMScheduler(**schedule.model_dump())  # type: ignore[no-untyped-call]
    return float(scheduler.alphas_cumprod[timestep])


def cut_unet(unet: Any, taps: Sequence[str]) -> None:
    """Take away what comes after the last tap on the way up, in place: the taps of both networks are the same.

    Source: InstSynth section 6.2, item 3, for all that costs nothing; see :func:`without_finest` for what does.
    """
    ups = [tap.split(".") for tap in taps if tap.startswith("unet.up_blocks.")]
    kept = max((int(parts[2]) + 1 for parts in ups), default=0)
    whole = [int(parts[2]) for parts in ups if len(parts) == 3]
    unet.up_blocks = unet.up_blocks[:kept]
    if kept and kept - 1 not in whole:
        unet.up_blocks[kept - 1].upsamplers = None
    unet.conv_norm_out = None
    unet.conv_out = nn.Identity()


def cut_autoencoder(vae: Any, taps: Sequence[str]) -> None:
    """Take away the decoder after its last tap, in place, or all of it."""
    places = [tap.removeprefix("vae.decoder.").split(".") for tap in taps if tap.startswith("vae.decoder.")]
    if not places:
        vae.decoder = None
        vae.post_quant_conv = None
        return
    kept = max((int(parts[1]) + 1 if parts[0] == "up_blocks" else 0) for parts in places)
    vae.decoder.up_blocks = vae.decoder.up_blocks[:kept]
    vae.decoder.conv_norm_out = vae.decoder.conv_act = vae.decoder.conv_out = nn.Identity()


def attentions(unet: Any) -> Iterator[tuple[str, Any]]:
    """Yield every attention of a U-Net's blocks with its name; pooled text has one of another kind."""
    for name, module in unet.named_modules():
        if isinstance(module, Attention):
            yield name, module


def first_heads(unet: Any, share: float) -> dict[str, list[int]]:
    """Return the first heads of every attention, a share of them, rounded up."""
    return {name: list(range(num_kept(module.heads, share))) for name, module in attentions(unet)}


def num_kept(heads: int, share: float) -> int:
    """Return how many of some heads are kept; at least one."""
    return max(1, math.ceil(heads * share - 1e-9))


def narrow_attention(unet: Any, heads: Heads) -> None:
    """Leave only some heads in every attention, in place. Source: InstSynth section 6.2, item 5.

    Args:
        unet: of diffusers.
        heads: numbers of the heads that each attention keeps, by its name.
    """
    for name, attention in attentions(unet):
        kept = list(heads[name])
        width = attention.to_q.out_features // attention.heads
        rows_D = torch.cat([torch.arange(head * width, (head + 1) * width, device="cpu") for head in kept])
        for projection in ("to_q", "to_k", "to_v"):
            setattr(attention, projection, _some_rows(getattr(attention, projection), rows_D))
        attention.to_out[0] = _some_columns(attention.to_out[0], rows_D)
        attention.heads = len(kept)
        attention.inner_dim = len(rows_D)
        attention.inner_kv_dim = len(rows_D)


def _some_rows(linear: nn.Linear, rows_D: Tensor) -> nn.Linear:
    """Return a layer with some of the outputs of another."""
    made = nn.Linear(
        linear.in_features, len(rows_D), linear.bias is not None, linear.weight.device, linear.weight.dtype
    )
    with torch.no_grad():
        made.weight.copy_(linear.weight[rows_D.to(linear.weight.device)])
        if linear.bias is not None:
            made.bias.copy_(linear.bias[rows_D.to(linear.bias.device)])
    return made


def _some_columns(linear: nn.Linear, columns_D: Tensor) -> nn.Linear:
    """Return a layer with some of the inputs of another."""
    made = nn.Linear(
        len(columns_D), linear.out_features, linear.bias is not None, linear.weight.device, linear.weight.dtype
    )
    with torch.no_grad():
        made.weight.copy_(linear.weight[:, columns_D.to(linear.weight.device)])
        if linear.bias is not None:
            made.bias.copy_(linear.bias)
    return made
