"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ExponentialMovingAverage(Generic[ModuleT]):
    """A second copy of a network that follows the trained one slowly.

    After each step: average <- decay * average + (1 - decay) * value, for every parameter and every floating-point buffer;
    integer buffers are copied. The average is what is evaluated and what feeds back.

    Source: MRCA section 6.5 [R]. ``warmup`` is our choice [C MRCA D52] for short trainings: step t uses
    min(decay, (1 + t) / (10 + t)), so that the initial weights are forgotten at once; the first step is t = ``first_step``.
    """

    def __init__(self, model: ModuleT, decay: float = 0.999, warmup: bool = False, first_step: int = 1) -> None:
        """Start from a copy of ``model``, which is then followed; ``decay`` is in [0, 1)."""
        assert 0 <= decay < 1, f"decay {decay} is outside [0, 1)"
        self.decay = decay
        self.warmup = warmup
        self.first_step = first_step
        self.steps = 0
        self.model: ModuleT = copy.deepcopy(model).eval().requires_grad_(False)
        self._averages = [*self.model.parameters(), *self.model.buffers()]
        self._followed = model
        self._parameters = list(model.parameters())

    def decay_at(self, step: int) -> float:
        """Return the decay of step t."""
        return min(self.decay, (1 + step) / (10 + step)) if self.warmup else self.decay

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after one training step."""
        averages, values = [], []
        current = [*self._parameters, *self._followed.buffers()]  # a network may replace its buffers
        for average, value in zip(self._averages, current, strict=True):
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1.0 - self.decay_at(self.first_step + self.steps))
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state of a checkpoint: number of steps and averaged tensors."""
        return {"steps": self.steps, "model": self.model.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.steps = int(state["steps"])
        self.model.load_state_dict(state["model"])
