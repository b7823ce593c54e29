"""Blended latent diffusion: a text-to-image model repaints, and the crop is put back around it after each step (InstSynth section 3.1).

Shape legend: N pictures; S side at which the networks work; C, h, w latents; 3 RGB.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.common.errors import InputError
from methods.common.generators.repainting import latents
from methods.common.generators.repainting.configs import BlendedLatentConfig
from methods.common.generators.repainting.interface import RepaintOrder
from methods.common.generators.repainting.parts import load_parts


class BlendedLatent:
    """The back end. A U-Net with nine channels, made for inpainting, is told that all of its picture is hidden, and so paints from text alone."""

    def __init__(self, pipeline: Any, config: BlendedLatentConfig, device: torch.device) -> None:
        """Take a pipeline of Stable Diffusion 1, 2 or XL.

        Raises:
            InputError: its U-Net has neither four nor nine input channels.
        """
        channels = pipeline.unet.config.in_channels
        if channels not in (4, 9):
            raise InputError(
                f"the U-Net has {channels} input channels; blended diffusion needs one of a text-to-image model, with 4"
            )
        self._pipeline, self._config, self._device = pipeline, config, device
        torch.nn.Module.to(self._pipeline.vae, torch.float32)
        if config.scheduler == "ddim":
            self._pipeline.scheduler = latents.ddim_like(pipeline.scheduler)
        self._sampling = latents.BlendedSampling(config.num_steps, config.skip, config.start, config.background)

    @classmethod
    def load(cls, folder: Path, config: BlendedLatentConfig, device: torch.device) -> BlendedLatent:
        """Load a diffusers folder.

        Raises:
            InputError: it is missing or faulty.
        """
        dtype = getattr(torch, config.precision) if device.type == "cuda" else torch.float32
        if _is_xl(folder):
            from methods.common.generators.text_to_image import load_text_to_image

            return cls(load_text_to_image(folder, device, dtype), config, device)
        from diffusers import StableDiffusionPipeline

        return cls(load_parts(folder, device, dtype).pipeline(StableDiffusionPipeline), config, device)

    @property
    def side_px(self) -> int:
        """Side of its results."""
        return self._config.size_px

    @property
    def _num_halves(self) -> int:
        return 2 if self._config.guidance_scale > 1 else 1

    @property
    def denoisings_per_picture(self) -> int:
        """Denoiser evaluations of one picture."""
        return self._num_halves * (self._config.num_steps - latents.first_step(self._sampling))

    @torch.no_grad()
    def paint(self, orders: Sequence[RepaintOrder]) -> list[NDArray[np.float32]]:
        """Repaint a batch, each float32 (S, S, 3) in [0, 1]."""
        config, pipeline = self._config, self._pipeline
        source_NChw = latents.encode(pipeline.vae, latents.crops_to_unit(orders, config.size_px, self._device))
        grid = source_NChw.shape[-1]
        mask = np.stack([latents.resize_mask(order.mask_SS, grid) for order in orders])
        repaint_N1hw = torch.from_numpy(mask).to(self._device)[:, None].float()
        prompts = [order.prompt for order in orders]
        text = latents.encode_prompts(
            pipeline, prompts, config.negative_prompt, self._num_halves == 2, config.size_px, self._device
        )
        streams = latents.Streams([order.seed for order in orders])
        denoise = self._denoiser(text, source_NChw)
        painted = latents.sample_blended(
            pipeline.scheduler, denoise, source_NChw, repaint_N1hw, streams, self._sampling
        )
        return list(latents.decode(pipeline.vae, painted))

    def _denoiser(self, text: latents.Text, source_NChw: Tensor) -> latents.Denoise:
        unet, halves = self._pipeline.unet, len(text.halves)
        text_features = torch.cat(text.halves)
        hidden = self._all_hidden(source_NChw)

        def denoise(latent_NChw: Tensor, timestep: Tensor, number: int) -> Tensor:
            given = torch.cat([torch.cat([latent_NChw, *hidden], 1)] * halves).to(unet.dtype)
            added = {"added_cond_kwargs": text.added} if text.added else {}
            prediction = unet(given, timestep, encoder_hidden_states=text_features, **added).sample
            return latents.guide(prediction.float(), halves, self._config.guidance_scale)

        return denoise

    def _all_hidden(self, source_NChw: Tensor) -> list[Tensor]:
        """What an inpainting U-Net is shown of a picture that is hidden altogether; nothing for a text-to-image U-Net."""
        if self._pipeline.unet.config.in_channels == 4:
            return []
        side = self._config.size_px
        grey = latents.encode(self._pipeline.vae, torch.zeros(1, 3, side, side, device=self._device))
        return [torch.ones_like(source_NChw[:, :1]), grey.expand_as(source_NChw)]


def _is_xl(folder: Path) -> bool:
    index = folder / "model_index.json"
    try:
        return "XL" in str(json.loads(index.read_text())["_class_name"]) if index.is_file() else False
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{index} does not name a pipeline class; save the pipeline again with save_pretrained"
        ) from error
