"""Training of a semantic segmenter: goes on bit for bit after an interruption, alone or in a team.

Learning rate, images and random draws of an iteration are pure functions of its number, so network, optimiser, loss scale and
the losses so far are all that a checkpoint holds.

Shape legend: N images of this process, H, W pixels; 3 RGB.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from methods.common.datasets.labelled_images import IGNORED, LabelledImages
from methods.common.errors import InputError, NotFiniteError
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.segmenters.semantic.training_images import TrainingCrops
from methods.common.stage import Context
from methods.common.state_file import state_from_bytes, state_to_bytes
from methods.common.training.batch_norm import RunningStatistics, batch_norms
from methods.common.training.batch_shard import BatchShare, describe_shares
from methods.common.training.gradients import sum_gradients
from methods.common.training.micro_batches import loss_in_parts
from methods.common.training.poly_recipe import PolyRecipe


@dataclass
class Trainer:
    """What a step changes; the same in every process of a team."""

    model: SemanticSegmenter
    recipe: PolyRecipe
    context: Context
    optimizer: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    share: BatchShare

    @classmethod
    def begin(cls, model: SemanticSegmenter, recipe: PolyRecipe, context: Context) -> Trainer:
        """Put a network on the context's device, with the first process's weights in every process."""
        share = BatchShare.of(context.team, recipe.batch_size)
        model = model.to(context.device).train()
        for tensor in model.state_dict().values():
            context.team.copy_first_(tensor)
        for norm in batch_norms(model):
            norm.team = context.team
        uses_float16 = recipe.autocast_dtype(context.device) is torch.float16
        scaler = torch.amp.GradScaler(context.device.type, enabled=uses_float16)
        return cls(model, recipe, context, recipe.build_optimizer(model), scaler, share)

    @property
    def num_parts(self) -> int:
        """Parts of this process's images: one where a trained batch norm needs them all together."""
        return 1 if any(norm.training for norm in batch_norms(self.model)) else self.context.batch_parts

    def step(self, image_N3HW: Tensor, label_NHW: Tensor, iteration: int) -> float:
        """Train on this process's share of a batch, and return the loss of all of it; collective.

        Raises:
            NotFiniteError: the loss is not finite, in every process alike. The state is that of the step before.
        """
        before = RunningStatistics(self.model)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.context.team.sum_(self._add_gradients(image_N3HW, label_NHW, iteration)).item()
        if not math.isfinite(loss):
            before.restore()
            raise NotFiniteError(
                f"the loss is {loss} at iteration {iteration}; lower recipe.base_lr or look at the training images"
            )
        sum_gradients(self.model.parameters(), self.context.team)
        self.recipe.set_rates(self.optimizer, iteration)
        self.scaler.unscale_(self.optimizer)
        if self.recipe.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.max_gradient_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def _add_gradients(self, image_N3HW: Tensor, label_NHW: Tensor, iteration: int) -> Tensor:
        device, dtype = self.context.device, self.recipe.autocast_dtype(self.context.device)
        image = image_N3HW.to(device).float()
        label = label_NHW.to(device).long()

        def loss_of_part(rows: slice, share: BatchShare) -> Tensor:
            generator = self.context.seeds.torch("training", "step", iteration)
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                losses = self.model.losses(image[rows], label[rows], generator, share)
            return torch.stack([loss.float() for loss in losses.values()]).sum()

        return loss_in_parts(
            loss_of_part,
            self.share,
            self.num_parts,
            lambda loss: torch.autograd.backward(self.scaler.scale(loss)),
        )

    def to_tree(self) -> dict[str, Any]:
        """Everything as a tree of tensors and numbers."""
        return {
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load(self, tree: dict[str, Any]) -> None:
        """Go on from what :meth:`to_tree` returned."""
        self.model.load_state_dict(tree["model"])
        self.optimizer.load_state_dict(tree["optimizer"])
        self.scaler.load_state_dict(tree["scaler"])


def train_segmenter(
    model: SemanticSegmenter,
    images: LabelledImages,
    augmentation: SemanticAugmentConfig,
    recipe: PolyRecipe,
    context: Context,
    num_workers: int = 0,
) -> list[float]:
    """Train on all of ``recipe``, from the newest checkpoint where there is one; return the loss of each iteration; collective.

    Args:
        model: with the weights to start from; it is trained in place, on the context's device.
        images: what to train on.
        augmentation: what happens to them.
        recipe: optimiser and schedule.
        context: device, team, seeds (axis ``training``), checkpoints and progress.
        num_workers: processes that prepare images; the images do not depend on it.

    Raises:
        InputError: an image or its labels cannot be used, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    crops = TrainingCrops(images, augmentation, context.seeds)
    trainer = Trainer.begin(model, recipe, context)
    if context.team.is_first:
        print(describe_shares(context.team, recipe.batch_size, trainer.num_parts), file=sys.stderr)
    losses = _go_on(trainer, context)
    first = len(losses)
    context.progress(first, recipe.iterations, "iterations")
    batches = crops.batches(first, recipe.iterations, trainer.share, num_workers)
    for iteration, (image_N3HW, label_NHW) in zip(range(first, recipe.iterations), batches, strict=True):
        try:
            check_labels(label_NHW, model.num_classes)
            losses.append(trainer.step(image_N3HW, label_NHW, iteration))
        except NotFiniteError:
            _save(trainer, losses, context)
            raise
        if context.checkpoint_due():
            _save(trainer, losses, context)
        context.progress(len(losses), recipe.iterations, "iterations", loss=losses[-1])
    return losses


def check_labels(label_NHW: Tensor, num_classes: int) -> None:
    """Raise InputError unless all labels are below the number of classes, or ignored."""
    faulty = label_NHW[(label_NHW >= num_classes) & (label_NHW != IGNORED)]
    if len(faulty):
        raise InputError(
            f"the training labels hold {int(faulty[0])}, the segmenter has {num_classes} classes from 0 to {num_classes - 1}; "
            "set segmenter.num_classes, or mend the labels"
        )


def _go_on(trainer: Trainer, context: Context) -> list[float]:
    """Go on from the newest checkpoint that the first process finds; return the losses so far."""
    found = context.checkpoints.load() if context.team.is_first else None
    tree: dict[str, Any] | None = None if found is None else found[1]
    if context.team.size > 1:  # a shared file system may show an older folder on another node
        tree = state_from_bytes(context.team.agree_bytes(state_to_bytes(tree)))
    if tree is None:
        return []
    trainer.load(tree["training"])
    losses: list[float] = tree["losses"]
    return losses


def _save(trainer: Trainer, losses: list[float], context: Context) -> None:
    if context.team.is_first:
        context.checkpoints.save(len(losses), {"training": trainer.to_tree(), "losses": losses})
    context.team.barrier()
