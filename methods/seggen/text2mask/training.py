"""Fine-tuning of a text-to-image generator on masks drawn in colours (section 5).

Shape legend: N pictures; C channels, h, w cells of the latent; H, W pixels; 3 RGB.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from methods.common.stage import Context
from methods.common.training.batch_shard import BatchShare
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.loop import Training, run_training, share_model
from methods.seggen.diffusion.batches import CaptionedMasks, Texted
from methods.seggen.diffusion.denoising import Condition, DenoisingStep
from methods.seggen.text2mask.config import Text2MaskTrainingConfig
from methods.seggen.text2mask.low_rank import LowRankUpdates, add_updates, merge_updates


def train_text2mask(
    pipeline: Any, pictures: CaptionedMasks, config: Text2MaskTrainingConfig, context: Context
) -> tuple[list[float], int]:
    """Train the U-Net of a pipeline, from the newest checkpoint where there is one; collective.

    Afterwards the pipeline has the averaged weights, low-rank updates merged into it.

    Args:
        pipeline: whose other networks stay as they are.
        pictures: what is learnt.
        config: how.
        context: seeds, device, team and checkpoints.

    Returns:
        the loss of each iteration, and how many numbers are trained.

    Raises:
        InputError: a picture cannot be read, or there are more processes than pictures in a batch.
        NotFiniteError: the loss is not finite.
    """
    unet = pipeline.unet
    trained: nn.Module = unet.requires_grad_(True)
    if config.lora_rank is not None:
        trained = add_updates(unet, config.lora_rank, context.seeds.torch("training", "initial updates"))
    trained = share_model(trained, context)

    def denoise(noisy_NChw: Tensor, time_N: Tensor, condition: Condition, batch: Texted) -> Tensor:
        said_NChw: Tensor = unet(noisy_NChw, time_N, **condition.keywords()).sample
        return said_NChw

    share = BatchShare.of(context.team, config.recipe.batch_size)
    step = DenoisingStep(pipeline, denoise, "colour", pictures, config, share, context)
    average = ExponentialMovingAverage(trained, config.ema_decay, warmup=True) if config.ema_decay else None
    optimizer = config.recipe.build_optimizer(trained)
    training = Training(trained, optimizer, config.recipe, step, context.team, average)
    num_trained = sum(parameter.numel() for parameter in trained.parameters())
    iterations = range(config.recipe.iterations)
    losses = run_training(training, iterations, lambda first: pictures.batches(first, share), context)
    with torch.no_grad():
        for value, averaged in zip(trained.parameters(), training.averaged.parameters(), strict=True):
            value.copy_(averaged)
    if isinstance(trained, LowRankUpdates):
        merge_updates(unet)
    unet.requires_grad_(False).eval()
    return losses, num_trained
