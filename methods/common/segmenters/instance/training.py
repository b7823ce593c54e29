"""Training of an instance segmenter on real images: goes on bit for bit after an interruption, alone or in a team.

Images are numbered ``iteration * batch_size + place``. Nothing depends on what was made before, so any worker makes any image and a
training goes on anywhere.

Shape legend: N images or instances, H, W pixels.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.segmenters.image_order import ImageOrder
from methods.common.segmenters.instance.augmentation import AugmentConfig, augment_image
from methods.common.segmenters.instance.instances import Instances
from methods.common.segmenters.instance.interface import InstanceSegmenter
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig, augment_short_side
from methods.common.segmenters.instance.training_images import Batch, InstanceImages, collate
from methods.common.stage import Context
from methods.common.training.batch_shard import BatchShare, describe_shares
from methods.common.training.batches import batches_of_share
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.grouped_recipe import GroupedRecipe
from methods.common.training.loop import Backward, Training, run_training, share_model
from methods.common.training.losses import Losses
from methods.common.training.recipe import TrainingRecipe
from methods.common.training.repeat_factor import RepeatFactorSampler, repeat_factors

Augmentation = AugmentConfig | ShortSideAugmentConfig


class AugmentedImages(Dataset[tuple[NDArray[np.uint8], Instances]]):
    """The endless sequence of augmented training images, by number."""

    def __init__(
        self,
        real: InstanceImages,
        augmentation: Augmentation,
        repeat_threshold: float,
        seeds: Seeds,
        order: ImageOrder | None = None,
        before: int = 0,
    ) -> None:
        """Begin the endless order of images.

        Args:
            real: the images.
            augmentation: what happens to each.
            repeat_threshold: of images with rare classes, where no order is given.
            seeds: of the training.
            order: which image each sample shows; None for epochs that repeat rare classes.
            before: samples of an earlier training, after which these are numbered.
        """
        self.real, self.augmentation, self.seeds, self.before = real, augmentation, seeds, before
        self.order = order or _epochs_of_rare_classes(real, repeat_threshold, seeds)

    def __getitem__(self, number: int) -> tuple[NDArray[np.uint8], Instances]:
        """Make training image ``number``: uint8 RGB (H, W, 3), and its instances."""
        image_HW3, instances = self.real[self.order.image_index(number)]
        rng = self.seeds.numpy("training", "image", number)
        if isinstance(self.augmentation, ShortSideAugmentConfig):
            return augment_short_side(image_HW3, instances, rng, self.augmentation)
        return augment_image(image_HW3, instances, rng, self.augmentation)

    def batches(self, first: int, last: int, share: BatchShare, num_workers: int) -> Iterator[Batch]:
        """Yield a share of the batch of each iteration in [first, last)."""
        return batches_of_share(self, collate, share, range(first, last), num_workers, self.before)


def _epochs_of_rare_classes(real: InstanceImages, threshold: float, seeds: Seeds) -> ImageOrder:
    classes_by_image = [real.classes(index) for index in range(len(real))]
    return RepeatFactorSampler(repeat_factors(classes_by_image, threshold), seeds.derive("training", "order"))


def begin_training(
    model: InstanceSegmenter, recipe: TrainingRecipe | GroupedRecipe, context: Context, frozen: Sequence[str] = ()
) -> Training[InstanceSegmenter, Batch]:
    """Make the state at the start of a training, on the context's device; collective. A :class:`TrainingRecipe` averages.

    Parts named in ``frozen`` keep weights and statistics; see :func:`train_segmenter`.
    """
    freeze(share_model(model, context), frozen)
    average = (
        ExponentialMovingAverage(model, recipe.ema_decay, recipe.ema_warmup)
        if isinstance(recipe, TrainingRecipe)
        else None
    )
    dtype = recipe.autocast_dtype(context.device)
    share = BatchShare.of(context.team, recipe.batch_size)
    add_gradients = partial(_add_gradients, model, context, share, dtype)
    return Training(model, recipe.build_optimizer(model), recipe, add_gradients, context.team, average, dtype)


def freeze(model: InstanceSegmenter, parts: Sequence[str]) -> None:
    """Keep parts of a network as they are, statistics of batch norms too.

    Args:
        model: in training mode.
        parts: attributes of the network, such as ``backbone``.

    Raises:
        InputError: there is no such part, or nothing would be left to train.
    """
    known = {name for name, _ in model.named_children()}
    for part in parts:
        if part not in known:
            raise InputError(
                f"{type(model).__name__} has no part {part!r} to freeze; it consists of {', '.join(sorted(known))}"
            )
        model.get_submodule(part).eval().requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(f"{' and '.join(parts)} are all of {type(model).__name__}; leave a part to train")


def _add_gradients(
    model: InstanceSegmenter,
    context: Context,
    share: BatchShare,
    dtype: torch.dtype | None,
    batch: Batch,
    iteration: int,
    backward: Backward,
) -> Losses:
    return model.add_gradients(
        batch.image_over(context.team, context.device),
        [target.to(context.device) for target in batch.targets],
        context.seeds.torch("training", "step", iteration),
        batch.image_sizes,
        dtype,
        share,
        context.batch_parts,
        backward,
    )


def train_segmenter(
    model: InstanceSegmenter,
    real: InstanceImages,
    augmentation: Augmentation,
    recipe: TrainingRecipe | GroupedRecipe,
    context: Context,
    num_workers: int = 0,
    order: ImageOrder | None = None,
    samples_before: int = 0,
    frozen: Sequence[str] = (),
) -> tuple[InstanceSegmenter, list[float]]:
    """Train from the newest checkpoint, or from the start, to the end of the recipe; collective.

    Args:
        model: with the weights to start from.
        real: the images.
        augmentation: what happens to each.
        recipe: optimiser, schedule and batch.
        context: device, team, seeds, checkpoints and progress.
        num_workers: processes that prepare images; the images do not depend on it.
        order: which image each sample shows; None for that of the recipe.
        samples_before: of the training that this one goes on from; its own are numbered after them.
        frozen: parts of the network that stay as they are.

    Returns:
        The network, the averaged one where the recipe averages, and the loss of each iteration.

    Raises:
        InputError: an image cannot be read, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    threshold = recipe.repeat_threshold if isinstance(recipe, TrainingRecipe) else 0.0
    images = AugmentedImages(real, augmentation, threshold, context.seeds, order, samples_before)
    model.set_class_counts(image_counts(real))
    training = begin_training(model, recipe, context, frozen)
    share, last = BatchShare.of(context.team, recipe.batch_size), recipe.iterations
    if context.team.is_first:
        print(describe_shares(context.team, recipe.batch_size, context.batch_parts), file=sys.stderr)
    losses = run_training(training, range(last), lambda first: images.batches(first, last, share, num_workers), context)
    return training.averaged, losses


def image_counts(real: InstanceImages) -> list[int]:
    """Return in how many training images each class occurs, in the order of the class indices."""
    counts = [0] * real.num_classes
    for index in range(len(real)):
        for found in set(real.classes(index)):
            counts[found] += 1
    return counts
