"""Training of an adapter on the noise prediction error, on the common training loop (section 7).

Shape legend: B pictures of the whole batch, N of this process; C, h, w latent; T tokens, D text width; S pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn

from methods.common.generators.attention_capture import encode_class_prompts
from methods.common.stage import Context
from methods.common.training.batch_shard import BatchShare
from methods.common.training.loop import Backward, Training, run_training, share_model
from methods.common.training.losses import Losses
from methods.diffumask_robust.adaptation.adapter import add_adapter
from methods.diffumask_robust.adaptation.config import AdaptationConfig
from methods.diffumask_robust.adaptation.domain_images import Pictures, cut_square
from methods.diffumask_robust.adaptation.texts import text_of


class TextedSquares(NamedTuple):
    """This process's pictures of a step."""

    image_N3SS: Tensor
    """uint8."""
    texts: tuple[str, ...]


class Squares:
    """The pictures of each step, a function of its number alone: epochs of all pictures, in an order of their own."""

    def __init__(
        self, pictures: Pictures, side_px: int, config: AdaptationConfig, tokenizer: Any, context: Context
    ) -> None:
        self._pictures, self._side_px, self._config, self._tokenizer = pictures, side_px, config, tokenizer
        self._seeds = context.seeds
        chosen = context.seeds.numpy("data", "domain pictures").permutation(len(pictures))
        self.chosen = np.sort(chosen[: config.num_images])
        """Numbers of the pictures that are learnt."""

    def batches(self, first: int, share: BatchShare) -> Iterator[TextedSquares]:
        """Yield this process's part of each step from one on."""
        for iteration in range(first, self._config.recipe.iterations):
            rows = range(share.first, share.first + share.count)
            made = [self._square(iteration * share.batch_size + row) for row in rows]
            images = torch.from_numpy(np.stack([image for image, _ in made])).permute(0, 3, 1, 2)
            yield TextedSquares(images, tuple(text for _, text in made))

    def _square(self, number: int) -> tuple[np.ndarray, str]:
        epoch, place = divmod(number, len(self.chosen))
        order = self._seeds.numpy("training", "order of pictures", epoch).permutation(self.chosen)
        rng = self._seeds.numpy("training", "square", number)
        config = self._config
        square = cut_square(
            self._pictures, int(order[place]), self._side_px, config.flip_share, config.min_tag_share, rng
        )
        return square.image_SS3, text_of(square.classes, config, self._tokenizer)


class Parts(nn.ParameterDict):
    """What is trained, by names without dots, as modules want them."""

    def __init__(self, trained: dict[str, nn.Parameter]) -> None:
        super().__init__({name.replace(".", "/"): parameter for name, parameter in trained.items()})


def train_adapter(pipeline: Any, pictures: Pictures, config: AdaptationConfig, context: Context) -> list[float]:
    """Train an adapter from the newest checkpoint where there is one; it stays beside the U-Net; collective.

    Returns:
        the loss of each iteration.

    Raises:
        InputError: a picture cannot be used, or there are more processes than pictures in a batch.
        NotFiniteError: the loss is not finite.

    Source: section 7.
    """
    for network in (pipeline.vae, pipeline.text_encoder):
        network.requires_grad_(False).eval()
    trained = add_adapter(pipeline.unet, config.rank, context.seeds.torch("training", "initial adapter"))
    parts = share_model(Parts(trained), context)
    share = BatchShare.of(context.team, config.recipe.batch_size)
    step = _Step(pipeline, config, share, context)
    training = Training(parts, config.recipe.build_optimizer(parts.parameters()), config.recipe, step, context.team)
    side_px = config.size_px or int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor)
    squares = Squares(pictures, side_px, config, pipeline.tokenizer, context)
    iterations = range(config.recipe.iterations)
    return run_training(training, iterations, lambda first: squares.batches(first, share), context)


class _Step:
    """The gradients of one step."""

    def __init__(self, pipeline: Any, config: AdaptationConfig, share: BatchShare, context: Context) -> None:
        self._pipeline, self._share, self._context = pipeline, share, context
        self._noise: Any = DDPMScheduler.from_config(pipeline.scheduler.config)  # type: ignore[no-untyped-call]
        self._autocast = config.autocast == "bfloat16" and context.device.type == "cuda"

    def __call__(self, batch: TextedSquares, iteration: int, backward: Backward) -> Losses:
        share = self._share
        total = torch.zeros((), device=self._context.device)
        for rows in share.parts(self._context.batch_parts):
            part = TextedSquares(batch.image_N3SS[rows], batch.texts[rows])
            loss = self._loss(part, share.part(rows), self._context.seeds.torch("training", "noise", iteration))
            backward(loss)
            total += loss.detach()
        return Losses(total)

    def _loss(self, batch: TextedSquares, share: BatchShare, generator: torch.Generator) -> Tensor:
        """Return the part's share of the mean squared error over the whole batch."""
        device = self._context.device
        mine = slice(share.first, share.first + share.count)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._autocast):
            with torch.no_grad():
                latent_NChw, text_NTD = self._encode(batch, share, mine, generator)
            noise_NChw = torch.randn((share.batch_size, *latent_NChw.shape[1:]), generator=generator)[mine].to(device)
            times_B = torch.randint(self._noise.config.num_train_timesteps, (share.batch_size,), generator=generator)
            time_N = times_B[mine].to(device)
            noisy_NChw = self._noise.add_noise(latent_NChw, noise_NChw, time_N)
            said_NChw = self._pipeline.unet(noisy_NChw, time_N, text_NTD).sample
        wanted_NChw = self._target(latent_NChw, noise_NChw, time_N)
        error: Tensor = (_at_least_single(said_NChw) - wanted_NChw).square().flatten(1).mean(1).sum() / share.batch_size
        return error

    def _encode(
        self, batch: TextedSquares, share: BatchShare, mine: slice, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        pipeline, device = self._pipeline, self._context.device
        image_N3SS = batch.image_N3SS.to(device, pipeline.vae.dtype) / 127.5 - 1
        posterior = pipeline.vae.encode(image_N3SS).latent_dist
        own = torch.randn((share.batch_size, *posterior.mean.shape[1:]), generator=generator)[mine].to(device)
        latent_NChw = _at_least_single(posterior.mean + posterior.std * own) * pipeline.vae.config.scaling_factor
        return latent_NChw, encode_class_prompts(pipeline, batch.texts)

    def _target(self, latent_NChw: Tensor, noise_NChw: Tensor, time_N: Tensor) -> Tensor:
        """What the U-Net is to say, by the generator's own kind of prediction."""
        if self._noise.config.prediction_type == "v_prediction":
            velocity: Tensor = self._noise.get_velocity(latent_NChw, noise_NChw, time_N)
            return velocity
        return noise_NChw


def _at_least_single(found: Tensor) -> Tensor:
    """Return half precision as single, and leave what is finer."""
    return found.to(torch.promote_types(found.dtype, torch.float32))
