"""From queries to the instances of an image, as the official release finds them.

``transformers`` keeps no mean mask probability in its scores, passes through 384 x 384 pixels, and gives each pixel to one instance;
its function is not used.

Shape legend: Q queries, K classes, R detections, H, W pixels of the output, h, w cells of mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.common.segmenters.instance.interface import Detections, Size
from methods.common.segmenters.mask_sets.postprocess import best_pairs, full_size_masks, mask_quality

_PIXELS_AT_ONCE = 32 << 20
"""Full-size masks are made for so many pixels of output at a time: all 250 of a 1024 x 2048 image would take some gigabytes."""


def find_instances(
    class_logit_QK: Tensor,
    mask_logit_Qhw: Tensor,
    sizes: tuple[Size, Size, Size],
    thing_classes: Sequence[int],
    num_kept: int,
    *,
    masks: bool,
) -> Detections:
    """Return the instances of an image, best first.

    The most probable pairs of query and class are taken, over all classes; pairs of a stuff class then go. A pair's score is its class
    probability times the mean mask probability of the pixels inside its mask, those above 0.5. Masks without a pixel go.

    Args:
        class_logit_QK: the last column is "no object".
        mask_logit_Qhw: of the padded image.
        sizes: (height, width) of the padded image, of the image in it, and of the output.
        thing_classes: classes that have instances.
        num_kept: pairs that are taken.
        masks: whether the detections hold masks; they are made all the same, for scores and boxes.
    Source: InstSynth section 8.3. [OF]
    """
    pairs = best_pairs(class_logit_QK, num_kept)
    thing_R = torch.isin(pairs.class_R, pairs.class_R.new_tensor(thing_classes))
    probability_R, query_R, class_R = (rows[thing_R] for rows in pairs)
    if not len(query_R):
        empty = torch.zeros(0, *sizes[2], dtype=torch.bool, device=class_logit_QK.device)
        return Detections(probability_R.new_zeros(0, 4), probability_R, class_R, empty if masks else None)
    used_Q = query_R.bincount().nonzero()[:, 0]
    place_R = torch.searchsorted(used_Q, query_R)
    quality, boxes, inside = [], [], []
    for some_Q in torch.split(used_Q, max(1, _PIXELS_AT_ONCE // (sizes[2][0] * sizes[2][1]))):
        logit_QHW = full_size_masks(mask_logit_Qhw[some_Q], *sizes)
        quality.append(mask_quality(logit_QHW))
        boxes.append(boxes_around(logit_QHW > 0))
        if masks:
            inside.append(logit_QHW > 0)
    score_R = probability_R * torch.cat(quality)[place_R]
    order_R = score_R.sort(descending=True, stable=True).indices
    order_R = order_R[score_R[order_R] > 0]
    place_R = place_R[order_R]
    mask_RHW = torch.cat(inside)[place_R] if masks else None
    return Detections(torch.cat(boxes)[place_R], score_R[order_R], class_R[order_R], mask_RHW)


def boxes_around(mask_QHW: Tensor) -> Tensor:
    """Return tight boxes x0, y0, x1, y1, float32 [Q, 4], x1 and y1 one past the last pixel; 0 for empty masks."""
    bounds = []
    for occupied in (mask_QHW.any(dim=1), mask_QHW.any(dim=2)):
        length = occupied.shape[1]
        first = occupied.int().argmax(dim=1)
        last = length - occupied.flip(1).int().argmax(dim=1)
        bounds.append((first, last * occupied.any(dim=1)))
    (x0, x1), (y0, y1) = bounds
    return torch.stack([x0, y0, x1, y1], dim=1).float()
