"""The denoising loss of Stable Diffusion of version 1, 2 and XL: texts, latents, noise and what the U-Net is to say.

Shape legend: B pictures of the whole batch, N of a part; C channels, h, w cells of the latent; T tokens, D text width; H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from methods.common.errors import InputError
from methods.common.generators.class_prompts import num_tokens
from methods.common.stage import Context
from methods.common.training.batch_shard import BatchShare
from methods.common.training.loop import Backward
from methods.common.training.losses import Losses
from methods.seggen.diffusion.batches import CaptionedMasks, Texted
from methods.seggen.diffusion.config import GeneratorTrainingConfig, Precision

_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


class Condition(NamedTuple):
    """What a U-Net or ControlNet is told beside the time."""

    text_NTD: Tensor
    added: dict[str, Tensor] | None
    """SDXL's pooled text and sizes; None for other versions."""

    def keywords(self) -> dict[str, Any]:
        """Return it as arguments."""
        return {"encoder_hidden_states": self.text_NTD, "added_cond_kwargs": self.added}


def load_generator(folder: Path, vae_folders: Sequence[Path], device: torch.device, precision: Precision) -> Any:
    """Load a generator for training: networks in float32 and frozen, the autoencoder in a precision.

    Args:
        folder: a diffusers folder.
        vae_folders: at most one folder of an autoencoder that takes the place of the generator's own.
        device: where they go.
        precision: of the autoencoder on CUDA.

    Raises:
        InputError: it cannot be loaded, is no Stable Diffusion, is conditioned on inputs scaled as EDM does, or its autoencoder overflows
            in the precision.
    """
    from methods.common.generators.text_to_image import load_text_to_image

    pipeline = load_text_to_image(folder, device, torch.get_default_dtype())
    if not all(hasattr(pipeline, part) for part in _PARTS):
        raise InputError(f"the generator in {folder} is no Stable Diffusion of version 1, 2 or XL; use one that is")
    if type(pipeline.scheduler).__name__.startswith("EDM"):
        raise InputError(
            f"the generator in {folder} has the scheduler {type(pipeline.scheduler).__name__}, whose networks see scaled inputs; use a "
            "generator with Stable Diffusion's own noise schedule"
        )
    set_vae(pipeline, vae_folders, precision)
    for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if getattr(pipeline, name, None) is not None:
            getattr(pipeline, name).requires_grad_(False).eval()
    return pipeline


def set_vae(pipeline: Any, folders: Sequence[Path], precision: Precision) -> None:
    """Give a pipeline the autoencoder and the precision that are asked for; a pipeline on the CPU stays float32.

    Args:
        pipeline: a Stable Diffusion.
        folders: at most one folder of an autoencoder that takes the place of its own.
        precision: on CUDA.

    Raises:
        InputError: the folder cannot be loaded, or the autoencoder overflows in half precision.
    Source: section 6.
    """
    device = pipeline.unet.device
    for folder in folders:
        from diffusers import AutoencoderKL

        from methods.common.whole_weights import load_whole

        pipeline.vae = load_whole(
            AutoencoderKL,
            folder,
            "AutoencoderKL",
            f"the autoencoder in {folder} cannot be loaded without it, so copy or download the folder again",
            use_safetensors=True,
            local_files_only=True,
            torch_dtype=torch.get_default_dtype(),
        )
    if precision == "float16" and pipeline.vae.config.force_upcast:
        raise InputError(
            "vae_precision is float16, in which this autoencoder overflows (its config says force_upcast); choose float32 or bfloat16, or "
            "give an autoencoder made for float16 as role vae"
        )
    dtype = getattr(torch, precision) if device.type == "cuda" else torch.get_default_dtype()
    pipeline.vae.to(device, dtype).eval()
    pipeline.vae.config.force_upcast = False


def without_end(caption: str, tokenizer: Any) -> str:
    """Leave out the last words of a caption that the text encoder would not read, which the pipeline would complain of at each step."""
    words = caption.split()
    while words and num_tokens(" ".join(words), tokenizer) > tokenizer.model_max_length:
        words.pop()
    return " ".join(words)


def forget_calls(pipeline: Any) -> None:
    """Make tokenizers forget how long the last texts were cut and filled up; they would save it, and how a training ended with it."""
    for name in ("tokenizer", "tokenizer_2"):
        tokenizer = getattr(pipeline, name, None)
        if tokenizer is not None and tokenizer.is_fast:
            tokenizer.backend_tokenizer.no_truncation()
            tokenizer.backend_tokenizer.no_padding()


def encode_texts(pipeline: Any, captions: Sequence[str], times_N6: Tensor) -> Condition:
    """Encode captions as the pipeline does when it samples, with SDXL's sizes where it is one.

    Args:
        pipeline: SD or SDXL.
        captions: N texts; an empty one is what guidance leads away from.
        times_N6: as :class:`Texted` has them.
    """
    captions = [without_end(caption, pipeline.tokenizer) for caption in captions]
    options = {"device": pipeline.unet.device, "num_images_per_prompt": 1, "do_classifier_free_guidance": False}
    encoded = pipeline.encode_prompt(prompt=list(captions), **options)
    text_NTD: Tensor = encoded[0]
    if getattr(pipeline, "text_encoder_2", None) is None:
        return Condition(text_NTD, None)
    empty = torch.tensor([not caption for caption in captions], device=text_NTD.device)
    pooled_ND: Tensor = encoded[2]
    if pipeline.config.force_zeros_for_empty_prompt:  # what the pipeline gives guidance when nothing is to be avoided
        text_NTD = text_NTD.masked_fill(empty[:, None, None], 0.0)
        pooled_ND = pooled_ND.masked_fill(empty[:, None], 0.0)
    return Condition(text_NTD, {"text_embeds": pooled_ND, "time_ids": times_N6.to(text_NTD.device, text_NTD.dtype)})


Target = Literal["image", "colour"]
"""What is learnt: photographs, or masks drawn in colours."""


class Encoder:
    """The autoencoder's mean and deviation of what is learnt; those of all pictures are kept where that is asked for."""

    def __init__(self, vae: Any, target: Target, pictures: CaptionedMasks | None) -> None:
        """Encode all pictures and their mirror images, or none.

        Raises:
            InputError: a picture cannot be read.
        """
        self._vae, self._target = vae, target
        self._kept: dict[tuple[int, bool], tuple[Tensor, Tensor]] = {}
        for index in range(0 if pictures is None else len(pictures)):
            assert pictures is not None
            cuts = [pictures.cut(index, mirrored) for mirrored in (False, True)]
            images = [cut.image_HW3 if target == "image" else cut.colour_HW3 for cut in cuts]
            mean_NChw, deviation_NChw = self._encode(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
            for number, mirrored in enumerate((False, True)):
                self._kept[index, mirrored] = mean_NChw[number], deviation_NChw[number]

    def __call__(self, batch: Texted) -> tuple[Tensor, Tensor]:
        """Return mean and deviation, float32 [N, C, h, w] each."""
        if not self._kept:
            return self._encode(batch.image_N3HW if self._target == "image" else batch.colour_N3HW)
        means, deviations = zip(*(self._kept[key] for key in batch.shown), strict=True)
        return torch.stack(means), torch.stack(deviations)

    @torch.no_grad()
    def _encode(self, image_N3HW: Tensor) -> tuple[Tensor, Tensor]:
        vae = self._vae
        posterior = vae.encode(image_N3HW.to(vae.device, vae.dtype) / 127.5 - 1).latent_dist
        return posterior.mean.float(), posterior.std.float()


Denoiser = Callable[[Tensor, Tensor, Condition, Texted], Tensor]
"""Says what is in noisy latents [N, C, h, w] at times (N,), under a condition, of pictures."""


class DenoisingStep:
    """The gradients of a step: mean squared error of what the network says of the noise."""

    def __init__(
        self,
        pipeline: Any,
        denoise: Denoiser,
        target: Target,
        pictures: CaptionedMasks,
        config: GeneratorTrainingConfig,
        share: BatchShare,
        context: Context,
    ) -> None:
        """Keep what a step needs.

        Args:
            pipeline: whose texts, autoencoder and noise schedule count.
            denoise: the network in training.
            target: what is learnt.
            pictures: that batches are made of.
            config: precision and weights of time steps.
            share: this process's pictures of a batch.
            context: device, parts and seeds.
        """
        self._pipeline, self._denoise = pipeline, denoise
        self._encoder = Encoder(pipeline.vae, target, pictures if config.cache_latents else None)
        self._share, self._context, self._snr_limit = share, context, config.snr_limit
        self._noise: Any = DDPMScheduler.from_config(pipeline.scheduler.config)  # type: ignore[no-untyped-call]
        self._signal_S = self._noise.alphas_cumprod.to(context.device)
        self._autocast = config.recipe.autocast == "bfloat16" and context.device.type == "cuda"

    def __call__(self, batch: Texted, iteration: int, backward: Backward) -> Losses:
        """Add the gradients of this process's share."""
        total = torch.zeros((), device=self._context.device)
        for rows in self._share.parts(self._context.batch_parts):
            generator = self._context.seeds.torch("training", "noise", iteration)
            loss = self._loss(batch.part(rows), self._share.part(rows), generator)
            backward(loss)
            total += loss.detach()
        return Losses(total)

    def _loss(self, batch: Texted, share: BatchShare, generator: torch.Generator) -> Tensor:
        """Return the part's share of the mean over the whole batch; noise is drawn for the whole batch in each process."""
        device, mine = self._context.device, slice(share.first, share.first + share.count)
        with torch.no_grad():
            condition = encode_texts(self._pipeline, batch.captions, batch.times_N6)
            latent_NChw = self._latents(batch, share.batch_size, mine, generator)
        noise_NChw = torch.randn((share.batch_size, *latent_NChw.shape[1:]), generator=generator)[mine].to(device)
        time_B = torch.randint(len(self._signal_S), (share.batch_size,), generator=generator)
        time_N = time_B[mine].to(device)
        noisy_NChw = self._noise.add_noise(latent_NChw, noise_NChw, time_N)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._autocast):
            said_NChw = self._denoise(noisy_NChw, time_N, condition, batch).float()
        velocity = self._noise.config.prediction_type == "v_prediction"
        wanted_NChw = self._noise.get_velocity(latent_NChw, noise_NChw, time_N) if velocity else noise_NChw
        error_N = (said_NChw - wanted_NChw).square().flatten(1).mean(1)
        loss: Tensor = (self._weights(time_N, velocity) * error_N).sum() / share.batch_size
        return loss

    def _latents(self, batch: Texted, batch_size: int, mine: slice, generator: torch.Generator) -> Tensor:
        """Draw latents of pictures, scaled as the U-Net knows them, float32."""
        vae, (mean_NChw, deviation_NChw) = self._pipeline.vae, self._encoder(batch)
        own_BChw = torch.randn((batch_size, *mean_NChw.shape[1:]), generator=generator)
        latent_NChw = mean_NChw + deviation_NChw * own_BChw[mine].to(mean_NChw.device)
        scaled_NChw: Tensor = (latent_NChw - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
        return scaled_NChw

    def _weights(self, time_N: Tensor, velocity: bool) -> Tensor:
        """Weigh time steps by their signal-to-noise ratio (Hang et al. 2023), or all alike."""
        if self._snr_limit is None:
            return torch.ones_like(time_N, dtype=torch.float32)
        signal_N: Tensor = self._signal_S[time_N]
        ratio_N = signal_N / (1.0 - signal_N)
        limited_N = ratio_N.clamp(max=self._snr_limit)
        return (limited_N + 1.0) / (ratio_N + 1.0) if velocity else limited_N / ratio_N
