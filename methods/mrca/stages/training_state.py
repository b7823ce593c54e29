"""The whole state of a training: network, average, optimiser, loss scale, counters; and one step of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from methods.common.errors import NotFiniteError
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.training import add_gradients
from methods.common.stage import Context, Inputs
from methods.common.state_file import load_state, save_state
from methods.common.training.batch_norm import RunningStatistics, batch_norms
from methods.common.training.batch_shard import BatchShare
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.gradients import sum_gradients

if TYPE_CHECKING:
    from methods.common.segmenters.instance.training_images import Batch
    from methods.mrca.stages.train import TrainConfig


@dataclass
class TrainingState:
    """What a step changes; the same in every process of a team.

    It is all that a training goes on from, together with the number of the iteration: learning rate, images and random draws
    of an iteration are pure functions of its number, so schedule, sampler and random states have nothing to save.
    """

    config: TrainConfig
    model: CenterNet2
    average: ExponentialMovingAverage[CenterNet2]
    optimizer: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    iterations_total: int
    """Steps that these weights have seen since random heads, over all phases."""

    @classmethod
    def begin(cls, inputs: Inputs, config: TrainConfig, image_counts: Sequence[int], context: Context) -> TrainingState:
        """Make the state at the start of a stretch, as ``config.start`` says."""
        model = CenterNet2(config.segmenter, context.seeds.torch("training", "initial weights"))
        total = 0
        if config.start == "scratch" and inputs.folders("backbone"):
            load_backbone_weights(model, inputs.folder("backbone"))
        if config.start == "weights":
            model = CenterNet2.from_pretrained(inputs.folder("start") / "model")
            total = int(inputs.record("start")["iterations_total"])
        model.set_class_counts(list(image_counts))
        model = model.to(context.device).train()
        for tensor in model.state_dict().values():
            context.team.copy_first_(tensor)
        for norm in batch_norms(model):
            norm.team = context.team
        uses_float16 = config.recipe.autocast_dtype(context.device) is torch.float16
        state = cls(
            config,
            model,
            ExponentialMovingAverage(model, config.recipe.ema_decay, config.recipe.ema_warmup),
            config.recipe.build_optimizer(model),
            torch.amp.GradScaler(context.device.type, enabled=uses_float16),
            total,
        )
        if config.start == "resume":
            state.load(load_state(inputs.folder("start") / "training.safetensors"))
        return state

    def step(self, batch: Batch, iteration: int, context: Context) -> float:
        """Train on one batch, of which ``batch`` is this process's share, and return the loss of all of it; collective.

        Raises:
            NotFiniteError: the loss is not finite, in every process alike. The state is that of the step before.
        """
        recipe = self.config.recipe
        before = RunningStatistics(self.model)
        self.optimizer.zero_grad(set_to_none=True)
        value = self._add_gradients(batch, iteration, context)
        if not math.isfinite(value):
            before.restore()
            raise NotFiniteError(
                f"the loss is {value} at iteration {iteration} of phase {self.config.phase}; lower recipe.base_lr or look at the data"
            )
        sum_gradients(self.model.parameters(), context.team)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate(iteration)
        self.scaler.unscale_(self.optimizer)
        if recipe.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.model.parameters(), recipe.clip_value)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update(self.model)
        self.iterations_total += 1
        return value

    def _add_gradients(self, batch: Batch, iteration: int, context: Context) -> float:
        """Run the backward pass of this process's images; return the loss of the whole batch."""
        loss = add_gradients(
            self.model,
            batch.image_over(context.team, context.device),
            [target.to(context.device) for target in batch.targets],
            context.seeds.torch("training", self.config.phase, "step", iteration),
            batch.image_sizes,
            self.config.recipe.autocast_dtype(context.device),
            BatchShare.of(context.team, self.config.recipe.batch_size),
            context.batch_parts,
            lambda part: torch.autograd.backward(self.scaler.scale(part)),
        )
        return context.team.sum_(loss).item()

    def to_tree(self) -> dict[str, Any]:
        """Everything as a tree of tensors and numbers."""
        return {
            "model": dict(self.model.state_dict()),
            "average": self.average.state(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "iterations_total": self.iterations_total,
        }

    def load(self, tree: dict[str, Any]) -> None:
        """Go on from what :meth:`to_tree` returned."""
        self.model.load_state_dict(tree["model"])
        self.average.load_state(tree["average"])
        self.optimizer.load_state_dict(tree["optimizer"])
        self.scaler.load_state_dict(tree["scaler"])
        self.iterations_total = int(tree["iterations_total"])

    def save(self, path: Path) -> None:
        """Write the tree to one file."""
        save_state(path, self.to_tree())
