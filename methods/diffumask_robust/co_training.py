"""Two networks that train each other with one optimiser, on the common training loop (section 6).

The baselines of section 6.5: *mask-only* is ``loss.co_training=0``; one network on all labels is :func:`begin_plain_training`.

Shape legend: B images of the whole batch, N images of this process, H, W pixels, K classes; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from methods.common.seeds import Seeds
from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.segmenters.deeplab.model import DeepLab
from methods.common.segmenters.semantic.averaged import AveragedSegmenter
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.segmenters.semantic.training import check_labels, num_parts
from methods.common.stage import Context
from methods.common.training.batch_shard import BatchShare
from methods.common.training.loop import Backward, Training, run_training, share_model
from methods.common.training.losses import Losses
from methods.common.training.micro_batches import loss_in_parts
from methods.diffumask_robust.co_training_config import CoTrainingConfig
from methods.diffumask_robust.colours import ColourConfig, change_colours
from methods.diffumask_robust.losses import online_labels, robust_losses
from methods.diffumask_robust.mixing import Labels, MixedBatch, mix_batch
from methods.diffumask_robust.schedule import RobustRecipe
from methods.diffumask_robust.warm_up import warm_up_iterations

if TYPE_CHECKING:
    from collections.abc import Iterator

TrustedCrops = tuple[Tensor, Tensor, Tensor]
"""Images uint8 [N, 3, H, W], labels uint8 [N, H, W] and where they are trusted, bool [N, H, W]."""


def build_pair(config: DeepLabConfig, seeds: Seeds) -> AveragedSegmenter:
    """Build two networks of the same backbone weights and of heads that are drawn independently (section 6.2).

    Published backbone weights go into both, by ``take_published_backbone`` of each.
    """
    one, two = (DeepLab(config, seeds.torch("training", "initial weights", number)) for number in (1, 2))
    two.encoder.load_state_dict(one.encoder.state_dict())
    return AveragedSegmenter({"network1": one, "network2": two})


def begin_co_training(
    pair: AveragedSegmenter, num_images: int, config: CoTrainingConfig, context: Context
) -> Training[AveragedSegmenter, TrustedCrops]:
    """Make the state at the start of a training, on the context's device; collective.

    Args:
        pair: what :func:`build_pair` returned.
        num_images: of the training data; an epoch of them may be the warm-up.
        config: how they are trained.
        context: device, team and seeds (axis ``training``).
    """
    share_model(pair, context)
    recipe = config.recipe
    step = _Step(
        pair,
        config,
        context,
        BatchShare.of(context.team, recipe.batch_size),
        warm_up_iterations(recipe.iterations, num_images, recipe.batch_size, config.warm_up),
    )
    return Training(pair, recipe.build_optimizer(pair), recipe, step.add_gradients, context.team)


def train_pair(
    pair: AveragedSegmenter,
    num_images: int,
    batches_from: Callable[[int], Iterable[TrustedCrops]],
    config: CoTrainingConfig,
    context: Context,
) -> list[float]:
    """Train on all of the recipe, from the newest checkpoint where there is one; return the loss of each iteration; collective.

    Args:
        pair: with the weights to start from; it is trained in place.
        num_images: of the training data.
        batches_from: yields this process's share of the batch of each iteration from a given one to the last.
        config: how they are trained.
        context: device, team, seeds (axis ``training``), checkpoints and progress.

    Raises:
        InputError: a label is no class, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the last good step.
    """
    training = begin_co_training(pair, num_images, config, context)
    return run_training(training, range(config.recipe.iterations), batches_from, context)


def begin_plain_training(
    network: SemanticSegmenter, recipe: RobustRecipe, context: Context, colours: ColourConfig | None = None
) -> Training[SemanticSegmenter, TrustedCrops]:
    """Make the state at the start of the plain baseline: one network, all labels, nothing mixed, trust unread; collective.

    Source: section 6.5.
    """
    share_model(network, context)
    share, parts = BatchShare.of(context.team, recipe.batch_size), num_parts(network, context)

    def add_gradients(batch: TrustedCrops, iteration: int, backward: Backward) -> Losses:
        image, label = (part.to(context.device) for part in batch[:2])
        check_labels(label, network.num_classes)

        def loss_of_part(rows: slice, part: BatchShare) -> Losses:
            generator = context.seeds.torch("training", "step", iteration, 1)
            own = image[rows].float()
            if colours is not None:
                own = change_colours(own, colours, context.seeds, iteration, part.first)
            return Losses.of(network.losses(own, label[rows].long(), generator, part))

        return loss_in_parts(loss_of_part, share, parts, backward)

    return Training(network, recipe.build_optimizer(network), recipe, add_gradients, context.team)


class _Step:
    """The gradients of one iteration."""

    def __init__(
        self,
        pair: AveragedSegmenter,
        config: CoTrainingConfig,
        context: Context,
        share: BatchShare,
        warm_up: int,
    ) -> None:
        self._pair, self._config, self._context = pair, config, context
        self._share, self._warm_up = share, warm_up
        self._networks = [network for network in pair.each() if isinstance(network, DeepLab)]
        assert len(self._networks) == 2, "two DeepLabs are trained together"
        self._parts = num_parts(pair, context)

    def add_gradients(self, batch: TrustedCrops, iteration: int, backward: Backward) -> Losses:
        image, label, trusted = (part.to(self._context.device) for part in batch)
        check_labels(label, self._pair.num_classes)
        offline = Labels(label.long(), trusted)
        mixed = self._mixed(image.float(), offline, iteration)
        loss_of_part = partial(self._loss_of_part, mixed, iteration)
        return loss_in_parts(loss_of_part, self._share, self._parts, backward)

    def _mixed(self, image_N3HW: Tensor, offline: Labels, iteration: int) -> MixedBatch:
        """Mix the whole batch, in every process alike."""
        online = None
        if iteration >= self._warm_up:
            online = self._whole(Labels(*self._online(image_N3HW)))
        draws = self._context.seeds.numpy("training", "mixing", iteration)
        image_B3HW = self._share.gather(image_N3HW)
        return mix_batch(image_B3HW, self._whole(offline), online, self._config.mixing, draws)

    @torch.no_grad()
    def _online(self, image_N3HW: Tensor) -> tuple[Tensor, Tensor]:
        with _evaluated(self._pair):
            one, two = (network.scores(image_N3HW) for network in self._networks)
        return online_labels((one, two), self._config.mixing.confidence)

    def _whole(self, labels: Labels) -> Labels:
        trusted = self._share.gather(labels.trusted_NHW.long()).bool()
        return Labels(self._share.gather(labels.label_NHW), trusted)

    def _loss_of_part(self, mixed: MixedBatch, iteration: int, rows: slice, part: BatchShare) -> Losses:
        own = slice(part.first, part.first + part.count)
        image_N3HW = mixed.image_N3HW[own]
        if self._config.colours is not None:
            image_N3HW = change_colours(image_N3HW, self._config.colours, self._context.seeds, iteration, part.first)
        one, two = (
            network.training_scores(image_N3HW, self._context.seeds.torch("training", "step", iteration, number), part)
            for number, network in enumerate(self._networks, 1)
        )
        labels = mixed.labels
        losses = robust_losses(
            (one, two),
            labels.label_NHW[own],
            labels.trusted_NHW[own],
            mixed.boundary_NHW[own],
            self._config.loss,
            part,
        )
        return Losses.of(losses)


@contextmanager
def _evaluated(model: torch.nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode for a while."""
    model.eval()
    try:
        yield
    finally:
        model.train()
