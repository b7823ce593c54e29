"""The one training loop: a step, exact resumption, a team of processes, and losses that are not finite.

Learning rates, batches and random draws of an iteration are pure functions of its number. So what a step changes, and the losses
so far, are all that a checkpoint holds, and an interrupted training ends with the bits of one that was not.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from methods.common.errors import NotFiniteError
from methods.common.stage import Context
from methods.common.state_file import state_from_bytes, state_to_bytes
from methods.common.training.batch_norm import RunningStatistics, batch_norms
from methods.common.training.distributed import ALONE, Team
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.history import History
from methods.common.training.live_curves import LiveCurves, live_curves
from methods.common.training.losses import Losses
from methods.common.training.recipe import Recipe

ModelT = TypeVar("ModelT", bound=nn.Module)
BatchT = TypeVar("BatchT")
Backward = Callable[[Tensor], None]
"""Runs the backward pass of a loss."""


class Stateful(Protocol):
    """Something that a step changes."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return all of it as a tree of tensors, numbers and text."""

    def load_state_dict(self, state: Any, /) -> object:
        """Go on from what :meth:`state_dict` returned."""


@dataclass(frozen=True)
class StepNumbers:
    """What one step tells of itself; every number that a record of a training is to hold passes here."""

    loss: float
    """Of the whole batch."""
    parts: Mapping[str, float]
    """The named parts that add up to it, weighted; empty where the training does not name any."""
    gradient_norm: Tensor | None = None
    """2-norm of all gradients of the whole batch before clipping, a scalar on the network's device; None before they are summed."""

    @classmethod
    def over(cls, team: Team, losses: Losses) -> StepNumbers:
        """Add up the losses of all processes; collective."""
        values = torch.stack([losses.total, *losses.parts.values()])
        team.sum_(values[:1])  # by itself: the order in which a sum is formed may depend on the length
        if losses.parts:
            team.sum_(values[1:])
        loss, *parts = values.tolist()
        return cls(loss, dict(zip(losses.parts, parts, strict=True)))


@dataclass
class Training(Generic[ModelT, BatchT]):
    """A network in training, with all that a step changes; the same in every process of a team.

    Several networks that one optimiser trains are one ``nn.ModuleDict``. What is not trained is no part of it.
    """

    model: ModelT
    """As :func:`share_model` left it."""
    optimizer: torch.optim.Optimizer
    """Over the parameters to train."""
    recipe: Recipe
    """Learning rates and clipping."""
    add_gradients: Callable[[BatchT, int, Backward], Losses]
    """Adds the gradients of this process's share of an iteration's batch, by one or more calls of the function that it is
    given, and returns the share's loss without gradients. It draws only from seeds and the number of the iteration."""
    team: Team = ALONE
    """The processes that share each batch."""
    average: ExponentialMovingAverage[ModelT] | None = None
    """Follows the network after each step."""
    autocast: torch.dtype | None = None
    """Autocast type of the network. The loss of a float16 one is scaled, as float16 has too few exponents for small gradients."""
    others: Mapping[str, Stateful] = field(default_factory=dict)
    """What else a training goes on from, by name. A step whose loss is not finite does not undo what it did to them."""
    where: str = ""
    """Follows the number of the iteration in messages, as in " of phase warm_up"."""

    def __post_init__(self) -> None:
        self._parameters = list(self.model.parameters())
        device = self._parameters[0].device.type
        self.scaler = torch.amp.GradScaler(device, enabled=self.autocast is torch.float16)
        self._statistics = RunningStatistics(self.model)

    @property
    def averaged(self) -> ModelT:
        """The averaged network where there is one, else the network itself."""
        return self.model if self.average is None else self.average.model

    def step(self, batch: BatchT, iteration: int) -> StepNumbers:
        """Train on this process's share of a batch; collective.

        Raises:
            NotFiniteError: the loss is not finite, in every process alike. The state is that of the step before.
        """
        self._statistics.keep()
        self.optimizer.zero_grad(set_to_none=True)
        numbers = StepNumbers.over(self.team, self.add_gradients(batch, iteration, self._backward))
        if not math.isfinite(numbers.loss):
            self._statistics.restore()
            raise NotFiniteError(
                f"the loss is {numbers.loss} at iteration {iteration}{self.where}; lower {self.recipe.rate_setting} or look at "
                "the training images"
            )
        self.team.sum_gradients(self._parameters)
        self.recipe.set_rates(self.optimizer, iteration)
        self.scaler.unscale_(self.optimizer)
        norm = _total_norm(self._parameters)
        self.recipe.clip_gradients(self._parameters)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update()
        return replace(numbers, gradient_norm=norm)

    def _backward(self, loss: Tensor) -> None:
        torch.autograd.backward(self.scaler.scale(loss))

    @property
    def _stateful(self) -> dict[str, Stateful]:
        average = {} if self.average is None else {"average": self.average}
        return {"model": self.model, **average, "optimizer": self.optimizer, "scaler": self.scaler, **self.others}

    def to_tree(self) -> dict[str, Any]:
        """Everything as a tree of tensors and numbers."""
        return {name: part.state_dict() for name, part in self._stateful.items()}

    def load(self, tree: Mapping[str, Any]) -> None:
        """Go on from what :meth:`to_tree` returned."""
        for name, part in self._stateful.items():
            part.load_state_dict(tree[name])


def share_model(model: ModelT, context: Context) -> ModelT:
    """Put a network on the context's device, in training mode, with the first process's weights in every process; collective."""
    model = model.to(context.device).train()
    for tensor in model.state_dict().values():
        context.team.copy_first_(tensor)
    for norm in batch_norms(model):
        norm.team = context.team
    return model


def _total_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the 2-norm of all gradients together, without waiting for the device.

    ``foreach`` is torch's default on GPUs alone; on CPUs it takes a third less time.
    """
    gradients = [one.grad for one in parameters if one.grad is not None]
    return nn.utils.get_total_norm(gradients, foreach=True).detach()


def run_training(
    training: Training[ModelT, BatchT],
    iterations: range,
    batches_from: Callable[[int], Iterable[BatchT]],
    context: Context,
) -> list[float]:
    """Train, from the newest checkpoint where there is one; return the loss of each iteration; collective.

    Args:
        training: at its start; it is changed in place.
        iterations: numbers of the iterations, without gaps.
        batches_from: yields this process's share of the batch of each iteration from a given one to the last.
        context: team, checkpoints and progress.

    Raises:
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    with live_curves(context.curves if context.team.is_first else None, iterations.start) as live:
        return _run(training, iterations, batches_from, context, live)


def _run(
    training: Training[ModelT, BatchT],
    iterations: range,
    batches_from: Callable[[int], Iterable[BatchT]],
    context: Context,
    live: LiveCurves | None,
) -> list[float]:
    """Train; see :func:`run_training`."""
    history = _go_on(training, context, live)
    left = iterations[len(history) :]
    context.progress(len(history), len(iterations), "iterations")
    for iteration, batch in zip(left, batches_from(left.start), strict=True):
        try:
            numbers = training.step(batch, iteration)
        except NotFiniteError:
            _save(training, history, context)
            raise
        assert numbers.gradient_norm is not None, "the step is done"
        history.add(numbers.loss, numbers.parts, training.recipe.rate_at(iteration), numbers.gradient_norm)
        if context.checkpoint_due():
            _save(training, history, context)
        context.progress(len(history), len(iterations), "iterations", loss=numbers.loss)
    if context.team.is_first:
        history.write(context.out, iterations.start)
    return history.losses


def _go_on(training: Training[Any, Any], context: Context, live: LiveCurves | None) -> History:
    """Go on from the newest checkpoint that the first process finds; return the history so far."""
    history = History(context.device, live)
    tree = _newest_state(training, context) if context.team.is_first else None
    if context.team.size > 1:  # a shared file system may show an older folder on another node
        tree = state_from_bytes(context.team.agree_bytes(state_to_bytes(tree)))
    if tree is not None:
        training.load(tree["training"])
        history.load(tree.get("history"), tree["losses"])
    return history


def _newest_state(training: Training[Any, Any], context: Context) -> dict[str, Any] | None:
    """Read the newest checkpoint; one of another layout is of other code, and all that are there are forgotten."""
    found = context.checkpoints.load()
    if found is None:
        return None
    step, tree = found
    if tree.keys() - {"history"} == {"training", "losses"} and tree["training"].keys() >= training.to_tree().keys():
        state: dict[str, Any] = tree
        return state
    print(f"the checkpoint after {step} iterations is of another layout; the training starts over", file=sys.stderr)
    context.checkpoints.clear()
    return None


def _save(training: Training[Any, Any], history: History, context: Context) -> None:
    if context.team.is_first:
        parts = {"training": training.to_tree(), "losses": history.losses, "history": history.to_tree()}
        context.checkpoints.save(len(history), parts)
    context.team.barrier()
