"""Pipelines for sampling, with or without a ControlNet, and one batch sampled from them.

Shape legend: N pictures; H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.common.errors import InputError
from methods.common.generators.sampling import load_pipeline
from methods.seggen.diffusion.denoising import set_vae, without_end
from methods.seggen.sampling.config import SeggenSamplingConfig
from methods.seggen.sampling.orders import Order


def load_sampler(
    generator: Path,
    controlnet: Path | None,
    vae_folders: Sequence[Path],
    config: SeggenSamplingConfig,
    device: torch.device,
) -> Any:
    """Load a generator for sampling.

    Args:
        generator: a diffusers folder.
        controlnet: folder of a ControlNet beside it; None for none.
        vae_folders: at most one folder of an autoencoder that takes the place of the generator's own.
        config: precision and scheduler.
        device: where the networks go.

    Raises:
        InputError: something cannot be loaded, or the autoencoder overflows in the precision.
    """
    pipeline = load_pipeline(generator, config, device)
    if not hasattr(pipeline, "unet") or not hasattr(pipeline, "vae"):
        raise InputError(f"the generator in {generator} is no Stable Diffusion of version 1, 2 or XL; use one that is")
    set_vae(pipeline, vae_folders, config.vae_precision)
    return pipeline if controlnet is None else _with_controlnet(pipeline, controlnet)


def _with_controlnet(pipeline: Any, folder: Path) -> Any:
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionXLControlNetPipeline

    from methods.common.whole_weights import load_whole

    controlnet = load_whole(
        ControlNetModel,
        folder,
        "ControlNetModel",
        f"the ControlNet in {folder} cannot be loaded without it, so train it again",
        use_safetensors=True,
        local_files_only=True,
        torch_dtype=pipeline.unet.dtype,
    ).to(pipeline.unet.device)
    if is_xl(pipeline):
        made: Any = StableDiffusionXLControlNetPipeline(  # type: ignore[no-untyped-call]
            **pipeline.components,
            controlnet=controlnet,
            force_zeros_for_empty_prompt=pipeline.config.force_zeros_for_empty_prompt,
            add_watermarker=False,
        )
    else:
        made = StableDiffusionControlNetPipeline(  # type: ignore[no-untyped-call]
            **pipeline.components, controlnet=controlnet, requires_safety_checker=False
        )
    made.set_progress_bar_config(disable=True)
    return made


def is_xl(pipeline: Any) -> bool:
    """Tell whether a pipeline is of version XL, which is told sizes and has two text encoders."""
    return getattr(pipeline, "text_encoder_2", None) is not None


def sample(
    pipeline: Any, orders: Sequence[Order], config: SeggenSamplingConfig, num_steps: int, **options: Any
) -> NDArray[np.uint8]:
    """Sample pictures of one size, each from its own seed; latents are decoded in the autoencoder's own precision.

    Args:
        pipeline: from :func:`load_sampler`.
        orders: N pictures with one frame and one native size.
        config: guidance.
        num_steps: denoising steps.
        options: further arguments of the pipeline, such as a ControlNet's condition.

    Returns:
        uint8 RGB [N, H, W, 3].

    Source: sections 5 and 6.
    """
    frame, native = orders[0].frame, orders[0].source.size
    sizes = {"original_size": native, "crops_coords_top_left": (0, 0), "target_size": frame} if is_xl(pipeline) else {}
    latent_NChw: Tensor = pipeline(
        [without_end(order.source.caption, pipeline.tokenizer) for order in orders],
        generator=[torch.Generator("cpu").manual_seed(order.seed) for order in orders],
        num_inference_steps=num_steps,
        guidance_scale=config.guidance_scale,
        height=frame.height,
        width=frame.width,
        output_type="latent",
        **sizes,
        **options,
    ).images
    vae = pipeline.vae
    with torch.no_grad():
        scaled_NChw = latent_NChw.to(vae.dtype) / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
        image_N3HW = vae.decode(scaled_NChw).sample.float()
    image_NHW3 = ((image_N3HW / 2 + 0.5).clamp(0, 1) * 255).round().permute(0, 2, 3, 1)
    return np.asarray(image_NHW3.cpu().numpy(), np.uint8)
