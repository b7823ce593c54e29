"""Optimiser and schedule of the robust training (section 6.4). Holds no torch until an optimiser is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from methods.common.training.poly_recipe import polynomial_decay
from methods.common.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

NonNegative = Annotated[float, Field(ge=0)]


class RobustRecipe(Recipe):
    """SGD with polynomial decay down to a floor. Defaults are those of the release on VOC but for the number of iterations."""

    iterations: Annotated[int, Field(ge=1)] = 20_000
    """Length of the training, the same for every size of the set (sections 6.4 and 12)."""
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)] = 16
    """Images a step; even, as images are mixed in pairs. [code]"""
    base_lr: Annotated[float, Field(gt=0)] = 0.01
    """Learning rate at the start. [code]"""
    min_lr: NonNegative = 1e-5
    """The rate never falls below. [code]"""
    power: Annotated[float, Field(gt=0)] = 0.9
    """Of the decay. [code]"""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Of SGD. [code]"""
    weight_decay: NonNegative = 1e-4
    """On all parameters. [code]"""

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration counted from 0."""
        return max(self.min_lr, polynomial_decay(iteration, self.base_lr, self.iterations, self.power))

    def build_optimizer(self, model: nn.Module) -> torch.optim.SGD:
        """Return SGD over all parameters of both networks, at the rate of iteration 0."""
        import torch

        return torch.optim.SGD(
            model.parameters(), lr=self.rate_at(0), momentum=self.momentum, weight_decay=self.weight_decay
        )

    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Leave the gradients as they are, which is [code]."""
