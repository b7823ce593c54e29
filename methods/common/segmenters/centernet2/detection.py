"""From cascade outputs to detections: scores, per-class NMS, scaling, masks (MRCA section 6.3, last line)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from methods.common.segmenters.centernet2.boxes import clip_boxes, has_area
from methods.common.segmenters.centernet2.config import InferenceConfig
from methods.common.segmenters.centernet2.paste import paste_masks
from methods.common.segmenters.centernet2.structures import CascadeOutputs, CenterNet2Outputs, Proposals
from methods.common.segmenters.instance.interface import Detections, Size


@dataclass(frozen=True)
class Selection:
    """What is left of one image's boxes; several detections may share a box, under different classes.

    Attributes:
        boxes_U4: the different boxes, xyxy in pixels of the network's image, clipped to it.
        box_N: index of each detection's box.
        scores_N: float32, best first.
        classes_N: int64.
    """

    boxes_U4: Tensor
    box_N: Tensor
    scores_N: Tensor
    classes_N: Tensor


def select(
    outputs: CenterNet2Outputs, cascade: CascadeOutputs, num_classes: int, config: InferenceConfig
) -> list[Selection]:
    """Score and filter the refined proposals of each image; only the first ``num_classes`` columns are detected.

    Source: MRCA section 6.3 [R]: score = sqrt(mean over stages of the sigmoid times the proposal's score), above 0.02;
    NMS per class at 0.5; the best 300.
    """
    probability_RC = torch.stack([logits[:, :num_classes].sigmoid() for logits in cascade.class_logits]).sum(0)
    probability_RC = probability_RC * (1.0 / len(cascade.class_logits))
    rows = zip(
        torch.split(probability_RC, cascade.counts),
        torch.split(cascade.final_boxes_R4, cascade.counts),
        outputs.proposals,
        outputs.image_sizes,
        strict=True,
    )
    return [_select_image(probability, boxes, proposal, size, config) for probability, boxes, proposal, size in rows]


def _select_image(
    probability_MC: Tensor, boxes_M4: Tensor, proposals: Proposals, size: Size, config: InferenceConfig
) -> Selection:
    scores_MC = (probability_MC * proposals.scores_N[:, None]).sqrt()
    finite_M = torch.isfinite(boxes_M4).all(dim=1) & torch.isfinite(scores_MC).all(dim=1)
    box, label = torch.nonzero((scores_MC > config.score_threshold) & finite_M[:, None], as_tuple=True)
    clipped_M4, scores = clip_boxes(boxes_M4, size), scores_MC[box, label]
    kept = best_after_nms(clipped_M4[box], scores, label, config.nms_iou, config.detections_per_image)
    used, box_N = torch.unique(box[kept], return_inverse=True)
    return Selection(clipped_M4[used], box_N, scores[kept], label[kept])


def best_after_nms(boxes_N4: Tensor, scores_N: Tensor, labels_N: Tensor, iou: float, count: int) -> Tensor:
    """Return the indices of the ``count`` best boxes that survive per-class NMS, best first.

    NMS looks at boxes from the best down, so the survivors among the best M are the best survivors of all: M grows until
    there are enough. With 1203 classes this is many times faster than NMS on every box and class above the threshold.
    """
    order = torch.argsort(scores_N, descending=True, stable=True)
    candidates = 8 * count
    while True:
        best = order[:candidates]
        kept = batched_nms(boxes_N4[best], scores_N[best], labels_N[best], iou)
        if len(kept) >= count or candidates >= len(order):
            return best[kept[:count]]
        candidates *= 4


def finish(
    selection: Selection, mask_USS: Tensor | None, size: Size, output_size: Size, threshold: float
) -> Detections:
    """Scale boxes to the output size, drop those without area, and make masks, once for each different box.

    Args:
        selection: what :func:`select` kept of an image.
        mask_USS: mask probabilities of its different boxes; None without masks.
        size: (height, width) of the image that the network saw.
        output_size: (height, width) of the result.
        threshold: a pixel belongs to a mask from this probability on.
    """
    scale = selection.boxes_U4.new_tensor([output_size[1] / size[1], output_size[0] / size[0]] * 2)
    boxes_U4 = clip_boxes(selection.boxes_U4 * scale, output_size)
    kept = has_area(boxes_U4)[selection.box_N]
    box_N = selection.box_N[kept]
    masks_NHW = None if mask_USS is None else paste_masks(mask_USS, boxes_U4, output_size, threshold)[box_N]
    return Detections(boxes_U4[box_N], selection.scores_N[kept], selection.classes_N[kept], masks_NHW)
