"""Recipe of convolutional segmenters: stochastic gradient descent with polynomial decay down to a floor.

Holds no torch until an optimiser is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from methods.common.training.poly_recipe import polynomial_decay
from methods.common.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from torch import nn


class SgdRecipe(Recipe):
    """How an HRNet is trained. Defaults are MMSegmentation's for it on ADE20K, but for the number of iterations (SegGen section 7 [SG])."""

    iterations: Annotated[int, Field(ge=1)] = 100_000
    """Length of the training in optimiser steps. SegGen section 7 [SG]"""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Images a step, over all processes. [MM]"""
    base_lr: Annotated[float, Field(gt=0)] = 0.01
    """Learning rate at the start. [MM]"""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Of the descent. [MM] 0.9. Without a default, so that a stored recipe tells itself from AdamW's."""
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    """On all parameters. [MM]"""
    power: Annotated[float, Field(gt=0)] = 0.9
    """Of the polynomial decay. [MM]"""
    lowest_lr: Annotated[float, Field(ge=0)] = 1e-4
    """The rate falls to it and no further. [MM]"""

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration counted from 0; what lies above the floor decays [MM]."""
        above = self.base_lr - self.lowest_lr
        return self.lowest_lr + polynomial_decay(iteration, above, self.iterations, self.power)

    def build_optimizer(self, model: nn.Module) -> torch.optim.SGD:
        """Return the descent over all parameters that need a gradient, at the rate of iteration 0."""
        import torch

        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return torch.optim.SGD(parameters, lr=self.rate_at(0), momentum=self.momentum, weight_decay=self.weight_decay)

    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Leave the gradients as they are, which is [MM]."""

    def autocast_dtype(self, device: torch.device) -> torch.dtype | None:
        """Return None for full precision, which is [MM]."""
        return None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest_lr > self.base_lr:
            raise ValueError(f"lowest_lr {self.lowest_lr} is above base_lr {self.base_lr}; give a lower one")
        return self
