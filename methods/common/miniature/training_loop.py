"""The one training loop of the miniature parts: resumable bit for bit on CPU, schedule tied to the step budget."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from methods.common.stage import Config, Context


class OptimizerConfig(Config):
    """AdamW with a warm-up, a flat part, and a cosine to zero at the last step."""

    num_steps: int = Field(ge=1)
    """Training steps."""
    batch_size: int = Field(ge=1)
    """Pictures per step."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's decay of matrices; vectors are not decayed."""
    beta2: float = Field(default=0.99, gt=0, lt=1)
    """AdamW's second moment decay; the first is 0.9."""
    warmup_steps: int = Field(default=50, ge=0)
    """Linear warm-up."""
    cosine_from: float = Field(default=0.4, ge=0, le=1)
    """Share of the steps after which the cosine starts."""
    max_gradient_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""

    def rate_at(self, step: int) -> float:
        """Return the learning rate of step ``step``, counted from 0."""
        warm = min(1.0, (step + 1) / (self.warmup_steps + 1))
        start = self.cosine_from * self.num_steps
        share = min(1.0, max(0.0, (step - start) / max(1.0, self.num_steps - start)))
        return self.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass
class Training:
    """What changes while training: networks, their averages, the optimiser's state."""

    networks: Mapping[str, nn.Module]
    config: OptimizerConfig
    ema_decay: float = 0.0
    """0 keeps no averages."""

    def __post_init__(self) -> None:
        parameters = [p for network in self.networks.values() for p in network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.parameters = parameters
        self.optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, self.config.beta2), fused=True)
        self.averages = [p.detach().clone() for p in parameters] if self.ema_decay else []

    def apply(self, loss: Tensor, step: int) -> None:
        """Take one optimiser step from a loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.config.max_gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate_at(step)
        self.optimizer.step()
        if self.averages:
            # The average forgets its start quickly: decay grows to its final value.
            decay = min(self.ema_decay, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1.0 - decay)

    def use_averages(self) -> None:
        """Put the averages into the networks; do this once, at the end."""
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.averages, strict=True):
                parameter.copy_(average)

    def state(self) -> dict[str, Any]:
        """Return all that a restart needs."""
        networks = {name: network.state_dict() for name, network in self.networks.items()}
        return {"networks": networks, "optimizer": self.optimizer.state_dict(), "averages": self.averages}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a state that :meth:`state` returned."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for average, saved in zip(self.averages, state["averages"], strict=True):
                average.copy_(saved)


@dataclass(frozen=True)
class TrainingLog:
    """How a training went."""

    losses: list[float]
    """Mean loss of each twentieth of the steps."""
    cpu_seconds: float
    """Processor time of all attempts together, as far as checkpoints kept it."""


def train(training: Training, loss_of_step: Callable[[int], Tensor], context: Context) -> TrainingLog:
    """Run all steps, from the newest checkpoint where there is one.

    Args:
        training: networks in training mode, on the context's device.
        loss_of_step: the loss of step i, drawn only from i and the context's seeds.
        context: checkpoints and progress.
    """
    started, before = time.process_time(), 0.0
    total = training.config.num_steps
    found = context.checkpoints.load()
    first, sums = 0, [0.0] * 20
    if found is not None:
        first, state = found
        training.load(state["training"])
        sums = [float(value) for value in state["sums"]]
        before = float(state["cpu_seconds"])
    for step in range(first, total):
        loss = loss_of_step(step)
        training.apply(loss, step)
        sums[step * 20 // total] += float(loss.detach())
        context.progress(step + 1, total, loss=float(loss.detach()))
        if context.checkpoint_due() or step + 1 == total:
            spent = before + time.process_time() - started
            context.checkpoints.save(step + 1, {"training": training.state(), "sums": sums, "cpu_seconds": spent})
    counts = [sum(1 for step in range(total) if step * 20 // total == part) for part in range(20)]
    losses = [value / count for value, count in zip(sums, counts, strict=True) if count]
    return TrainingLog(losses, before + time.process_time() - started)
