"""Optimiser and schedule of AffinityNet (section 10.4). Holds no torch until an optimiser is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.training.poly_recipe import polynomial_decay
from methods.common.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

    from methods.diffumask_robust.affinity.network import AffinityNet

Momentum = Literal["as_released", "as_meant"]
"""``as_released``: 0.0005, because the release hands its weight decay over in the place of the momentum [code]; ``as_meant``: 0.9, the number
that it calls momentum, and uses as the power of the decay only [C D37]."""
_MOMENTUM = {"as_released": 0.0005, "as_meant": 0.9}


class AffinityRecipe(Recipe):
    """SGD with polynomial decay to 0. Defaults are DiffuMask's."""

    epochs: Annotated[int, Field(ge=1)] = 8
    """Rounds through the images, where ``iterations`` is not given; an epoch has whole batches only, one at least. [code]"""
    iterations: Annotated[int, Field(ge=1)] | None = None
    """Length of the training, whatever the number of images."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Images a step, over all processes. [code]"""
    base_lr: Annotated[float, Field(gt=0)] = 0.01
    """Learning rate of the trunk at the start; 0.1 in AffinityNet's own readme. [code]"""
    new_lr_factor: Annotated[float, Field(gt=0)] = 10.0
    """Learning rate of the branches over that of the trunk. [code] No layer has a bias, whose rate would be twice as high."""
    power: Annotated[float, Field(gt=0)] = 0.9
    """Of the decay. [code]"""
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    """On all trained weights. [code]"""
    momentum: Momentum = "as_released"
    """Of SGD. [C D37]"""

    def with_length(self, num_images: int) -> AffinityRecipe:
        """Return the same with the number of iterations of a training on so many images."""
        if self.iterations is not None:
            return self
        return self.model_copy(update={"iterations": self.epochs * max(1, num_images // self.batch_size)})

    def rate_at(self, iteration: int) -> float:
        """Return the trunk's learning rate of an iteration counted from 0."""
        assert self.iterations is not None, "the length of the training is not known yet"
        return polynomial_decay(iteration, self.base_lr, self.iterations, self.power)

    def build_optimizer(self, model: AffinityNet) -> torch.optim.SGD:
        """Return SGD over everything that is trained; :meth:`set_rates` sets its rates."""
        import torch

        new = {id(parameter) for parameter in model.new_layers}
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        groups = [
            {"params": [one for one in trained if id(one) not in new], "lr_factor": 1.0},
            {"params": [one for one in trained if id(one) in new], "lr_factor": self.new_lr_factor},
        ]
        return torch.optim.SGD(
            groups, lr=self.base_lr, momentum=_MOMENTUM[self.momentum], weight_decay=self.weight_decay
        )

    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Leave the gradients as they are, which is [code]."""
