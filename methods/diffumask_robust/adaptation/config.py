"""How a generator is adapted to the pictures of a domain (section 7). Holds no torch until an optimiser is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from methods.common.stage import Config
from methods.common.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn


class LoraRecipe(Recipe):
    """AdamW at a constant rate, as in section 7; the rest is our choice [C D16]."""

    iterations: Annotated[int, Field(ge=1)] = 5_000
    """Optimiser steps. Section 7 [C D16]; the sweep has 1,000, 5,000 and 15,000."""
    batch_size: Annotated[int, Field(ge=1)] = 4
    """Pictures a step, over all processes. Section 7 [C D16]"""
    base_lr: Annotated[float, Field(gt=0)] = 1e-4
    """Learning rate. Section 7 [C D16]"""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Of AdamW. [C D16]"""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of AdamW. [C D16]"""
    max_gradient_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """All gradients together are scaled down to this norm; None does not clip. [C D16]"""

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate, the same at every iteration."""
        return self.base_lr

    def build_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
        """Return AdamW over parameters."""
        import torch

        return torch.optim.AdamW(list(parameters), lr=self.base_lr, betas=self.betas, weight_decay=self.weight_decay)

    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Scale all gradients down together, in place."""
        from torch import nn

        if self.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.max_gradient_norm)


class AdaptationConfig(Config):
    """One adaptation."""

    rank: int = Field(default=4, ge=1)
    """Of each update; its alpha is the same, so that the update is not scaled. Section 7; the sweep has 4, 16 and 64."""
    recipe: LoraRecipe = LoraRecipe()
    """Optimiser, steps and batch."""
    split: str = "train"
    """Pictures that are learnt."""
    num_images: int | None = Field(default=None, ge=1)
    """How many of them, drawn with the data seed; None for all."""
    size_px: int | None = Field(default=None, ge=16)
    """Side of what is learnt; None for the generator's own. A random square as large as the picture is made so large. Section 7"""
    flip_share: float = Field(default=0.5, ge=0, le=1)
    """Probability of a mirror image. Section 7"""
    texts: Literal["fixed", "tags"] = "fixed"
    """One text for every picture, or the classes that the picture shows, from its ground truth (weak supervision). Section 7"""
    fixed_text: str = "a photo of a city street, seen from a car"
    """The one text; also where no tag fits."""
    tag_text: str = "a photo of a city street with {classes}, seen from a car"
    """Text with tags. Section 7"""
    min_tag_share: float = Field(default=0.001, ge=0, le=1)
    """A class is named from this share of the square's pixels on. [C D17]"""
    max_tags: int | None = Field(default=None, ge=1)
    """Classes that are named at most, the largest first; None for as many as the text encoder reads. [C D17]"""
    autocast: Literal["none", "bfloat16"] = "bfloat16"
    """Precision of the frozen networks on CUDA; float32 elsewhere."""
    num_losses: int = Field(default=20, ge=1)
    """Means of the loss in the record."""

    @field_validator("tag_text")
    @classmethod
    def _has_classes(cls, text: str) -> str:
        if text.count("{classes}") != 1:
            raise ValueError(f"tag_text {text!r} must hold {{classes}} once")
        return text
