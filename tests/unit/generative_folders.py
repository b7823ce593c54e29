"""A tiny Stable Diffusion on disk, and backbones on it."""

from pathlib import Path

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline

from methods.common.segmenters.backbones.generative.backbone import GenerativeBackbone
from methods.common.segmenters.backbones.generative.config import GenerativeConfig
from methods.common.segmenters.backbones.generative.extractor import listening
from methods.common.segmenters.backbones.generative.loading import backbone_of, load_generator
from tests.unit.tiny_pipelines import tiny_stable_diffusion

STRIDES = (2, 4, 8, 16)
TAPS = ("unet.up_blocks.1.attentions.1", "unet.up_blocks.0.resnets.1")
"""Last layers on the way up, finest first: 8 channels of stride 2 and 4."""


def tiny_folder(root: Path, salt: int = 0, **shape) -> Path:
    """Save the pipeline; another salt, other weights of its U-Net."""
    pipeline = tiny_stable_diffusion(**shape)
    if salt:
        torch.manual_seed(salt)
        with torch.no_grad():
            pipeline.unet.conv_in.weight.normal_()
    pipeline.save_pretrained(root / f"tiny_{salt}")
    return root / f"tiny_{salt}"


def tiny_config(folder: Path, tuning: str = "frozen", strides=STRIDES, **choices) -> GenerativeConfig:
    config = backbone_of(folder, strides_px=strides, width=32, **choices)
    return GenerativeConfig.model_validate({**config.model_dump(), "tuning": tuning})


def tiny_backbone(folder: Path, tuning: str = "frozen", **choices) -> GenerativeBackbone:
    torch.manual_seed(1)
    backbone = GenerativeBackbone(tiny_config(folder, tuning, **choices))
    load_generator(backbone, folder)
    return backbone


def images(number: int = 2, height: int = 16, width: int = 24) -> torch.Tensor:
    return torch.rand(number, 3, height, width, generator=torch.Generator().manual_seed(2)) * 2 - 1


def by_hand(folder, image_N3HW, taps, timestep, noise_Chw):
    """Run the folder's own pipeline parts, noised by its own scheduler, and read modules by hooks."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, requires_safety_checker=False)
    tokens = pipeline.tokenizer(
        "", padding="max_length", max_length=pipeline.tokenizer.model_max_length, return_tensors="pt"
    )
    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
    parts = torch.nn.ModuleDict({"unet": pipeline.unet, "vae": pipeline.vae})
    with torch.no_grad(), listening(parts, taps) as found:
        latent = pipeline.vae.encode(image_N3HW).latent_dist.mode() * pipeline.vae.config.scaling_factor
        pipeline.vae.decode(latent / pipeline.vae.config.scaling_factor)
        noisy = latent
        if noise_Chw is not None:
            noisy = schedule.add_noise(latent, noise_Chw.expand_as(latent), torch.tensor([timestep] * len(latent)))
        text = pipeline.text_encoder(tokens.input_ids)[0].expand(len(latent), -1, -1)
        pipeline.unet(noisy, timestep, encoder_hidden_states=text)
    return [found[name] for name in taps]
