"""A ControlNet for any Stable Diffusion, and the U-Net with what it adds (section 6).

Shape legend: N pictures; C channels, h, w cells of the latent; H, W pixels; 3 RGB.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from methods.seggen.diffusion.denoising import Condition

_WIDTHS = (16, 32, 96, 256)
"""Channels of the small network that brings the condition to the latent's size, halving the sides between two of them."""


def build_controlnet(unet: Any, cell_px: int, generator: torch.Generator) -> Any:
    """Copy the down and middle blocks of a U-Net into a ControlNet that adds nothing at first, float32.

    Args:
        unet: of diffusers.
        cell_px: pixels a side of a latent cell, a power of 2 up to 8.
        generator: draws the first weights of the network that reads the condition.
    """
    from diffusers import ControlNetModel

    widths = _WIDTHS[: cell_px.bit_length()]
    made: Any = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=widths)
    heads = unet.config.addition_embed_type_num_heads
    if made.config.addition_embed_type_num_heads != heads:  # which from_unet does not copy
        weights = made.state_dict()
        told = {name: value for name, value in made.config.items() if not name.startswith("_")}
        made = ControlNetModel(  # type: ignore[no-untyped-call]
            **{**told, "addition_embed_type_num_heads": heads}
        )
        made.load_state_dict(weights)
    reader = made.controlnet_cond_embedding
    with torch.no_grad():
        for layer in (reader.conv_in, *reader.blocks):
            bound = (layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]) ** -0.5
            for parameter in (layer.weight, layer.bias):
                drawn = torch.rand(parameter.shape, generator=generator) * (2 * bound) - bound
                parameter.copy_(drawn)
    return made


def controlled(
    unet: Any, controlnet: Any, noisy_NChw: Tensor, time_N: Tensor, condition: Condition, colour_N3HW: Tensor
) -> Tensor:
    """Return what a U-Net says of noisy latents with a ControlNet beside it, [N, C, h, w].

    Args:
        unet: frozen.
        controlnet: as :func:`build_controlnet` made it, perhaps trained.
        noisy_NChw: latents.
        time_N: time steps.
        condition: texts, and sizes where there are some; the same for both.
        colour_N3HW: masks drawn in colours, uint8.
    """
    device = noisy_NChw.device
    down, middle = controlnet(
        noisy_NChw,
        time_N,
        controlnet_cond=colour_N3HW.to(device).float() / 255,
        **condition.keywords(),
        return_dict=False,
    )
    said_NChw: Tensor = unet(
        noisy_NChw,
        time_N,
        **condition.keywords(),
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
    ).sample
    return said_NChw
