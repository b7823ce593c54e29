"""Second stage: three box heads in a row, each refining and classifying what the one before it made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from methods.common.segmenters.centernet2.boxes import apply_deltas, clip_boxes, encode_deltas, has_area
from methods.common.segmenters.centernet2.config import CascadeConfig, CenterNet2Config
from methods.common.segmenters.centernet2.federated import federated_loss
from methods.common.segmenters.centernet2.pooling import pool_boxes
from methods.common.segmenters.centernet2.sampling import LabelledBoxes, label_boxes, pass_over, sample_boxes
from methods.common.segmenters.centernet2.structures import CascadeOutputs, Proposals
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.training.batch_shard import BatchShare


@dataclass(frozen=True)
class StageOutputs:
    """What one stage makes of the boxes it is trained on; rows run over the images in order.

    Attributes:
        boxes: boxes and labels of each image.
        logits_RK: class logits.
        deltas_R4: weighted box deltas.
    """

    boxes: list[LabelledBoxes]
    logits_RK: Tensor
    deltas_R4: Tensor


@dataclass(frozen=True)
class StageTotals:
    """What one stage's losses take from the whole batch.

    Attributes:
        subset_C: bool, classes whose columns count.
        num_boxes: number of boxes.
        num_foreground: number of foreground boxes.
    """

    subset_C: Tensor
    num_boxes: int
    num_foreground: int


class BoxHead(nn.Module):
    """Two fully connected layers on pooled features, then a classifier and a class-agnostic box regressor."""

    def __init__(self, config: CenterNet2Config) -> None:
        super().__init__()
        width = config.cascade.fc_width
        self.fc1 = nn.Linear(config.pyramid.channels * config.cascade.pool_size**2, width)
        self.fc2 = nn.Linear(width, width)
        self.classifier = nn.Linear(width, config.trained_classes + 1)
        self.regressor = nn.Linear(width, 4)
        for layer in (self.fc1, self.fc2):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.constant_(self.classifier.bias, -math.log((1 - config.cascade.prior) / config.cascade.prior))
        nn.init.normal_(self.regressor.weight, std=0.001)
        nn.init.zeros_(self.regressor.bias)

    def forward(self, pooled_RCPP: Tensor) -> tuple[Tensor, Tensor]:
        """Return class logits [R, K] and weighted box deltas [R, 4]."""
        hidden = torch.relu(self.fc2(torch.relu(self.fc1(pooled_RCPP.flatten(1)))))
        return self.classifier(hidden), self.regressor(hidden)


class Cascade(nn.Module):
    """The box heads with their refinement, labels and losses.

    Source: MRCA section 6.3.
    """

    class_weight_C: Tensor

    def __init__(self, config: CenterNet2Config) -> None:
        super().__init__()
        self.model_config = config
        self.config: CascadeConfig = config.cascade
        self.heads = nn.ModuleList(BoxHead(config) for _ in config.cascade.foreground_iou)
        self.register_buffer("class_weight_C", torch.ones(config.trained_classes))

    def run_stage(self, stage: int, features: Sequence[Tensor], boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return one stage's class logits [R, K] and box deltas [R, 4] for boxes [N, 4] an image."""
        pooled = pool_boxes(features, boxes, self.config.pool_size, self.model_config)
        if self.training and pooled.requires_grad:
            divisor = self.config.gradient_divisor
            pooled.register_hook(lambda gradient: gradient / divisor)  # type: ignore[no-untyped-call]
        logits, deltas = self.heads[stage](pooled)
        return logits, deltas

    def refine(
        self, features: Sequence[Tensor], boxes: Sequence[Tensor], image_sizes: Sequence[tuple[int, int]]
    ) -> CascadeOutputs:
        """Run all stages on given boxes; see :class:`CascadeOutputs`."""
        counts = [len(boxes_N4) for boxes_N4 in boxes]
        inputs, logits, deltas = [], [], []
        refined = torch.cat(list(boxes))
        for stage, weights in enumerate(self.config.delta_weights):
            if stage:
                boxes = [
                    clip_boxes(box, size) for box, size in zip(torch.split(refined, counts), image_sizes, strict=True)
                ]
            inputs.append(torch.cat(list(boxes)))
            stage_logits, stage_deltas = self.run_stage(stage, features, boxes)
            logits.append(stage_logits)
            deltas.append(stage_deltas)
            refined = apply_deltas(inputs[-1], stage_deltas, weights)
        return CascadeOutputs(counts, inputs, logits, deltas, refined)

    def classify(self, features: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """Return the last stage's class logits [R, K] for boxes [N, 4] an image, without refinement."""
        return self.run_stage(len(self.heads) - 1, features, boxes)[0]

    @torch.no_grad()
    def sample(
        self,
        proposals: Sequence[Proposals],
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        share: BatchShare,
    ) -> list[LabelledBoxes]:
        """Label proposals and ground truth boxes for the first stage and draw those that the losses see; collective."""
        background, config = self.model_config.trained_classes, self.config
        boxes = [
            torch.cat([proposal.boxes_N4, target.boxes_N4]) for proposal, target in zip(proposals, targets, strict=True)
        ]
        labelled = label_boxes(boxes, targets, config.foreground_iou[0], background)
        foreground_N = torch.stack([(mine.labels_N != background).sum() for mine in labelled])
        all_N = foreground_N.new_tensor([len(boxes_N4) for boxes_N4 in boxes])
        counts_N2 = torch.stack([foreground_N, all_N - foreground_N], dim=1)
        mine, sampled = iter(labelled), []
        for place, (foreground, others) in enumerate(share.gather(counts_N2).tolist()):
            if share.holds(place):
                fraction = config.foreground_fraction
                sampled.append(sample_boxes(next(mine), config.samples_per_image, fraction, background, generator))
            else:
                pass_over(foreground, others, generator)
        return sampled

    def run(
        self,
        features: Sequence[Tensor],
        sampled: list[LabelledBoxes],
        targets: Sequence[InstanceTarget],
        image_sizes: Sequence[tuple[int, int]],
    ) -> list[StageOutputs]:
        """Run every stage in training, the first on sampled boxes, each other one on what the one before made of them."""
        outputs = [self._train_stage(0, features, sampled)]
        for stage, weights in enumerate(self.config.delta_weights[:-1]):
            entered_R4 = torch.cat([boxes.boxes_N4 for boxes in outputs[-1].boxes])
            refined_R4 = apply_deltas(entered_R4, outputs[-1].deltas_R4.detach(), weights)
            boxes = self._relabel(refined_R4, outputs[-1].boxes, targets, image_sizes, stage + 1)
            outputs.append(self._train_stage(stage + 1, features, boxes))
        return outputs

    def run_on(self, features: Sequence[Tensor], boxes: Sequence[list[LabelledBoxes]]) -> list[StageOutputs]:
        """Run every stage in training on boxes that :meth:`run` has found, for each stage and image."""
        return [self._train_stage(stage, features, mine) for stage, mine in enumerate(boxes)]

    def _train_stage(self, stage: int, features: Sequence[Tensor], boxes: list[LabelledBoxes]) -> StageOutputs:
        return StageOutputs(boxes, *self.run_stage(stage, features, [mine.boxes_N4 for mine in boxes]))

    def losses(
        self, outputs: Sequence[StageOutputs], targets: Sequence[InstanceTarget], totals: Sequence[StageTotals]
    ) -> dict[str, Tensor]:
        """Return ``class_1``, ``box_1``, ``class_2``, ... of some images, averaged over the whole batch."""
        losses: dict[str, Tensor] = {}
        for stage, (output, total) in enumerate(zip(outputs, totals, strict=True)):
            losses |= self._stage_losses(stage, output, targets, total)
        return losses

    @torch.no_grad()
    def _relabel(
        self,
        refined_R4: Tensor,
        entered: Sequence[LabelledBoxes],
        targets: Sequence[InstanceTarget],
        image_sizes: Sequence[tuple[int, int]],
        stage: int,
    ) -> list[LabelledBoxes]:
        """Clip refined boxes, drop those without area, label the others for the next stage."""
        refined = torch.split(refined_R4, [len(boxes.labels_N) for boxes in entered])
        clipped = [clip_boxes(boxes_N4, size) for boxes_N4, size in zip(refined, image_sizes, strict=True)]
        kept = [boxes_N4[has_area(boxes_N4)] for boxes_N4 in clipped]
        return label_boxes(kept, targets, self.config.foreground_iou[stage], self.model_config.trained_classes)

    def _stage_losses(
        self, stage: int, outputs: StageOutputs, targets: Sequence[InstanceTarget], totals: StageTotals
    ) -> dict[str, Tensor]:
        labels_R = torch.cat([boxes.labels_N for boxes in outputs.boxes])
        boxes_R4 = torch.cat([boxes.boxes_N4 for boxes in outputs.boxes])
        first_truths = accumulate((len(target.boxes_N4) for target in targets[:-1]), initial=0)
        truth_R = torch.cat([boxes.truth_N + first for boxes, first in zip(outputs.boxes, first_truths, strict=True)])
        truth_G4 = torch.cat([target.boxes_N4 for target in targets])
        index = torch.nonzero(labels_R != self.model_config.trained_classes)[:, 0]
        wanted = encode_deltas(boxes_R4[index], truth_G4[truth_R[index]], self.config.delta_weights[stage])
        difference = (outputs.deltas_R4[index] - wanted).abs()
        count = 4 * totals.num_foreground if self.config.box_loss_average == "foreground" else totals.num_boxes
        class_loss = federated_loss(outputs.logits_RK, labels_R, totals.subset_C, totals.num_boxes)
        return {
            f"class_{stage + 1}": self.config.class_weight * class_loss,
            f"box_{stage + 1}": self.config.box_weight * difference.sum() / max(count, 1),
        }
