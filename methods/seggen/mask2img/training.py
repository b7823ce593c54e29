"""Training of a ControlNet on pictures and their masks, beside a generator that stays as it is (section 6).

Shape legend: N pictures; C channels, h, w cells of the latent.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from methods.common.stage import Context
from methods.common.training.batch_shard import BatchShare
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.loop import Training, run_training, share_model
from methods.seggen.diffusion.batches import CaptionedMasks, Texted
from methods.seggen.diffusion.denoising import Condition, DenoisingStep
from methods.seggen.mask2img.config import Mask2ImgTrainingConfig
from methods.seggen.mask2img.controlnet import build_controlnet, controlled


def train_mask2img(
    pipeline: Any, pictures: CaptionedMasks, config: Mask2ImgTrainingConfig, context: Context
) -> tuple[Any, list[float]]:
    """Train a ControlNet, from the newest checkpoint where there is one; collective.

    Args:
        pipeline: frozen.
        pictures: what is learnt.
        config: how.
        context: seeds, device, team and checkpoints.

    Returns:
        the ControlNet, averaged where averages are asked for, and the loss of each iteration.

    Raises:
        InputError: a picture cannot be read, or there are more processes than pictures in a batch.
        NotFiniteError: the loss is not finite.
    """
    generator = context.seeds.torch("training", "initial controlnet")
    controlnet = share_model(build_controlnet(pipeline.unet, pipeline.vae_scale_factor, generator), context)

    def denoise(noisy_NChw: Tensor, time_N: Tensor, condition: Condition, batch: Texted) -> Tensor:
        return controlled(pipeline.unet, controlnet, noisy_NChw, time_N, condition, batch.colour_N3HW)

    share = BatchShare.of(context.team, config.recipe.batch_size)
    step = DenoisingStep(pipeline, denoise, "image", pictures, config, share, context)
    average = ExponentialMovingAverage(controlnet, config.ema_decay, warmup=True) if config.ema_decay else None
    optimizer = config.recipe.build_optimizer(controlnet)
    training = Training(controlnet, optimizer, config.recipe, step, context.team, average)
    iterations = range(config.recipe.iterations)
    losses = run_training(training, iterations, lambda first: pictures.batches(first, share), context)
    return training.averaged.eval(), losses
