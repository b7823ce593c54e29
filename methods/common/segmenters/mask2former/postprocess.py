"""From queries to label scores and to instances, as the official release does it.

Shape legend: Q queries, K classes, R instances kept, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.common.segmenters.mask_sets.postprocess import best_pairs, mask_quality


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


def semantic_scores(class_logit_QK: Tensor, mask_logit_QHW: Tensor) -> Tensor:
    """Return class softmax without "no object" times mask sigmoid, summed over queries, [K, H, W].

    Source: SAM filter section 8 [MM].
    """
    probability_QK = class_logit_QK.float().softmax(dim=-1)[:, :-1]
    return torch.einsum("qk,qhw->khw", probability_QK, mask_logit_QHW.sigmoid())


def best_instances(class_logit_QK: Tensor, mask_logit_QHW: Tensor, num_kept: int = 100) -> Instances:
    """Return the best pairs of query and class; a query may come with several classes.

    A pair's score is its class probability times the mean mask probability of the pixels inside its mask. Source: [M2F].
    """
    pairs = best_pairs(class_logit_QK, num_kept)
    score_R = pairs.probability_R * mask_quality(mask_logit_QHW)[pairs.query_R]
    score_R, order_R = score_R.sort(descending=True, stable=True)
    return Instances(score_R, pairs.class_R[order_R], (mask_logit_QHW > 0)[pairs.query_R[order_R]])
