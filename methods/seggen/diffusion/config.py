"""How both generators are trained, and at which sizes. Holds no torch until an optimiser is built."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.stage import Config
from methods.common.training.recipe import Recipe
from methods.seggen.diffusion.frames import Frames
from methods.seggen.palettes import PaletteConfig

if TYPE_CHECKING:
    import torch
    from torch import nn

Precision = Literal["float32", "bfloat16", "float16"]


class DiffusionRecipe(Recipe):
    """AdamW at a constant rate after a warm-up, as sections 5 and 6 give it; what they leave open is section 12, items 4 and 6."""

    iterations: Annotated[int, Field(ge=1)] = 30_000
    """Optimiser steps. Sections 5 and 6 [S]"""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Pictures a step, over all processes. Section 12, item 4"""
    base_lr: Annotated[float, Field(gt=0)] = 1e-5
    """Learning rate. Sections 5 and 6 [S]"""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decay of all weights. Section 12, item 6"""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decays of the first and second moment. Section 12, item 6"""
    warmup_iterations: Annotated[int, Field(ge=0)] = 500
    """First steps, in which the rate rises linearly. Section 12, item 6"""
    cosine_from: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the steps after which the rate falls along a cosine to 0; 1 keeps it constant. Short trainings want less."""
    max_gradient_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """All gradients together are scaled down to this norm; None does not clip. Section 12, item 6"""
    autocast: Literal["none", "bfloat16"] = "bfloat16"
    """Precision of the U-Net and the ControlNet on CUDA; weights and sums stay float32, and so does all on the CPU."""

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration counted from 0."""
        warm = min(1.0, (iteration + 1) / (self.warmup_iterations + 1))
        start = self.cosine_from * self.iterations
        share = min(1.0, max(0.0, (iteration - start) / max(1.0, self.iterations - start)))
        return self.base_lr * warm * 0.5 * (1.0 + math.cos(math.pi * share))

    def build_optimizer(self, model: nn.Module) -> torch.optim.AdamW:
        """Return AdamW over all parameters that need a gradient; :meth:`set_rates` sets its rate."""
        import torch

        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(
            parameters, lr=self.base_lr, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )

    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Scale all gradients down together, in place."""
        from torch import nn

        if self.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.max_gradient_norm)


class GeneratorTrainingConfig(Config):
    """What the trainings of both generators share."""

    recipe: DiffusionRecipe = DiffusionRecipe()
    """Optimiser, steps and batch."""
    frames: Frames = Frames()
    """Sizes of the pictures that are learnt."""
    palette: PaletteConfig = PaletteConfig()
    """Colours of the masks; kept beside what is trained."""
    split: str = "training"
    """Pictures that are learnt; never those that are evaluated (section 10)."""
    max_images: int | None = Field(default=None, ge=1)
    """So many of its images, as in :class:`methods.common.stages.training_sources.RealSource`; None for all."""
    flip_share: float = Field(default=0.5, ge=0, le=1)
    """Probability of a mirror image; nothing else is changed, as colours are labels. Section 5"""
    caption_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of captions left out, for classifier-free guidance. Section 12, item 7"""
    ema_decay: float = Field(default=0.9999, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones kept; it starts low, so that short trainings forget their start. 0 keeps the
    last weights. Section 12, item 6"""
    snr_limit: float | None = Field(default=None, gt=0)
    """Weight of a time step is min(SNR, limit) / SNR for noise, (min(SNR, limit) + 1) / (SNR + 1) for velocity (Hang et al. 2023); None
    weighs all alike, as SDXL does."""
    vae_precision: Precision = "float32"
    """Of the frozen autoencoder on CUDA; float16 only for one that its folder says does not overflow there. Section 6"""
    cache_latents: bool = False
    """Whether all pictures and their mirror images are encoded once before the first step, each cut in the middle; for few small pictures,
    whose encoding would be half of the work."""
    num_losses: int = Field(default=20, ge=1)
    """Means of the loss in the record."""
