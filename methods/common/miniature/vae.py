"""The miniature VAE: a plain ``AutoencoderKL`` from 64x64 pictures to 16x16x4 latents of unit variance.

Shape suffixes: N, C channels, H, W pixels or latent cells.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from methods.common.miniature.model_classes import AutoencoderKL
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.training_configs import VaeConfig
from methods.common.miniature.web import web_sample
from methods.common.stage import Context, Inputs, Record

LATENT_CHANNELS = 4


def build_vae(image_size_px: int) -> Any:
    """Return an untrained VAE with 0.65 million parameters.

    Four groups in every normalisation: as many groups as channels would be instance normalisation, which fails.
    """
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=image_size_px,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )
    with torch.no_grad():
        vae.quant_conv.bias[LATENT_CHANNELS:] = -5.0
    return vae


def _edge_loss(left_NCHW: Tensor, right_NCHW: Tensor) -> Tensor:
    return l1_loss(left_NCHW.diff(dim=2), right_NCHW.diff(dim=2)) + l1_loss(
        left_NCHW.diff(dim=3), right_NCHW.diff(dim=3)
    )


def vae_loss(vae: Any, image_NCHW: Tensor, config: VaeConfig, generator: torch.Generator) -> Tensor:
    """Reconstruction (absolute, squared, edges) plus divergence; pictures in [-1, 1]."""
    with torch.autocast(image_NCHW.device.type, dtype=torch.bfloat16):
        posterior = vae.encode(image_NCHW).latent_dist
        noise_NCHW = torch.randn(posterior.mean.shape, generator=generator).to(image_NCHW.device)
        decoded_NCHW = vae.decode(posterior.mean + posterior.std * noise_NCHW).sample
    decoded_NCHW, mean, logvar = decoded_NCHW.float(), posterior.mean.float(), posterior.logvar.float()
    divergence = 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).mean()
    error = l1_loss(decoded_NCHW, image_NCHW) + mse_loss(decoded_NCHW, image_NCHW)
    edges = _edge_loss(decoded_NCHW, image_NCHW)
    loss: Tensor = error + config.edge_weight * edges + config.kl_weight * divergence
    return loss


def pixels_to_unit(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Turn (N, H, W, 3) bytes into an (N, 3, H, W) batch in [-1, 1]."""
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def _draw_batch(pictures: NDArray[np.uint8], config: VaeConfig, step: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng([seed, step])
    side = pictures.shape[1]
    crop = config.crop_px if step < config.crop_share * config.optimizer.num_steps else side
    count = config.optimizer.batch_size if crop < side else max(1, config.optimizer.batch_size // 2)
    picks = rng.integers(len(pictures), size=count)
    corners = rng.integers(side - crop + 1, size=(count, 2))
    return np.stack([pictures[k, y : y + crop, x : x + crop] for k, (y, x) in zip(picks, corners, strict=True)])


@torch.no_grad()
def fold_latent_statistics(vae: Any, image_NCHW: Tensor) -> Record:
    """Rescale the latents to zero mean and unit variance per channel inside the 1x1 convolutions around them.

    The network's function on pictures stays the same, and ``scaling_factor`` is truly 1.

    Args:
        vae: float32.
        image_NCHW: pictures in [-1, 1] that stand for all.
    Returns:
        the statistics that were folded.
    Source: our choice.
    """
    posterior = vae.encode(image_NCHW).latent_dist
    mean_C = posterior.mean.mean((0, 2, 3))
    deviation_C = (posterior.mean.var((0, 2, 3)) + posterior.var.mean((0, 2, 3))).sqrt()
    quant, post = vae.quant_conv, vae.post_quant_conv
    bias_C = quant.bias[:LATENT_CHANNELS]
    quant.weight[:LATENT_CHANNELS] /= deviation_C[:, None, None, None]
    bias_C.copy_((bias_C - mean_C) / deviation_C)
    quant.bias[LATENT_CHANNELS:] -= 2.0 * deviation_C.log()
    post.bias += (post.weight[:, :, 0, 0] * mean_C).sum(1)
    post.weight *= deviation_C[None, :, None, None]
    return {"latent_mean": mean_C.tolist(), "latent_deviation": deviation_C.tolist()}


def train_vae(inputs: Inputs, config: VaeConfig, context: Context) -> TrainedPart:
    """Train, fold the latent statistics, and save a diffusers directory."""
    torch.manual_seed(context.seeds.derive("training", "vae", "start"))
    vae = build_vae(config.web.image_size_px).to(context.device).train()
    stream = context.seeds.derive("data", "vae")
    pictures = np.stack([web_sample(stream, k, config.web).scene.image_HW3 for k in range(config.num_pictures)])
    seed = context.seeds.derive("training", "vae", "batches")

    def loss_of_step(step: int) -> Tensor:
        batch = pixels_to_unit(_draw_batch(pictures, config, step, seed), context.device)
        return vae_loss(vae, batch, config, context.seeds.torch("training", "vae", step))

    trained = train_networks({"vae": vae}, config.optimizer, loss_of_step, context)
    vae.eval()
    folded = fold_latent_statistics(vae, pixels_to_unit(pictures[:512], context.device))
    vae.save_pretrained(context.out / "vae")
    return TrainedPart({"losses": trained.losses, **folded}, trained.cpu_seconds)
