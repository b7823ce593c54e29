"""Training of an AffinityNet: goes on bit for bit after an interruption, alone or in a team.

Shape legend: N images of this process, S side in pixels, s in cells; 3 RGB.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from methods.common.stage import Context
from methods.common.training.batch_shard import BatchShare
from methods.common.training.loop import Backward, Training, run_training, share_model
from methods.common.training.losses import Losses
from methods.common.training.micro_batches import loss_in_parts
from methods.diffumask_robust.affinity.crops import AffinityCrops
from methods.diffumask_robust.affinity.loss import affinity_loss, pair_labels
from methods.diffumask_robust.affinity.network import AffinityNet
from methods.diffumask_robust.affinity.pairs import affinities
from methods.diffumask_robust.affinity.recipe import AffinityRecipe

Crops = tuple[Tensor, Tensor]
"""Images uint8 [N, 3, S, S] and labels of their cells uint8 [N, s, s]."""


def train_affinity_net(
    model: AffinityNet, crops: AffinityCrops, recipe: AffinityRecipe, context: Context, num_workers: int = 0
) -> list[float]:
    """Train on all of the recipe, from the newest checkpoint where there is one; return the loss of each iteration; collective.

    Args:
        model: with the weights to start from; it is trained in place, on the context's device.
        crops: what to train on.
        recipe: with a length.
        context: device, team, seeds (axis ``training``), checkpoints and progress.
        num_workers: processes that prepare crops; the crops do not depend on it.

    Raises:
        InputError: an image cannot be used, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    share_model(model, context)
    share = BatchShare.of(context.team, recipe.batch_size)
    add_gradients = partial(_add_gradients, model, context, share)
    training: Training[AffinityNet, Crops] = Training(
        model, recipe.build_optimizer(model), recipe, add_gradients, context.team
    )
    assert recipe.iterations is not None, "the length of the training is not known yet"
    last = recipe.iterations
    return run_training(training, range(last), lambda first: crops.batches(first, last, share, num_workers), context)


def _add_gradients(
    model: AffinityNet, context: Context, share: BatchShare, batch: Crops, iteration: int, backward: Backward
) -> Losses:
    image_N3SS, label_Nss = (part.to(context.device) for part in batch)
    radius, border = model.config.radius, model.config.border

    def loss_of_part(rows: slice, part: BatchShare) -> Losses:
        generator = context.seeds.torch("training", "step", iteration)
        with model.dropping(generator, part, context.device):
            feature = model(image_N3SS[rows]).feature_NChw
        labels = pair_labels(label_Nss[rows], radius, border)
        return Losses.of(affinity_loss(affinities(feature, radius, border), labels, part))

    return loss_in_parts(loss_of_part, share, context.batch_parts, backward)
