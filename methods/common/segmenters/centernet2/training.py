"""A training step of CenterNet2: which cells and boxes are trained, what the losses average over, and batches in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from methods.common.segmenters.centernet2.cascade import StageOutputs, StageTotals
from methods.common.segmenters.centernet2.federated import federated_subset
from methods.common.segmenters.centernet2.first_stage import FirstStageOutputs
from methods.common.segmenters.centernet2.heat_map import CellTargets
from methods.common.segmenters.centernet2.sampling import LabelledBoxes
from methods.common.segmenters.instance.interface import InstanceTarget, Size
from methods.common.training.batch_norm import batch_norms
from methods.common.training.batch_shard import BatchShare
from methods.common.training.losses import Losses

if TYPE_CHECKING:
    from methods.common.segmenters.centernet2.model import CenterNet2


@dataclass(frozen=True)
class TrainingOutputs:
    """What both stages make of some images, and what they should have made of them.

    Attributes:
        features: pyramid levels [B, C, H, W].
        first: heat maps and distances.
        cells: targets of the first stage, for each image.
        stages: boxes, labels and outputs of each cascade stage.
    """

    features: list[Tensor]
    first: FirstStageOutputs
    cells: list[CellTargets]
    stages: list[StageOutputs]


@dataclass(frozen=True)
class BatchTotals:
    """What the losses take from the whole batch: numbers of cells to average over, and the like for each cascade stage."""

    num_positive: int
    num_regression: int
    stages: list[StageTotals]


def run_heads(
    model: CenterNet2,
    features: list[Tensor],
    targets: Sequence[InstanceTarget],
    image_sizes: Sequence[Size],
    generator: torch.Generator,
    share: BatchShare,
) -> TrainingOutputs:
    """Run the first stage and the cascade on a share of a batch, and decide what is trained; collective."""
    first = model.first_stage(features)
    cells = model.first_stage.targets(first, [target.boxes_N4 for target in targets])
    proposals = model.first_stage.proposals(first, training=True)
    sampled = model.cascade.sample(proposals, targets, generator, share)
    return TrainingOutputs(features, first, cells, model.cascade.run(features, sampled, targets, image_sizes))


def batch_totals(
    model: CenterNet2, outputs: TrainingOutputs, generator: torch.Generator, share: BatchShare
) -> BatchTotals:
    """Count cells and labels over the whole batch, and draw each stage's federated subset; collective."""
    num_classes, device = model.config.trained_classes, outputs.features[0].device
    labels = [torch.cat([boxes.labels_N for boxes in stage.boxes]) for stage in outputs.stages]
    rows = [torch.bincount(labels_R, minlength=num_classes + 1) for labels_R in labels]
    positive = sum(len(target.positive_P) for target in outputs.cells)
    regression = sum(len(target.regression_Q) for target in outputs.cells)
    counts = torch.cat([*rows, torch.tensor([positive, regression], device=device)])
    counts = share.team.sum_(counts)
    stages = []
    for count_K in counts[:-2].view(len(rows), num_classes + 1):
        subset_C = federated_subset(
            count_K, model.cascade.class_weight_C, model.config.cascade.federated_classes, generator
        )
        stages.append(StageTotals(subset_C, int(count_K.sum()), int(count_K[:-1].sum())))
    return BatchTotals(int(counts[-2]), int(counts[-1]), stages)


def weighted_losses(
    model: CenterNet2, outputs: TrainingOutputs, targets: Sequence[InstanceTarget], totals: BatchTotals
) -> dict[str, Tensor]:
    """Return all losses of some images; over all images of the batch they add up to its losses."""
    losses = model.first_stage.losses(outputs.first, outputs.cells, totals.num_positive, totals.num_regression)
    losses |= model.cascade.losses(outputs.stages, targets, totals.stages)
    sampled, num_foreground = outputs.stages[0].boxes, totals.stages[0].num_foreground
    return losses | model.mask_head.losses(outputs.features, sampled, targets, num_foreground)


def add_gradients(
    model: CenterNet2,
    image_NCHW: Tensor,
    targets: Sequence[InstanceTarget],
    generator: torch.Generator,
    image_sizes: Sequence[Size],
    backbone_dtype: torch.dtype | None,
    share: BatchShare,
    parts: int,
    backward: Callable[[Tensor], None],
) -> Losses:
    """Add the gradient of the batch's loss, as far as it comes from a share's images; return that part of the loss.

    Args:
        model: in training mode.
        image_NCHW: see :meth:`CenterNet2.losses`, as for the arguments that follow.
        targets: of each image.
        generator: in the same state in every process.
        image_sizes: (height, width) of each image.
        backbone_dtype: autocast type of backbone and pyramid.
        share: which part of the batch the images are.
        parts: the images go through the network in so many parts, at most one for each image.
        backward: runs the backward pass of a loss.

    What the losses average over is known only when all images have gone through the network. So for more than one part they go
    through it twice: first all at once without gradients, which needs little memory, to settle boxes and labels; then part by
    part, first the heads down to the pyramid's levels, then backbone and pyramid. A backbone with batch norm takes all images
    of the share in one part, because its statistics are those of the batch.
    """
    if parts == 1 or share.count == 1:
        losses = Losses.of(model.losses(image_NCHW, targets, generator, image_sizes, backbone_dtype, share))
        backward(losses.total)
        return losses.detach()
    image, sizes = model.prepare(image_NCHW, image_sizes)
    start = generator.get_state()
    with torch.no_grad():
        features = model.pyramid_features(image, generator, backbone_dtype, share)
        outputs = run_heads(model, features, targets, sizes, generator, share)
        totals = batch_totals(model, outputs, generator, share)
    levels = [level.requires_grad_() for level in features]
    of_parts = [
        _add_head_gradients(model, levels, outputs, targets, totals, rows, backward) for rows in share.parts(parts)
    ]
    for rows in share.parts(1 if batch_norms(model.backbone) else parts):
        again = torch.Generator(generator.device)
        again.set_state(start)
        part = model.pyramid_features(image[rows], again, backbone_dtype, share.part(rows))
        torch.autograd.backward(part, [_gradient(level)[rows] for level in levels])
    return reduce(add, of_parts)


def _add_head_gradients(
    model: CenterNet2,
    levels: Sequence[Tensor],
    known: TrainingOutputs,
    targets: Sequence[InstanceTarget],
    totals: BatchTotals,
    rows: slice,
    backward: Callable[[Tensor], None],
) -> Losses:
    """Add the gradients of the heads and of the pyramid's levels for some images whose boxes are known; return their loss."""
    features = [level[rows] for level in levels]
    boxes: list[list[LabelledBoxes]] = [stage.boxes[rows] for stage in known.stages]
    first, stages = model.first_stage(features), model.cascade.run_on(features, boxes)
    outputs = TrainingOutputs(features, first, known.cells[rows], stages)
    losses = Losses.of(weighted_losses(model, outputs, targets[rows], totals))
    backward(losses.total)
    return losses.detach()


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad
