"""The one training loop of the miniature parts: resumable bit for bit on CPU, schedule tied to the step budget."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from methods.common.miniature.training_configs import OptimizerConfig
from methods.common.stage import Context


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
