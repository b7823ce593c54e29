"""Generators of two stages: small pictures from text, and larger ones from those and the text.

Shape legend: N images, H and W their size in pixels, 3 RGB channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.generators.sampling import SamplingConfig
from methods.common.stage import Config

if TYPE_CHECKING:
    import torch


class UpscalingConfig(Config):
    """The second stage. Defaults are those of ``IFSuperResolutionPipeline``, which DiverGen's release leaves as they are."""

    num_steps: int = Field(default=50, ge=1)
    """Denoising steps. [B] MRCA section 5.4"""
    guidance_scale: float = Field(default=4.0, ge=0)
    """Classifier-free guidance. [B] MRCA section 5.4"""
    noise_level: int = Field(default=250, ge=0)
    """How much noise the small picture gets before it is enlarged. [B] MRCA section 5.4"""


def load_upscaler(folder: Path, config: SamplingConfig, device: torch.device) -> Any:
    """Load the second stage without a text encoder, which the first one shares with it.

    Raises:
        InputError: it is missing, cannot be loaded, or is not whole.
    """
    import torch

    from methods.common.generators.text_to_image import load_text_to_image

    dtype = getattr(torch, config.precision) if device.type == "cuda" else torch.float32
    return load_text_to_image(folder, device, dtype, leave_out=("text_encoder", "tokenizer"))


def sample_in_two_stages(
    first: Any,
    second: Any,
    prompts: Sequence[str],
    seeds: Sequence[int],
    config: SamplingConfig,
    upscaling: UpscalingConfig,
) -> NDArray[np.uint8]:
    """Sample one image for each prompt, uint8 RGB [N, H, W, 3], each from its own seed, which serves both stages one after the other.

    Args:
        first: pipeline that makes small pictures from text, such as DeepFloyd IF's stage I.
        second: pipeline that enlarges them, such as its stage II.
        prompts: N texts.
        seeds: N derived seeds.
        config: steps and guidance of the first stage; ``size_px`` is its size, None for its own.
        upscaling: of the second.

    Source: MRCA section 5.4 [B]: the second stage sees the text as the first encoded it.
    """
    import torch

    assert len(prompts) == len(seeds), f"{len(prompts)} prompts but {len(seeds)} seeds"
    noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    wanted, unwanted = first.encode_prompt(list(prompts))
    text = {"prompt_embeds": wanted, "negative_prompt_embeds": unwanted, "generator": noise}
    small_N3HW = first(
        num_inference_steps=config.num_steps,
        guidance_scale=config.guidance_scale,
        height=config.size_px,
        width=config.size_px,
        output_type="pt",
        **text,
    ).images
    large_N3HW = second(
        image=small_N3HW,
        num_inference_steps=upscaling.num_steps,
        guidance_scale=upscaling.guidance_scale,
        noise_level=upscaling.noise_level,
        output_type="pt",
        **text,
    ).images
    image_NHW3 = (large_N3HW.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
    return np.asarray((image_NHW3 * 255).round(), dtype=np.uint8)
