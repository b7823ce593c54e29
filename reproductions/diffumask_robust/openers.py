"""How the models of the study are opened in a trial: by the loaders of its stages.

An opener's places, config and result are those of :data:`~reproductions.requirements.trial.Opener`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.diffumask_robust.affinity.config import AffinityNetConfig
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig
from reproductions.requirements.openers import SIDE_PX, Places, fits_in_float32, open_halved_generator
from reproductions.requirements.trial import TinyBatch

if TYPE_CHECKING:
    import torch


def open_generator(places: Places, config: SynthesizeAttentionConfig, device: torch.device) -> TinyBatch | None:
    """Open the generator; role ``generator``. One picture of two steps, of the study's size: only there attention has the asked sides."""
    from methods.diffumask_robust.attention_sampler import AttentionSampler
    from methods.diffumask_robust.prompts import AugmentedPrompt, template_prompt

    place = places["generator"]
    if not fits_in_float32(place, device):
        open_halved_generator(place, config, device, config.safety_checker)
        return None
    short = config.model_copy(update={"num_steps": 2, "lora_rank": None})
    sampler = AttentionSampler(place, short, device, Seeds(), ["background", "cat"])
    prompt = AugmentedPrompt(template_prompt("a photo of a {word}", 1, "cat", "trial"), "trial", (), 0)

    def sample() -> None:
        if not sampler([prompt]) and not config.safety_checker:
            raise InputError(f"the generator in {place} makes a black picture; set another precision, or copy it again")

    return sample


def open_trunk(places: Places, config: AffinityNetConfig, device: torch.device) -> TinyBatch:
    """Open AffinityNet with ImageNet weights in its trunk; role ``trunk``."""
    import torch

    from methods.diffumask_robust.affinity.network import AffinityNet
    from methods.diffumask_robust.affinity.official import take_trunk

    model = AffinityNet(config, torch.Generator().manual_seed(0))
    take_trunk(model, places["trunk"], "imagenet")
    model.to(device).eval()

    def look() -> None:
        with torch.inference_mode():
            model(torch.full((1, 3, SIDE_PX, SIDE_PX), 127.0, device=device))

    return look
