"""The miniature autoencoder with a decoder that goes on learning on pictures of flat colours, which the world has none of.

Large autoencoders have seen drawings, maps and diagrams; the miniature one has seen objects in pale colours. Its encoder stays as it is, so a
generator's latents mean the same with either decoder. Colours are drawn anew for each picture, from a lattice of 216: no palette is learnt.

Shape suffixes: N pictures, H, W pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from methods.common.miniature.assemble import forget_places, save_half
from methods.common.miniature.model_classes import AutoencoderKL
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.training_configs import FlatVaeConfig
from methods.common.miniature.vae import pixels_to_unit
from methods.common.miniature.web import WebPool, draw_pool
from methods.common.stage import Context, Inputs

_LEVELS, _STEP = 6, 51
_WEIGHTS = "diffusion_pytorch_model.safetensors"


def flat_batch(pool: WebPool, config: FlatVaeConfig, rng: np.random.Generator) -> np.ndarray:
    """Cut crops of pictures, some of them drawn in one random colour for each thing, uint8 [N, H, W, 3]."""
    count, side = config.optimizer.batch_size, config.crop_px
    picks = rng.integers(len(pool.captions), size=count)
    corners = rng.integers(config.web.image_size_px - side + 1, size=(count, 2))
    flat = rng.uniform(size=count) < config.flat_share
    crops = []
    for pick, (top, left), is_flat in zip(picks, corners, flat, strict=True):
        window = (pick, slice(top, top + side), slice(left, left + side))
        colour_L3 = (rng.integers(_LEVELS, size=(256, 3)) * _STEP).astype(np.uint8)
        crops.append(colour_L3[pool.semantic_NHW[window]] if is_flat else pool.images_NHW3[window])
    return np.stack(crops)


def train_flat_vae(inputs: Inputs, config: FlatVaeConfig, context: Context) -> TrainedPart:
    """Train the decoder alone and save ``vae/``, a diffusers directory in float16.

    Inputs: ``vae`` (from ``train_vae``).
    """
    vae: Any = AutoencoderKL.from_pretrained(inputs.folder("vae") / "vae", dtype=torch.float32)
    vae.to(context.device).eval().requires_grad_(False)
    decoder = torch.nn.ModuleDict({"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv})
    decoder.requires_grad_(True)
    pool = draw_pool(context.seeds.derive("data", "flat vae"), config.num_pictures, config.web)

    def loss_of_step(step: int) -> Tensor:
        rng = context.seeds.numpy("training", "flat vae", step)
        generator = context.seeds.torch("training", "flat vae", step)
        image_NCHW = pixels_to_unit(flat_batch(pool, config, rng), context.device)
        with torch.no_grad():
            posterior = vae.encode(image_NCHW).latent_dist
            noise_NCHW = torch.randn(posterior.mean.shape, generator=generator).to(context.device)
            latent_NCHW = posterior.mean + posterior.std * noise_NCHW
        decoded_NCHW = vae.decode(latent_NCHW).sample
        error = l1_loss(decoded_NCHW, image_NCHW) + mse_loss(decoded_NCHW, image_NCHW)
        edges = l1_loss(decoded_NCHW.diff(dim=2), image_NCHW.diff(dim=2)) + l1_loss(
            decoded_NCHW.diff(dim=3), image_NCHW.diff(dim=3)
        )
        loss: Tensor = error + config.edge_weight * edges
        return loss

    trained = train_networks({"decoder": decoder}, config.optimizer, loss_of_step, context)
    vae.eval().save_pretrained(context.out / "vae")
    save_half(context.out / "vae" / _WEIGHTS, context.out / "vae" / _WEIGHTS)
    forget_places(context.out / "vae")
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)
