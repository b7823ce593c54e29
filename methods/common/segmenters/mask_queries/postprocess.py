"""From queries to label scores and to instances, as the official release does it.

``transformers`` resizes masks to 384 x 384 on the way and ignores some of its arguments, so its own functions are not used.

Shape legend: Q queries, K classes, R instances kept, H, W pixels, h, w cells of mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Size = tuple[int, int]

_MASKS_AT_ONCE = 2
"""Masks that are resized together: few, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Instances:
    """Instances of one image, best first.

    Attributes:
        score_R: class probability times mask quality, float32.
        class_R: int64 below K.
        mask_RHW: bool.
    """

    score_R: Tensor
    class_R: Tensor
    mask_RHW: Tensor


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


def semantic_scores(class_logit_QK: Tensor, mask_logit_QHW: Tensor) -> Tensor:
    """Return class softmax without "no object" times mask sigmoid, summed over queries, [K, H, W].

    Source: SAM filter section 8 [MM].
    """
    probability_QK = class_logit_QK.float().softmax(dim=-1)[:, :-1]
    return torch.einsum("qk,qhw->khw", probability_QK, mask_logit_QHW.sigmoid())


def instances_of(
    class_logit_QK: Tensor,
    mask_logit_Qhw: Tensor,
    padded: Size,
    image: Size,
    output: Size | None = None,
    num_kept: int = 100,
    classes: Sequence[int] | None = None,
) -> Instances:
    """Return the best pairs of query and class with masks at the output size; a query may come with several classes.

    A pair's score is its class probability times the mean mask probability of the pixels inside its mask. No mask is resized that is not
    kept. Source: [M2F].

    Args:
        class_logit_QK: logits of a query, the last column "no object".
        mask_logit_Qhw: its mask, for the padded image.
        padded: (height, width) of the padded image.
        image: (height, width) of the image in its top left corner.
        output: (height, width) of the masks to return; ``image`` when None.
        num_kept: pairs of query and class at most.
        classes: of these pairs, those of other classes go then; None keeps all.
    """
    probability_QK = class_logit_QK.float().softmax(dim=-1)[:, :-1]
    num_classes = probability_QK.shape[1]
    score_R, pair_R = probability_QK.flatten().topk(min(num_kept, probability_QK.numel()))
    if classes is not None:
        wanted_R = torch.isin(pair_R % num_classes, pair_R.new_tensor(classes))
        score_R, pair_R = score_R[wanted_R], pair_R[wanted_R]
    if not len(pair_R):
        nothing = torch.zeros(0, *(output or image), dtype=torch.bool, device=pair_R.device)
        return Instances(score_R, pair_R, nothing)
    query_R = torch.div(pair_R, num_classes, rounding_mode="floor")
    query_U, place_R = torch.unique(query_R, return_inverse=True)
    at_once = _MASKS_AT_ONCE if mask_logit_Qhw.device.type == "cpu" else len(query_U)
    masks, qualities = [], []
    for part_Uhw in torch.split(mask_logit_Qhw[query_U], at_once):
        full_UHW = full_size_masks(part_Uhw, padded, image, output)
        masks.append(full_UHW > 0)
        inside_UHW = masks[-1].float()
        area_U = inside_UHW.sum(dim=(1, 2))
        qualities.append(inside_UHW.mul_(full_UHW.sigmoid_()).sum(dim=(1, 2)) / (area_U + 1e-6))
    score_R, order_R = (score_R * torch.cat(qualities)[place_R]).sort(descending=True, stable=True)
    return Instances(score_R, (pair_R % num_classes)[order_R], torch.cat(masks)[place_R[order_R]])


def boxes_of(mask_RHW: Tensor) -> Tensor:
    """Return the tight boxes of bool masks, x0, y0, x1, y1, the latter two one past the last pixel; zeros for empty masks.

    Returns:
        float32 [R, 4].
    """
    pixel_RHW = mask_RHW.view(torch.uint8)
    sides = []
    for seen_RL in (pixel_RHW.amax(dim=1), pixel_RHW.amax(dim=2)):
        place_L = torch.arange(seen_RL.shape[1], device=mask_RHW.device)
        first_R = torch.where(seen_RL > 0, place_L, seen_RL.shape[1]).amin(dim=1)
        past_R = torch.where(seen_RL > 0, place_L + 1, 0).amax(dim=1)
        sides.append((torch.minimum(first_R, past_R), past_R))
    (x0, x1), (y0, y1) = sides
    return torch.stack([x0, y0, x1, y1], dim=1).float()
