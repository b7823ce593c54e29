"""The whole state of a training: network, average, optimiser, loss scale, counters; and one step of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from methods.common.errors import InputError
from methods.common.segmenters.centernet2.backbone_weights import load_backbone_weights
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.stage import Context, Inputs
from methods.common.state_file import load_state, save_state
from methods.common.training.ema import ExponentialMovingAverage

if TYPE_CHECKING:
    from methods.mrca.stages.train import TrainConfig
    from methods.mrca.stages.training_data import Batch


@dataclass
class TrainingState:
    """What a step changes."""

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
        """Train on one batch and return the loss.

        Raises:
            InputError: the loss is not finite; the weights of the step before are in the newest checkpoint.
        """
        recipe = self.config.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate(iteration)
        losses = self.model.losses(
            batch.image_NCHW.to(context.device).float(),
            [target.to(context.device) for target in batch.targets],
            context.seeds.torch("training", self.config.phase, "step", iteration),
            image_sizes=batch.image_sizes,
            backbone_dtype=recipe.autocast_dtype(context.device),
        )
        loss = torch.stack(list(losses.values())).sum()
        value = loss.item()
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss is {value} at iteration {iteration} of phase {self.config.phase}; lower recipe.base_lr or look at the data"
            )
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.unscale_(self.optimizer)
        if recipe.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.model.parameters(), recipe.clip_value)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update(self.model)
        self.iterations_total += 1
        return value

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
