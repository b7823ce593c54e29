"""The gradients that BSGAL compares: of the classification loss on trusted images, and on pasted objects (section 5.3).

Both are those of the whole batch: every process of a team adds its share, so all of them know the same numbers.

Shape legend: N boxes or instances of an image; C classes; P parameters of the network, as one row; 4 = x0, y0, x1, y1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.common.segmenters.centernet2.federated import federated_loss, federated_subset
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.sampling import LabelledBoxes, label_boxes, sample_boxes
from methods.common.segmenters.instance.interface import InstanceTarget, Size
from methods.common.training.batch_norm import batch_norms
from methods.common.training.batch_shard import BatchShare

_HALF_PRECISION_SCALE = 1024.0
"""A float16 backbone's gradients are computed that much larger; a power of two, so that nothing else changes."""


@dataclass(frozen=True)
class Judged:
    """Images of a share of a batch whose classification is judged.

    Attributes:
        image_NCHW: float32 RGB in [0, 255].
        image_sizes: (height, width) of each image.
        targets: all instances of each image.
        is_pasted: bool (N,) of each image, its pasted instances; None for trusted images, all of whose instances are judged on
            their own boxes.
    """

    image_NCHW: Tensor
    image_sizes: list[Size]
    targets: list[InstanceTarget]
    is_pasted: list[Tensor] | None = None

    @property
    def num_judged(self) -> int:
        """Number of instances that are judged."""
        if self.is_pasted is None:
            return sum(len(target.classes_N) for target in self.targets)
        return sum(int(pasted_N.sum()) for pasted_N in self.is_pasted)

    def part(self, rows: slice) -> Judged:
        """Return some of the images."""
        pasted = None if self.is_pasted is None else self.is_pasted[rows]
        return Judged(self.image_NCHW[rows], self.image_sizes[rows], self.targets[rows], pasted)


@dataclass(frozen=True)
class Judge:
    """Computes classification losses and their gradients for one iteration.

    Attributes:
        model: in training mode.
        share: which part of a batch the images of this process are.
        parts: the images go through the network in so many parts; in one where a trained batch norm needs them together.
        backbone_dtype: autocast type of backbone and pyramid.
        generator_of: a new generator for a stream, by name and number; the same in every process.
    """

    model: CenterNet2
    share: BatchShare
    parts: int
    backbone_dtype: torch.dtype | None
    generator_of: Callable[[str, int], torch.Generator]

    def subset(self, *judged: Judged) -> Tensor:
        """Draw the classes whose columns count: those of all given images of the team, filled up; bool (C,); collective.

        One draw for both gradients, so that they are of the same columns. Source: section 5.3, step 4 [B]; of which batch's labels
        is not said [C D69].
        """
        num_classes, device = self.model.config.num_classes, judged[0].image_NCHW.device
        labels = torch.cat([target.classes_N for one in judged for target in one.targets])
        count_K = self.share.team.sum_(torch.bincount(labels, minlength=num_classes + 1).to(device))
        cascade = self.model.cascade
        return federated_subset(
            count_K, cascade.class_weight_C, cascade.config.federated_classes, self.generator_of("subset", 0)
        )

    def gradient(self, judged: Judged, subset_C: Tensor) -> Tensor:
        """Return the gradient of :meth:`loss` of the whole batch in all trained parameters, float32 (P,); collective."""
        parameters = [one for one in self.model.parameters() if one.requires_grad]
        scale = _HALF_PRECISION_SCALE if self.backbone_dtype is torch.float16 else 1.0
        total_P = torch.zeros(
            sum(one.numel() for one in parameters), device=parameters[0].device, dtype=parameters[0].dtype
        )
        for loss in self._losses(judged, subset_C):
            total_P += flat_gradient(scale * loss, parameters)
        return self.share.team.sum_(total_P.div_(scale))

    @torch.no_grad()
    def loss(self, judged: Judged, subset_C: Tensor) -> float:
        """Return the classification loss of the whole batch, all cascade stages together; collective."""
        return self.share.team.sum_number(sum(float(loss) for loss in self._losses(judged, subset_C)))

    def _losses(self, judged: Judged, subset_C: Tensor) -> Iterator[Tensor]:
        """Yield the loss of each part; an average over the judged instances of the whole batch; collective."""
        count = int(self.share.team.sum_number(judged.num_judged))
        for rows in self.share.parts(1 if batch_norms(self.model.backbone) else self.parts):
            yield self._loss_of(judged.part(rows), self.share.part(rows), subset_C, max(count, 1))

    def _loss_of(self, judged: Judged, share: BatchShare, subset_C: Tensor, count: int) -> Tensor:
        model, background = self.model, self.model.config.num_classes
        image_NCHW, sizes = model.prepare(judged.image_NCHW, judged.image_sizes)
        features = model.pyramid_features(image_NCHW, self.generator_of("drop path", 0), self.backbone_dtype, share)
        boxes = self._boxes(judged, features, share)
        loss = (
            torch.stack([level.sum() for level in features]).sum() * 0.0
        )  # every process goes back through the backbone
        for output in model.cascade.run(features, boxes, judged.targets, sizes):
            labels_R = torch.cat([mine.labels_N for mine in output.boxes])
            counts_R = torch.cat([_counts(judged, image, mine, background) for image, mine in enumerate(output.boxes)])
            loss = loss + federated_loss(output.logits_RK[counts_R], labels_R[counts_R], subset_C, count)
        return loss * model.cascade.config.class_weight

    @torch.no_grad()
    def _boxes(self, judged: Judged, features: list[Tensor], share: BatchShare) -> list[LabelledBoxes]:
        """Return the boxes of the first stage: ground truth of trusted images; proposals and truth matched to pasted objects.

        Of those, as many as the training samples of foreground, by a draw of each image's own.
        """
        if judged.is_pasted is None:
            return [
                LabelledBoxes(
                    target.boxes_N4.to(features[0].dtype),
                    target.classes_N,
                    torch.arange(len(target.classes_N), device=target.classes_N.device),
                )
                for target in judged.targets
            ]
        model, config = self.model, self.model.cascade.config
        background = model.config.num_classes
        proposals = model.first_stage.proposals(
            model.first_stage([level.detach() for level in features]), training=True
        )
        most, found = int(config.samples_per_image * config.foreground_fraction), []
        rows = zip(proposals, judged.targets, strict=True)
        candidates = [torch.cat([proposal.boxes_N4, target.boxes_N4]) for proposal, target in rows]
        of_images = label_boxes(candidates, judged.targets, config.foreground_iou[0], background)
        for place, labelled in enumerate(of_images, start=share.first):
            wanted_N = _counts(judged, place - share.first, labelled, background)
            mine = LabelledBoxes(labelled.boxes_N4[wanted_N], labelled.labels_N[wanted_N], labelled.truth_N[wanted_N])
            found.append(sample_boxes(mine, most, 1.0, background, self.generator_of("boxes", place)))
        return found


def _counts(judged: Judged, image: int, boxes: LabelledBoxes, background: int) -> Tensor:
    """Say which boxes of an image count, bool (N,): all of a trusted one, else those that stand for pasted objects."""
    if judged.is_pasted is None:
        return torch.ones_like(boxes.labels_N, dtype=torch.bool)
    pasted_N = judged.is_pasted[image]
    return pasted_N[boxes.truth_N] & (boxes.labels_N != background) if len(pasted_N) else boxes.labels_N != background


def flat_gradient(loss: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the gradient of a scalar in all parameters as one row (P,); zeros for parameters that it does not depend on."""
    gradients: Sequence[Tensor | None] = torch.autograd.grad(loss, parameters, allow_unused=True)
    rows = zip(gradients, parameters, strict=True)
    return torch.cat([(torch.zeros_like(one) if found is None else found).flatten() for found, one in rows])


def cosine(one_P: Tensor, other_P: Tensor) -> float:
    """Return the cosine of the angle between two gradients; 0 where one of them is 0, NaN where one is not finite."""
    norms = float(one_P.norm()) * float(other_P.norm())
    return 0.0 if norms == 0 else float(one_P @ other_P) / norms


@contextmanager
def stepped(parameters: Iterable[nn.Parameter], gradient_P: Tensor, rate: float) -> Iterator[None]:
    """Move parameters by ``-rate * gradient`` for as long as the context lasts; they come back bit for bit."""
    moved = [one for one in parameters if one.requires_grad]
    before = [one.detach().clone() for one in moved]
    pieces = torch.split(gradient_P, [one.numel() for one in moved])
    with torch.no_grad():
        for one, piece in zip(moved, pieces, strict=True):
            one.add_(piece.view_as(one), alpha=-rate)
    try:
        yield
    finally:
        with torch.no_grad():
            for one, kept in zip(moved, before, strict=True):
                one.copy_(kept)
