"""The state of a training of CenterNet2 at the start of a stretch, and the gradients of its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.centernet2.extra_classes import with_extra_classes
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.pretrained import load_class_agnostic
from methods.common.segmenters.centernet2.training import add_gradients
from methods.common.segmenters.instance.training_images import Batch
from methods.common.stage import Context, Inputs
from methods.common.training.batch_shard import BatchShare
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.loop import Backward, Training, share_model
from methods.common.training.losses import Losses
from methods.mrca.stages.gate import Gate, GatedBatch

if TYPE_CHECKING:
    from methods.mrca.stages.train import TrainConfig


def begin_training(
    inputs: Inputs, config: TrainConfig, image_counts: Sequence[int], context: Context
) -> tuple[Training[CenterNet2, Any], Gate | None]:
    """Make the state of a network with random heads, or with the weights that ``config.start`` names; collective.

    Returns:
        The training, of batches or, where they are judged, of gated batches; and the gate that judges them.
    """
    model = CenterNet2(config.segmenter, context.seeds.torch("training", "initial weights"))
    if config.start == "scratch" and inputs.folders("backbone"):
        load_backbone_weights(model.backbone, inputs.folder("backbone"))
    if config.start == "scratch" and inputs.folders("pretrained"):
        load_class_agnostic(model, inputs.folder("pretrained"))
    if config.start == "weights":
        start = CenterNet2.from_pretrained(inputs.folder("start") / "model")
        extra = config.segmenter.extra_classes
        drawn = context.seeds.torch("training", "extra classes")
        model = with_extra_classes(start, config.segmenter, drawn) if extra else start
    model.set_class_counts(list(image_counts))
    share_model(model, context)
    recipe = config.recipe
    add_gradients = partial(_add_gradients, model, config, context)
    gate = None if config.acceptance is None else Gate(model, config.acceptance, recipe, context, config.phase)
    training = Training(
        model,
        recipe.build_optimizer(model),
        recipe,
        add_gradients if gate is None else partial(_add_gradients_of_chosen, gate, add_gradients),
        context.team,
        ExponentialMovingAverage(model, recipe.ema_decay, recipe.ema_warmup),
        recipe.autocast_dtype(context.device),
        others={} if gate is None else {"gate": gate},
        where=f" of phase {config.phase}",
    )
    return training, gate


def _add_gradients_of_chosen(
    gate: Gate,
    add_gradients: Callable[[Batch, int, Backward], Losses],
    batch: GatedBatch,
    iteration: int,
    backward: Backward,
) -> Losses:
    """Let the gate choose the batch, then do what every training does."""
    return add_gradients(gate.choose(batch, iteration), iteration, backward)


def _add_gradients(
    model: CenterNet2, config: TrainConfig, context: Context, batch: Batch, iteration: int, backward: Backward
) -> Losses:
    return add_gradients(
        model,
        batch.image_over(context.team, context.device),
        [target.to(context.device) for target in batch.targets],
        context.seeds.torch("training", config.phase, "step", iteration),
        batch.image_sizes,
        config.recipe.autocast_dtype(context.device),
        BatchShare.of(context.team, config.recipe.batch_size),
        context.batch_parts,
        backward,
    )
