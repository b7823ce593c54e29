"""The stock inpainting pipeline of diffusers behind the one call (InstSynth section 3.2).

Shape legend: N pictures; S side at which the networks work; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.generators.repainting import latents
from methods.common.generators.repainting.configs import InpaintingConfig
from methods.common.generators.repainting.interface import RepaintOrder
from methods.common.generators.repainting.parts import load_parts

_CHANNELS = 9


class Inpainting:
    """The back end."""

    def __init__(self, pipeline: Any, config: InpaintingConfig) -> None:
        """Take a ``StableDiffusionInpaintPipeline``.

        Raises:
            InputError: its U-Net was not made for inpainting.
        """
        channels = pipeline.unet.config.in_channels
        if channels != _CHANNELS:
            raise InputError(
                f"the U-Net has {channels} input channels, one for inpainting has {_CHANNELS}; give such a checkpoint, or take blended_latent"
            )
        self._pipeline, self._config = pipeline, config

    @classmethod
    def load(cls, folder: Path, config: InpaintingConfig, device: torch.device) -> Inpainting:
        """Load a diffusers folder.

        Raises:
            InputError: it is missing or faulty.
        """
        from diffusers import StableDiffusionInpaintPipeline

        dtype = getattr(torch, config.precision) if device.type == "cuda" else torch.float32
        parts = load_parts(folder, device, dtype)
        torch.nn.Module.to(parts.vae, dtype)  # the stock pipeline mixes no precisions
        return cls(parts.pipeline(StableDiffusionInpaintPipeline), config)

    @property
    def side_px(self) -> int:
        """Side of its results."""
        return self._config.size_px

    @property
    def denoisings_per_picture(self) -> int:
        """Denoiser evaluations of one picture."""
        return self._config.num_steps * (2 if self._config.guidance_scale > 1 else 1)

    @torch.no_grad()
    def paint(self, orders: Sequence[RepaintOrder]) -> list[NDArray[np.float32]]:
        """Repaint a batch, each float32 (S, S, 3) in [0, 1]. Source: InstSynth section 3.2 [code]."""
        config = self._config
        mask = np.stack([latents.resize_mask(order.mask_SS, config.size_px) for order in orders])
        negative = None if config.negative_prompt is None else [config.negative_prompt] * len(orders)
        pictures = self._pipeline(
            [order.prompt for order in orders],
            image=latents.crops_to_unit(orders, config.size_px, torch.device("cpu")) / 2 + 0.5,
            mask_image=torch.from_numpy(mask)[:, None].float(),
            height=config.size_px,
            width=config.size_px,
            strength=1.0,
            num_inference_steps=config.num_steps,
            guidance_scale=config.guidance_scale,
            negative_prompt=negative,
            generator=[torch.Generator("cpu").manual_seed(order.seed) for order in orders],
            output_type="np",
        ).images
        return list(np.asarray(pictures, np.float32))
