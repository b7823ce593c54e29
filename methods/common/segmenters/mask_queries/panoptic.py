"""From queries to a map of segments, each pixel in at most one, and to the best class of every pixel.

Shape legend: Q queries, K classes, R queries kept, S segments, H, W pixels, h, w cells of mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.common.segmenters.mask_queries.postprocess import Size, full_size_masks, semantic_scores

_QUERIES_AT_ONCE = 10
"""Queries whose masks are added to the scores together: at 1024 x 2048 px the masks of 250 would be 2 GB."""


def panoptic_segments(
    class_logit_QK: Tensor,
    mask_logit_Qhw: Tensor,
    sizes: tuple[Size, Size, Size],
    thing_classes: Sequence[int],
    object_threshold: float,
    overlap_threshold: float,
) -> tuple[Tensor, Tensor]:
    """Give each pixel to the query with the largest product of class and mask probability, and keep the queries that win enough.

    Queries whose best class is "no object" or not probable enough go first. A pixel stays with its query where the mask probability is at
    least one half. Regions of one stuff class are one segment.

    Args:
        class_logit_QK: the last column is "no object".
        mask_logit_Qhw: of the padded image.
        sizes: (height, width) of the padded image, of the image in it, and of the output.
        thing_classes: classes that have instances.
        object_threshold: least class probability of a query, exclusive.
        overlap_threshold: least share of its own mask, pixels of probability at least one half, that a query must win against all others.

    Returns:
        The number of each pixel's segment from 1 on and 0 for pixels of none, int64 (H, W); and the class of each segment, int64 (S,).
    Source: InstSynth section 9.5, standard definitions. [OF]
    """
    score_Q, class_Q = class_logit_QK.float().softmax(dim=-1).max(dim=-1)
    kept_Q = (class_Q < class_logit_QK.shape[1] - 1) & (score_Q > object_threshold)
    class_R, score_R = class_Q[kept_Q], score_Q[kept_Q]
    segment_HW = torch.zeros(sizes[2], dtype=torch.int64, device=class_logit_QK.device)
    if not len(class_R):
        return segment_HW, class_R
    mask_RHW = full_size_masks(mask_logit_Qhw[kept_Q], *sizes).sigmoid_()
    winner_HW = (score_R[:, None, None] * mask_RHW).argmax(dim=0)
    classes: list[int] = []
    number_of_stuff: dict[int, int] = {}
    for row, index in enumerate(class_R.tolist()):
        won_HW, own_HW = winner_HW == row, mask_RHW[row] >= 0.5
        part_HW = won_HW & own_HW
        if not part_HW.any() or won_HW.sum() < overlap_threshold * own_HW.sum():
            continue
        number = number_of_stuff.get(index)
        if number is None:
            classes.append(index)
            number = len(classes)
            if index not in thing_classes:
                number_of_stuff[index] = number
        segment_HW[part_HW] = number
    return segment_HW, class_R.new_tensor(classes)


def best_classes(class_logit_QK: Tensor, mask_logit_Qhw: Tensor, sizes: tuple[Size, Size, Size]) -> Tensor:
    """Return the class with the highest score of every pixel, int64 (H, W); see :func:`semantic_scores`.

    Args:
        class_logit_QK: the last column is "no object".
        mask_logit_Qhw: of the padded image.
        sizes: (height, width) of the padded image, of the image in it, and of the output.
    """
    classes, masks = (torch.split(one, _QUERIES_AT_ONCE) for one in (class_logit_QK, mask_logit_Qhw))
    total: Tensor | None = None
    for class_logit_PK, mask_logit_Phw in zip(classes, masks, strict=True):
        score_KHW = semantic_scores(class_logit_PK, full_size_masks(mask_logit_Phw, *sizes))
        total = score_KHW if total is None else total.add_(score_KHW)
    assert total is not None, "there is at least one query"
    return total.argmax(dim=0)
