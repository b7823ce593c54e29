"""From queries to masks of full size and scores of instances, as the official releases do it.

``transformers`` resizes masks to 384 x 384 on the way and ignores some of its arguments, so its own functions are not used.

Shape legend: Q queries, K classes, R pairs of query and class, H, W pixels, h, w cells of mask logits.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

Size = tuple[int, int]


class Pairs(NamedTuple):
    """Pairs of query and class, the most probable first: probability float32, query and class int64, each (R,)."""

    probability_R: Tensor
    query_R: Tensor
    class_R: Tensor


def full_size_masks(mask_logit_Qhw: Tensor, padded: Size, image: Size, output: Size | None = None) -> Tensor:
    """Resize mask logits to the padded image, cut the image out, and resize that to the output size if it is another.

    Returns:
        float32 [Q, H, W] at ``output``, or at ``image`` when None.
    Source: SAM filter section 8 [MM], [M2F]; bilinear, corners not aligned.
    """
    mask = functional.interpolate(mask_logit_Qhw.float()[None], padded, mode="bilinear", align_corners=False)
    mask = mask[..., : image[0], : image[1]]
    if output is not None and output != image:
        mask = functional.interpolate(mask, output, mode="bilinear", align_corners=False)
    return mask[0]


def best_pairs(class_logit_QK: Tensor, num_kept: int) -> Pairs:
    """Return the most probable pairs of query and class, "no object" left out; a query may come with several classes. Source: [M2F]."""
    probability_QK = class_logit_QK.float().softmax(dim=-1)[:, :-1]
    num_classes = probability_QK.shape[1]
    probability_R, pair_R = probability_QK.flatten().topk(min(num_kept, probability_QK.numel()))
    return Pairs(probability_R, pair_R // num_classes, pair_R % num_classes)


def mask_quality(mask_logit_QHW: Tensor) -> Tensor:
    """Return the mean mask probability of the pixels inside each mask, (Q,); 0 for an empty mask. Source: [M2F]."""
    inside_QHW = mask_logit_QHW > 0
    chance_Q = (mask_logit_QHW.sigmoid() * inside_QHW).sum(dim=(1, 2))
    return chance_Q / (inside_QHW.sum(dim=(1, 2)) + 1e-6)
