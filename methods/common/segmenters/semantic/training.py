"""Training of a semantic segmenter: goes on bit for bit after an interruption, alone or in a team.

Shape legend: N images of this process, H, W pixels; 3 RGB.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from torch import Tensor

from methods.common.datasets.labelled_images import IGNORED, LabelledImages
from methods.common.errors import InputError
from methods.common.segmenters.image_order import ImageOrder
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.segmenters.semantic.training_images import TrainingCrops
from methods.common.stage import Context
from methods.common.training.batch_norm import batch_norms
from methods.common.training.batch_shard import BatchShare, describe_shares
from methods.common.training.loop import Backward, Training, run_training, share_model
from methods.common.training.losses import Losses
from methods.common.training.micro_batches import loss_in_parts
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.sgd_recipe import SgdRecipe

Crops = tuple[Tensor, Tensor]
"""Images uint8 [N, 3, H, W] and labels uint8 [N, H, W]."""


def begin_training(
    model: SemanticSegmenter, recipe: PolyRecipe | SgdRecipe, context: Context
) -> Training[SemanticSegmenter, Crops]:
    """Make the state at the start of a training, on the context's device; collective."""
    share_model(model, context)
    share, dtype = BatchShare.of(context.team, recipe.batch_size), recipe.autocast_dtype(context.device)
    return Training(
        model,
        recipe.build_optimizer(model),
        recipe,
        partial(_add_gradients, model, context, share, num_parts(model, context), dtype),
        context.team,
        autocast=dtype,
    )


def num_parts(model: SemanticSegmenter, context: Context) -> int:
    """Return the parts of this process's images: one where a trained batch norm needs them all together."""
    return 1 if any(norm.training for norm in batch_norms(model)) else context.batch_parts


def _add_gradients(
    model: SemanticSegmenter,
    context: Context,
    share: BatchShare,
    parts: int,
    dtype: torch.dtype | None,
    batch: Crops,
    iteration: int,
    backward: Backward,
) -> Losses:
    image_N3HW, label_NHW = batch
    check_labels(label_NHW, model.num_classes)
    image_N3HW, label_NHW = image_N3HW.to(context.device).float(), label_NHW.to(context.device).long()

    def loss_of_part(rows: slice, part: BatchShare) -> Losses:
        generator = context.seeds.torch("training", "step", iteration)
        with torch.autocast(context.device.type, dtype, enabled=dtype is not None):
            losses = model.losses(image_N3HW[rows], label_NHW[rows], generator, part)
        return Losses.of(losses)

    return loss_in_parts(loss_of_part, share, parts, backward)


def train_segmenter(
    model: SemanticSegmenter,
    images: LabelledImages,
    augmentation: SemanticAugmentConfig,
    recipe: PolyRecipe | SgdRecipe,
    context: Context,
    num_workers: int = 0,
    order: ImageOrder | None = None,
    samples_before: int = 0,
) -> list[float]:
    """Train on all of ``recipe``, from the newest checkpoint where there is one; return the loss of each iteration; collective.

    Args:
        model: with the weights to start from; it is trained in place, on the context's device.
        images: what to train on.
        augmentation: what happens to them.
        recipe: optimiser and schedule.
        context: device, team, seeds (axis ``training``), checkpoints and progress.
        num_workers: processes that prepare images; the images do not depend on it.
        order: which image each sample shows; None for epochs.
        samples_before: of the training that this one goes on from; its own are numbered after them.

    Raises:
        InputError: an image or its labels cannot be used, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    crops = TrainingCrops(images, augmentation, context.seeds, order, samples_before)
    training = begin_training(model, recipe, context)
    share, last = BatchShare.of(context.team, recipe.batch_size), recipe.iterations
    if context.team.is_first:
        print(describe_shares(context.team, recipe.batch_size, num_parts(model, context)), file=sys.stderr)
    return run_training(training, range(last), lambda first: crops.batches(first, last, share, num_workers), context)


def check_labels(label_NHW: Tensor, num_classes: int) -> None:
    """Raise InputError unless all labels are below the number of classes, or ignored."""
    faulty = label_NHW[(label_NHW >= num_classes) & (label_NHW != IGNORED)]
    if len(faulty):
        raise InputError(
            f"the training labels hold {int(faulty[0])}, the segmenter has {num_classes} classes from 0 to {num_classes - 1}; "
            "set segmenter.num_classes, or mend the labels"
        )
