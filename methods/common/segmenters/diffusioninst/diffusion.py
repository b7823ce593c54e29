"""Noise on boxes: the schedule, how true boxes are noised, and how a sampling step goes on from what was predicted.

A box is (cx, cy, w, h) as shares of the image. The diffusion sees it as ``signal``, mapped from [0, 1] to minus and plus the
signal scale.

Shape legend: N images, Q proposals, G true boxes, T time steps; 4 = cx, cy, w, h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from methods.common.segmenters.diffusioninst.config import DiffusionConfig

_MAX_BETA = 0.999
_SMALLEST_SIDE = 1e-4
_FILLER_MEAN, _FILLER_STD = 0.5, 1 / 6


def cosine_alphas(num_timesteps: int, offset: float) -> Tensor:
    """Return the share of the signal's variance that is left after each step, float64 (T,), falling from nearly 1 to nearly 0.

    Source: InstSynth section 5.2 [DI].
    """
    time_T = torch.linspace(0, num_timesteps, num_timesteps + 1, dtype=torch.float64) / num_timesteps
    curve_T = torch.cos((time_T + offset) / (1 + offset) * (math.pi / 2)).square()
    beta_T = (1 - curve_T[1:] / curve_T[:-1]).clamp(0, _MAX_BETA)
    return (1 - beta_T).cumprod(0)


def to_signal(boxes_4: Tensor, scale: float) -> Tensor:
    """Map boxes from shares of the image to the diffusion's range."""
    return (boxes_4 * 2 - 1) * scale


def from_signal(signal_4: Tensor, scale: float) -> Tensor:
    """Map back, after cutting off what is out of range; shares are in [0, 1]."""
    return (signal_4.clamp(-scale, scale) / scale + 1) / 2


def noised(signal_NQ4: Tensor, noise_NQ4: Tensor, alpha_N: Tensor) -> Tensor:
    """Return boxes after so many steps of noise that ``alpha_N`` of the signal's variance is left."""
    alpha_N11 = alpha_N[:, None, None].to(signal_NQ4)
    return alpha_N11.sqrt() * signal_NQ4 + (1 - alpha_N11).sqrt() * noise_NQ4


def noise_between(noisy_NQ4: Tensor, signal_NQ4: Tensor, alpha: float) -> Tensor:
    """Return the noise that leads from the predicted boxes to the noisy ones."""
    return (noisy_NQ4 - math.sqrt(alpha) * signal_NQ4) / math.sqrt(1 - alpha)


def step(signal_4: Tensor, noise_4: Tensor, fresh_4: Tensor, alpha: float, next_alpha: float, eta: float) -> Tensor:
    """Return the boxes of the next, less noisy time step by DDIM's rule.

    Args:
        signal_4: predicted boxes.
        noise_4: the noise that goes with them.
        fresh_4: standard normal numbers.
        alpha: signal's share of the variance now.
        next_alpha: ... and at the next step, which is larger.
        eta: 0 adds no fresh noise, 1 as much as DDPM.
    """
    sigma = eta * math.sqrt((1 - alpha / next_alpha) * (1 - next_alpha) / (1 - alpha))
    kept = math.sqrt(1 - next_alpha - sigma**2)
    return signal_4 * math.sqrt(next_alpha) + kept * noise_4 + sigma * fresh_4


def sampling_times(config: DiffusionConfig) -> list[tuple[int, int]]:
    """Return pairs of a time step and the next one, from noise to boxes; the last one's next is -1. Source: InstSynth section 5.4 [DI]."""
    last = config.num_timesteps - 1
    times = torch.linspace(-1, last, config.sampling_steps + 1).int().tolist()[::-1]
    return list(pairwise(times))


@dataclass(frozen=True)
class TrainingNoise:
    """What is drawn for one image.

    Attributes:
        timestep: in [0, T).
        filler_Q4: standard normal; makes the boxes beside the true ones.
        noise_Q4: standard normal.
        rank_seed: decides which true boxes stay where there are too many.
    """

    timestep: int
    filler_Q4: Tensor
    noise_Q4: Tensor
    rank_seed: int

    @classmethod
    def draw(cls, num_proposals: int, num_timesteps: int, seed: int, device: torch.device) -> TrainingNoise:
        """Draw for an image from a seed of its own, so that other images change nothing."""
        generator = torch.Generator(device).manual_seed(seed)
        timestep = int(torch.randint(num_timesteps, (), generator=generator, device=device))
        filler_Q4, noise_Q4 = torch.randn(2, num_proposals, 4, generator=generator, device=device)
        rank_seed = int(torch.randint(2**62, (), generator=generator, device=device))
        return cls(timestep, filler_Q4, noise_Q4, rank_seed)


def starting_boxes(true_G4: Tensor, drawn: TrainingNoise) -> Tensor:
    """Return the boxes that are noised, (Q, 4): the true ones, then random ones; a random part of the true ones where there are more.

    An image without objects has one box, the whole image. Source: InstSynth section 5.2 [DI].
    """
    num_proposals = len(drawn.filler_Q4)
    if not len(true_G4):
        true_G4 = true_G4.new_tensor([[0.5, 0.5, 1.0, 1.0]])
    if len(true_G4) > num_proposals:
        generator = torch.Generator(true_G4.device).manual_seed(drawn.rank_seed)
        kept = torch.randperm(len(true_G4), generator=generator, device=true_G4.device)[:num_proposals]
        return true_G4[kept.sort().values]
    filler_Q4 = drawn.filler_Q4 * _FILLER_STD + _FILLER_MEAN
    filler_Q4 = torch.cat([filler_Q4[:, :2], filler_Q4[:, 2:].clamp(min=_SMALLEST_SIDE)], dim=1)
    return torch.cat([true_G4, filler_Q4[len(true_G4) :]])
