"""The miniature text-to-image model: latents of the web split, then a plain ``UNet2DConditionModel`` and text encoder.

Shape suffixes: N, C channels, H, W latent cells, T tokens, D text width.
"""

from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from methods.common.miniature.clip_training import TEXT_WIDTH
from methods.common.miniature.model_classes import (
    AutoencoderKL,
    CLIPModel,
    CLIPTextModel,
    DDPMScheduler,
    UNet2DConditionModel,
)
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.tokenizer import load_tokenizer
from methods.common.miniature.training_configs import GeneratorConfig, LatentsConfig
from methods.common.miniature.vae import LATENT_CHANNELS, pixels_to_unit
from methods.common.miniature.web import draw_pool
from methods.common.stage import Context, Inputs, Record

_ENCODE_BATCH = 64


def encode_web(inputs: Inputs, config: LatentsConfig, context: Context) -> Record:
    """Write ``latents.safetensors``: posterior mean and deviation as float16, captions as token numbers.

    Inputs: ``vae`` (from ``train_vae``), ``clip`` (from ``train_clip``, for its tokenizer).
    """
    vae = AutoencoderKL.from_pretrained(inputs.folder("vae") / "vae").to(context.device).eval()
    tokenizer = load_tokenizer(inputs.folder("clip") / "clip")
    pool = draw_pool(context.seeds.derive("data", "generator"), config.num_pictures, config.web)
    means, deviations = [], []
    for start in range(0, config.num_pictures, _ENCODE_BATCH):
        image_NCHW = pixels_to_unit(pool.images_NHW3[start : start + _ENCODE_BATCH], context.device)
        with torch.no_grad():
            posterior = vae.encode(image_NCHW).latent_dist
        means.append(posterior.mean.half().cpu())
        deviations.append(posterior.std.half().cpu())
        context.progress(start + len(image_NCHW), config.num_pictures, "pictures")
    tokens_NT = tokenizer(list(pool.captions), padding="max_length", truncation=True, return_tensors="pt").input_ids
    tensors = {
        "mean": torch.cat(means).contiguous(),
        "deviation": torch.cat(deviations).contiguous(),
        "tokens": tokens_NT.int().contiguous(),
    }
    save_file(tensors, context.out / "latents.safetensors")
    return {"num_pictures": config.num_pictures, "latent_deviation": float(tensors["mean"].float().std())}


def build_unet(widths: tuple[int, ...], latent_side: int) -> Any:
    """Return an untrained U-Net.

    ``addition_embed_type="text"`` adds pooled text to the time embedding; without it a model this small hardly
    listens to its caption.
    """
    plain, cross = "DownBlock2D", "CrossAttnDownBlock2D"
    levels = len(widths)
    return UNet2DConditionModel(
        sample_size=latent_side,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=(plain, *(cross,) * (levels - 1)),
        up_block_types=(*("CrossAttnUpBlock2D",) * (levels - 1), "UpBlock2D"),
        block_out_channels=widths,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def build_noise_schedule() -> Any:
    """Return Stable Diffusion's scaled-linear schedule, with v-prediction."""
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        steps_offset=1,
    )


def diffusion_loss(
    unet: Any,
    latent_NCHW: Tensor,
    text_NTD: Tensor,
    noise_NCHW: Tensor,
    timestep_N: Tensor,
    schedule: Any,
    snr_limit: float,
) -> Tensor:
    """Weighted squared error of the velocity (Salimans & Ho 2022; weights of Hang et al. 2023)."""
    alpha_N = schedule.alphas_cumprod.to(latent_NCHW.device)[timestep_N]
    noisy_NCHW = schedule.add_noise(latent_NCHW, noise_NCHW, timestep_N)
    velocity_NCHW = schedule.get_velocity(latent_NCHW, noise_NCHW, timestep_N)
    predicted_NCHW = unet(noisy_NCHW, timestep_N, encoder_hidden_states=text_NTD).sample
    snr_N = alpha_N / (1.0 - alpha_N)
    weight_N = (snr_N.clamp(max=snr_limit) + 1.0) / (snr_N + 1.0)
    error_N = (predicted_NCHW - velocity_NCHW).square().mean((1, 2, 3))
    loss: Tensor = (weight_N * error_N).mean()
    return loss


def text_encoder_of(clip: Any) -> Any:
    """Return CLIP's text tower as a model of its own, with CLIP's weights."""
    encoder = CLIPTextModel(clip.config.text_config)
    known = encoder.state_dict()
    own = {key.removeprefix("text_model."): value for key, value in clip.text_model.state_dict().items()}
    prefix = "text_model." if any(key.startswith("text_model.") for key in known) else ""
    encoder.load_state_dict({prefix + key: value for key, value in own.items()})
    return encoder


def _networks_at_start(inputs: Inputs, config: GeneratorConfig, context: Context, latent_side: int) -> tuple[Any, Any]:
    """Return U-Net and text encoder: those of role ``start``, or an untrained one and CLIP's."""
    for folder in inputs.folders("start"):
        return (
            UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32).to(context.device).train(),
            CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).to(context.device).train(),
        )
    torch.manual_seed(context.seeds.derive("training", "generator", "start"))
    text_encoder = text_encoder_of(CLIPModel.from_pretrained(inputs.folder("clip") / "clip"))
    return build_unet(config.widths, latent_side).to(context.device).train(), text_encoder.to(context.device).train()


def train_generator(inputs: Inputs, config: GeneratorConfig, context: Context) -> TrainedPart:
    """Train the U-Net and, from CLIP's weights on, its text encoder; save both with averaged weights.

    Inputs: ``latents`` (from ``encode_web``), ``clip`` (from ``train_clip``), and ``start`` where an earlier ``train_generator`` is continued.
    """
    data = load_file(inputs.folder("latents") / "latents.safetensors")
    mean_NCHW, deviation_NCHW, tokens_NT = data["mean"], data["deviation"], data["tokens"].long()
    clip_folder = inputs.folder("clip") / "clip"
    empty_T = load_tokenizer(clip_folder)("", padding="max_length", return_tensors="pt").input_ids[0]
    unet, text_encoder = _networks_at_start(inputs, config, context, mean_NCHW.shape[-1])
    schedule = build_noise_schedule()

    def loss_of_step(step: int) -> Tensor:
        rng = context.seeds.numpy("training", "generator", step)
        generator = context.seeds.torch("training", "generator", step)
        picks = torch.from_numpy(rng.integers(len(mean_NCHW), size=config.optimizer.batch_size))
        own_NCHW, noise_NCHW = torch.randn((2, len(picks), *mean_NCHW.shape[1:]), generator=generator)
        latent_NCHW = mean_NCHW[picks].float() + deviation_NCHW[picks].float() * own_NCHW
        timestep_N = torch.randint(1000, (len(picks),), generator=generator)
        left_out_N = torch.from_numpy(rng.uniform(size=len(picks)) < config.empty_caption_share)
        caption_NT = torch.where(left_out_N[:, None], empty_T, tokens_NT[picks])
        text_NTD = text_encoder(caption_NT.to(context.device))[0]
        on_device = [tensor.to(context.device) for tensor in (noise_NCHW, timestep_N)]
        return diffusion_loss(
            unet, latent_NCHW.to(context.device), text_NTD, on_device[0], on_device[1], schedule, config.snr_limit
        )

    networks = {"unet": unet, "text_encoder": text_encoder}
    text_encoder.requires_grad_(config.text_encoder_learns)
    trained = train_networks(networks, config.optimizer, loss_of_step, context, config.ema_decay)
    for name, network in trained.networks.items():
        network.eval().save_pretrained(context.out / name)
    return TrainedPart(
        {"losses": trained.losses, "parameters": int(np.sum([p.numel() for p in unet.parameters()]))},
        trained.cpu_seconds,
    )
