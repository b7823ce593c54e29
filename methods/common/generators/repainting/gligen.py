"""Grounded inpainting: GLIGEN's gated U-Net paints the class at the box of the instance, inside the instance's mask (InstSynth section 3.3).

Upstream draws the inpainting mask from the boxes; here it is the mask of the instance. Built on diffusers' gated U-Net, not on its pipeline.

Shape legend: N pictures; S side at which the networks work; C, h, w latents; G latent side; E grounding tokens; D text width; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.common.errors import InputError
from methods.common.generators.repainting import latents
from methods.common.generators.repainting.configs import GligenConfig
from methods.common.generators.repainting.interface import Mask, RepaintOrder
from methods.common.generators.repainting.parts import Parts, load_parts

_CHANNELS = 9
CornerBox = tuple[float, float, float, float]
"""x0, y0, x1, y1 in [0, 1]."""


class Gligen:
    """The back end."""

    def __init__(self, parts: Parts, config: GligenConfig, device: torch.device) -> None:
        """Take the networks of a GLIGEN checkpoint.

        Raises:
            InputError: the U-Net has no gated layers, or was not made for inpainting.
        """
        from diffusers import PNDMScheduler, StableDiffusionPipeline

        channels = parts.unet.config.in_channels
        if parts.unet.config.attention_type != "gated" or channels != _CHANNELS:
            raise InputError(
                f"the U-Net has {channels} input channels and attention of type {parts.unet.config.attention_type!r}; grounded "
                f"inpainting needs {_CHANNELS} and 'gated', as GLIGEN's inpainting checkpoint has"
            )
        self._config, self._device = config, device
        own: Any = parts.scheduler
        schedulers = {"own": own, "ddim": latents.ddim_like(own)}
        plms: Any = PNDMScheduler
        schedulers["plms"] = plms.from_config(schedulers["ddim"].config, skip_prk_steps=True)
        self._scheduler = schedulers[config.scheduler]
        self._pipeline = parts.pipeline(StableDiffusionPipeline)
        self._gates = gated_layers(parts.unet)

    @classmethod
    def load(cls, folder: Path, config: GligenConfig, device: torch.device) -> Gligen:
        """Load a diffusers folder.

        Raises:
            InputError: it is missing or faulty.
        """
        dtype = getattr(torch, config.precision) if device.type == "cuda" else torch.float32
        return cls(load_parts(folder, device, dtype), config, device)

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
        self._scheduler.set_timesteps(self._config.num_steps)
        return self._num_halves * len(self._scheduler.timesteps)

    @torch.no_grad()
    def paint(self, orders: Sequence[RepaintOrder]) -> list[NDArray[np.float32]]:
        """Repaint a batch, each float32 (S, S, 3) in [0, 1]."""
        config, vae = self._config, self._pipeline.vae
        source_NChw = latents.encode(vae, latents.crops_to_unit(orders, config.size_px, self._device))
        grid = source_NChw.shape[-1]
        repaint = np.stack([latent_mask(order.mask_SS, config.size_px, grid) for order in orders])
        repaint_N1hw = torch.from_numpy(repaint).to(self._device)[:, None].float()
        prompts, guided = [order.prompt for order in orders], self._num_halves == 2
        text = latents.encode_prompts(
            self._pipeline, prompts, config.negative_prompt, guided, config.size_px, self._device
        )
        painted = latents.sample_blended(
            self._scheduler,
            self._denoiser(text, self._grounding(orders), inpainting_input(source_NChw, repaint_N1hw)),
            source_NChw,
            repaint_N1hw,
            latents.Streams([order.seed for order in orders]),
            latents.BlendedSampling(config.num_steps, 0.0, "noise", config.background),
        )
        return list(latents.decode(vae, painted))

    def _grounding(self, orders: Sequence[RepaintOrder]) -> dict[str, Tensor]:
        """Return what the gated layers are told: phrase and box in the first token of the half with prompts, null tokens elsewhere."""
        config = self._config
        phrase_ND = phrase_features(self._pipeline, [order.class_name for order in orders], self._device)
        boxes = [mask_box(order.mask_SS, config.box, config.box_decimals) for order in orders]
        box_N4 = torch.tensor(boxes, dtype=phrase_ND.dtype, device=self._device)
        with_prompt = grounding_tokens(box_N4, phrase_ND, config.max_entities)
        if self._num_halves == 1:
            return with_prompt
        return {name: torch.cat([torch.zeros_like(part), part]) for name, part in with_prompt.items()}

    def _denoiser(self, text: latents.Text, grounding: dict[str, Tensor], extra_NChw: Tensor) -> latents.Denoise:
        unet, halves = self._pipeline.unet, len(text.halves)
        self._scheduler.set_timesteps(self._config.num_steps)
        grounded_steps = int(self._config.grounding_share * len(self._scheduler.timesteps))
        text_features = torch.cat(text.halves)

        def denoise(latent_NChw: Tensor, timestep: Tensor, number: int) -> Tensor:
            for gate in self._gates:
                gate.enabled = number < grounded_steps
            given = torch.cat([torch.cat([latent_NChw, extra_NChw], 1)] * halves).to(unet.dtype)
            prediction = unet(
                given, timestep, encoder_hidden_states=text_features, cross_attention_kwargs={"gligen": grounding}
            ).sample
            return latents.guide(prediction.float(), halves, self._config.guidance_scale)

        return denoise


def gated_layers(unet: Any) -> list[Any]:
    """Return the gated self-attention layers of a U-Net."""
    from diffusers.models.attention import GatedSelfAttentionDense

    return [module for module in unet.modules() if isinstance(module, GatedSelfAttentionDense)]


def inpainting_input(source_NChw: Tensor, repaint_N1hw: Tensor) -> Tensor:
    """Return what the U-Net is given beside the noisy latent: the kept part of the source, then where it is kept.

    Source: InstSynth section 3.3 [GL].
    """
    keep_N1hw = 1.0 - repaint_N1hw
    return torch.cat([source_NChw * keep_N1hw, keep_N1hw], 1)


def phrase_features(pipeline: Any, phrases: Sequence[str], device: torch.device) -> Tensor:
    """Return the text encoder's pooled output before any projection, [N, D]. Source: InstSynth section 3.3 [code]."""
    tokenizer = pipeline.tokenizer
    tokens = tokenizer(
        list(phrases), padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    features: Tensor = pipeline.text_encoder(tokens.input_ids.to(device)).pooler_output
    return features


def grounding_tokens(box_N4: Tensor, phrase_ND: Tensor, num_tokens: int) -> dict[str, Tensor]:
    """Return the U-Net's grounding input with one entity for each picture and null tokens after it.

    Returns:
        ``boxes`` [N, E, 4], ``positive_embeddings`` [N, E, D], ``masks`` [N, E], 1 for an entity.

    Source: InstSynth section 3.3 [GL].
    """
    count, width = phrase_ND.shape
    boxes = box_N4.new_zeros(count, num_tokens, 4)
    features = phrase_ND.new_zeros(count, num_tokens, width)
    masks = phrase_ND.new_zeros(count, num_tokens)
    boxes[:, 0], features[:, 0], masks[:, 0] = box_N4, phrase_ND, 1.0
    return {"boxes": boxes, "positive_embeddings": features, "masks": masks}


def mask_box(mask_SS: Mask, rule: str, decimals: int | None) -> CornerBox:
    """Return the box of a mask in [0, 1]; that of an empty mask is empty.

    Args:
        mask_SS: bool, square.
        rule: ``union`` of all parts, or ``first_contour`` as OpenCV lists them.
        decimals: to which the corners are rounded; None keeps them.

    Source: InstSynth section 3.3 [code].
    """
    side = mask_SS.shape[0]
    shown = mask_SS.astype(np.uint8)
    if rule == "first_contour":
        contours, _ = cv2.findContours(shown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        x0, y0, width, height = cv2.boundingRect(contours[0]) if contours else (0, 0, 0, 0)
    else:
        x0, y0, width, height = cv2.boundingRect(shown)
    corners = [corner / side for corner in (x0, y0, x0 + width, y0 + height)]
    left, top, right, bottom = corners if decimals is None else [round(corner, decimals) for corner in corners]
    return left, top, right, bottom


def latent_mask(mask_SS: Mask, side: int, grid: int) -> NDArray[np.bool_]:
    """Return which latent cells are repainted: those with any pixel of the mask at the networks' side, bool (G, G).

    Source: InstSynth section 3.3 [code]: any value above 0 counts.
    """
    shown = latents.resize_mask(mask_SS, side)
    cell = side // grid
    return np.asarray(shown.reshape(grid, cell, grid, cell).any(axis=(1, 3)))
