"""Low-rank updates of a U-Net's attention in place of its weights, for machines that cannot train it whole (section 12, item 5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")


class LowRankUpdates(nn.ParameterDict):
    """What is trained, by names without dots, as modules want them."""


def add_updates(unet: Any, rank: int, generator: torch.Generator) -> LowRankUpdates:
    """Freeze a U-Net and add updates to every projection of its attention; together they are 0 at first.

    Args:
        unet: of diffusers.
        rank: of each update; its alpha is the same, so that the update is not scaled.
        generator: draws the first factors.
    """
    from peft import LoraConfig

    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(_PROJECTIONS), init_lora_weights=True))
    updates = {name: parameter for name, parameter in unet.named_parameters() if parameter.requires_grad}
    with torch.no_grad():
        for name, parameter in sorted(updates.items()):
            if "lora_A" in name:
                drawn = torch.randn(parameter.shape, generator=generator) / rank
                parameter.copy_(drawn)
    return LowRankUpdates({name.replace(".", "/"): parameter for name, parameter in updates.items()})


def merge_updates(unet: Any) -> None:
    """Add the updates to the weights, and leave a U-Net as it was built."""
    unet.fuse_lora()
    unet.unload_lora()
