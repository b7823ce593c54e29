"""Between pictures and latents, and the sampler that puts a background back after each step.

Shape legend: N pictures; S side at which the networks work; C, h, w latents; G latent side; T tokens, D text width; 3 RGB.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from methods.common.generators.repainting.interface import Mask, Picture, RepaintOrder

Background = Literal["before_step", "after_step"]
Denoise = Callable[[Tensor, Tensor, int], Tensor]
"""Latents as the network takes them, their timestep and the number of the step to the guided prediction."""


def resize_crop(crop_SS3: Picture, side: int) -> Picture:
    """Resize a crop to the networks' side, bicubic. Source: InstSynth section 3.1 [code]."""
    if crop_SS3.shape[0] == side:
        return crop_SS3
    return np.asarray(Image.fromarray(crop_SS3).resize((side, side), Image.Resampling.BICUBIC))


def resize_mask(mask_SS: Mask, side: int) -> Mask:
    """Resize a mask by the pixel under each centre."""
    resized = cv2.resize(mask_SS.view(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized).astype(bool)


def crops_to_unit(orders: Sequence[RepaintOrder], side: int, device: torch.device) -> Tensor:
    """Return the crops as floats in [-1, 1], (N, 3, S, S)."""
    crop_NSS3 = np.stack([resize_crop(order.crop_SS3, side) for order in orders])
    return torch.from_numpy(crop_NSS3).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def encode(vae: Any, image_N3SS: Tensor) -> Tensor:
    """Return scaled posterior means, float32 [N, C, h, w]. Source: InstSynth section 3.1 [code]."""
    latent: Tensor = vae.encode(image_N3SS.float()).latent_dist.mean * vae.config.scaling_factor
    return latent


def decode(vae: Any, latent_NChw: Tensor) -> NDArray[np.float32]:
    """Decode in float32 to pictures in [0, 1], float32 [N, S, S, 3]; what is not finite stays so."""
    image_N3SS = vae.decode(latent_NChw.float() / vae.config.scaling_factor).sample / 2 + 0.5
    return np.asarray(image_N3SS.permute(0, 2, 3, 1).cpu().numpy(), np.float32)


class Streams:
    """One generator of noise for each picture, on the processor, so that neither batch nor device changes what it gives."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def noise_like(self, latent_NChw: Tensor) -> Tensor:
        """Draw standard normal noise for every picture."""
        shape = latent_NChw.shape[1:]
        drawn = [torch.randn(shape, generator=generator) for generator in self.generators]
        return torch.stack(drawn).to(latent_NChw)


class Text(NamedTuple):
    """What the U-Net is told, for each half of guidance: without the prompt, then with it."""

    halves: tuple[Tensor, ...]
    """Text features [N, T, D]; one half where guidance is off."""
    added: dict[str, Tensor]
    """Further conditions of all halves together, as SDXL has them."""


def encode_prompts(
    pipeline: Any, prompts: Sequence[str], negative_prompt: str | None, guided: bool, side: int, device: torch.device
) -> Text:
    """Encode prompts by a pipeline of Stable Diffusion 1, 2 or XL."""
    negative = None if negative_prompt is None else [negative_prompt] * len(prompts)
    encoded = pipeline.encode_prompt(
        prompt=list(prompts),
        device=device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=guided,
        negative_prompt=negative,
    )
    halves = (encoded[1], encoded[0]) if guided else (encoded[0],)
    if len(encoded) == 2:
        return Text(halves, {})
    pooled = torch.cat([encoded[3], encoded[2]]) if guided else encoded[2]
    size_6 = torch.tensor([side, side, 0, 0, side, side], dtype=pooled.dtype, device=device)
    return Text(halves, {"text_embeds": pooled, "time_ids": size_6.expand(len(pooled), -1)})


def guide(prediction: Tensor, num_halves: int, scale: float) -> Tensor:
    """Join the halves of a prediction by classifier-free guidance."""
    if num_halves == 1:
        return prediction
    without, with_prompt = prediction.chunk(2)
    return without + scale * (with_prompt - without)


class BlendedSampling(NamedTuple):
    """How :func:`sample_blended` goes."""

    num_steps: int
    skip: float
    start: Literal["noised_source", "noise"]
    background: Background


def first_step(sampling: BlendedSampling) -> int:
    """Return how many steps are left out. Source: InstSynth section 3.1 [code]."""
    return int(sampling.num_steps * sampling.skip)


def sample_blended(
    scheduler: Any,
    denoise: Denoise,
    source_NChw: Tensor,
    repaint_N1hw: Tensor,
    streams: Streams,
    sampling: BlendedSampling,
) -> Tensor:
    """Denoise the repainted part, with the source put back everywhere else after each step.

    Args:
        scheduler: any of diffusers' that can add noise to a timestep; its state is reset.
        denoise: the guided network.
        source_NChw: latents of the crops.
        repaint_N1hw: 1 where it is repainted, 0 elsewhere.
        streams: all noise comes from here, that of the start, of the background and of the scheduler.
        sampling: how it goes. Where the background follows the step (``after_step``) it is without noise after the last one.

    Returns:
        Latents like the source.

    Source: InstSynth section 3.1 [BLD] [code].
    """
    scheduler.set_timesteps(sampling.num_steps, device=source_NChw.device)
    timesteps = scheduler.timesteps[first_step(sampling) :]
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    extra = {"generator": streams.generators} if takes_generator else {}
    noise = streams.noise_like(source_NChw)
    latent = _start(scheduler, source_NChw, noise, timesteps[:1], sampling.start)
    for number, timestep in enumerate(timesteps):
        prediction = denoise(scheduler.scale_model_input(latent, timestep), timestep, number)
        latent = scheduler.step(prediction, timestep, latent, **extra).prev_sample
        at = number if sampling.background == "before_step" else number + 1
        around = source_NChw
        if at < len(timesteps):
            around = scheduler.add_noise(source_NChw, streams.noise_like(source_NChw), timesteps[at : at + 1])
        latent = torch.where(repaint_N1hw > 0, latent, around)
    return latent


def _start(scheduler: Any, source_NChw: Tensor, noise_NChw: Tensor, timestep: Tensor, start: str) -> Tensor:
    if start == "noised_source":
        noised: Tensor = scheduler.add_noise(source_NChw, noise_NChw, timestep)
        return noised
    if float(scheduler.init_noise_sigma) == 1.0:
        return noise_NChw
    scaled: Tensor = scheduler.add_noise(torch.zeros_like(source_NChw), noise_NChw, timestep)
    return scaled


def ddim_like(scheduler: Any) -> Any:
    """Return DDIM with Stable Diffusion's schedule, predicting what a given scheduler predicts.

    Source: InstSynth section 3.1 [BLD].
    """
    from diffusers import DDIMScheduler

    return DDIMScheduler(  # type: ignore[no-untyped-call]
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type=scheduler.config.get("prediction_type", "epsilon"),
    )
