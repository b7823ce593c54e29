"""Initial weights of the pixel decoder, as the official releases draw them; those of ``transformers`` are others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def initialise_pixel_decoder(decoder: nn.Module) -> None:
    """Draw the weights of a pixel decoder of ``transformers``. Layers not named here keep PyTorch's initial weights.

    Source: [M2F]; OneFormer's release draws the same.
    """
    for parameter in decoder.get_submodule("encoder").parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, a=1)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif hasattr(module, "sampling_offsets"):
            _initialise_deformable_attention(module)
    for module in decoder.get_submodule("input_projections").modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
    nn.init.normal_(decoder.get_parameter("level_embed"))


def _initialise_deformable_attention(module: nn.Module) -> None:
    """Start each head with points on a ray of its own, at distances 1, 2, ... cells, all of equal weight."""
    heads, levels, points = (int(getattr(module, name)) for name in ("n_heads", "n_levels", "n_points"))
    bias: Tensor = module.get_parameter("sampling_offsets.bias")
    angle_H = torch.arange(heads, device=bias.device) * (2 * math.pi / heads)
    ray_H2 = torch.stack([angle_H.cos(), angle_H.sin()], dim=-1)
    ray_H2 = ray_H2 / ray_H2.abs().amax(dim=1, keepdim=True)
    steps_P = torch.arange(1, points + 1, device=bias.device)
    offset_HLP2 = (ray_H2[:, None, None] * steps_P[:, None]).expand(-1, levels, -1, -1)
    nn.init.zeros_(module.get_parameter("sampling_offsets.weight"))
    with torch.no_grad():
        bias.copy_(offset_HLP2.flatten())
    nn.init.zeros_(module.get_parameter("attention_weights.weight"))
    for name in ("attention_weights", "value_proj", "output_proj"):
        nn.init.zeros_(module.get_parameter(f"{name}.bias"))
