"""Training of the networks that the miniature parts are made of."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from methods.common.miniature.training_configs import OptimizerConfig
from methods.common.stage import Context
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.loop import Backward, Training, run_training, share_model
from methods.common.training.losses import Losses

_NUM_MEANS = 20


class ProcessorTime:
    """Processor time of all attempts at a training together, as far as checkpoints kept it."""

    def __init__(self) -> None:
        self._before, self._started = 0.0, time.process_time()

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return self._before + time.process_time() - self._started

    def state_dict(self) -> dict[str, float]:
        """Return what a checkpoint keeps."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Count what an earlier attempt spent."""
        self._before = float(state["seconds"])


@dataclass(frozen=True)
class Trained:
    """What came out of a training."""

    networks: Mapping[str, Any]
    """The networks by name, with averaged weights where averages were asked for."""
    losses: list[float]
    """Mean loss of each twentieth of the steps."""
    cpu_seconds: float
    """Processor time of all attempts together, as far as checkpoints kept it."""


def train_networks(
    networks: Mapping[str, nn.Module],
    config: OptimizerConfig,
    loss_of_step: Callable[[int], Tensor],
    context: Context,
    ema_decay: float = 0.0,
) -> Trained:
    """Run all steps, from the newest checkpoint where there is one.

    Args:
        networks: trained in place; those of their parameters that need a gradient.
        config: steps and rates.
        loss_of_step: the loss of step i, drawn only from i and the context's seeds.
        context: device, checkpoints and progress.
        ema_decay: of the averaged weights; 0 keeps none.

    Raises:
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    model = share_model(nn.ModuleDict(networks), context)

    def add_gradients(step: int, iteration: int, backward: Backward) -> Losses:
        loss = loss_of_step(step)
        backward(loss)
        return Losses(loss.detach())

    average = ExponentialMovingAverage(model, ema_decay, warmup=True, first_step=0) if ema_decay else None
    time_spent = ProcessorTime()
    others = {"processor_time": time_spent}
    optimizer = config.build_optimizer(model)
    training = Training(model, optimizer, config, add_gradients, average=average, others=others)
    steps = range(config.num_steps)
    losses = run_training(training, steps, lambda first: steps[first:], context)
    return Trained(dict(training.averaged.items()), _means(losses), time_spent.seconds)


def _means(losses: list[float]) -> list[float]:
    """Return the mean of each twentieth; of fewer losses than that, each."""
    sums, counts = [0.0] * _NUM_MEANS, [0] * _NUM_MEANS
    for step, loss in enumerate(losses):
        part = step * _NUM_MEANS // len(losses)
        sums[part] += loss  # one by one, as `sum` rounds in another way from Python 3.12 on
        counts[part] += 1
    return [value / count for value, count in zip(sums, counts, strict=True) if count]
