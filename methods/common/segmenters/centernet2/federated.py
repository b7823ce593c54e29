"""Federated classification loss: only a subset of the classes counts in each batch.

Shape suffixes: K classes and background, C classes, R boxes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def federated_subset(count_K: Tensor, sampling_weight_C: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Choose the classes whose columns count.

    Args:
        count_K: int64, how many of the whole batch's sampled boxes have each label; the last is background.
        sampling_weight_C: float >= 0, image_count^power of each class.
        size: wanted number of labels, background included when it occurs.
        generator: source of the draw.
    Returns:
        bool (C,). All labels that occur, filled up to ``size`` by classes drawn without replacement in proportion to
        their weight; fewer when no more classes have a positive weight.
    Source: MRCA section 6.3 [R]; labels of the whole batch, not of one GPU [C MRCA D55].
    """
    num_classes = len(sampling_weight_C)
    chosen_K = count_K > 0
    weight_C = sampling_weight_C.float().masked_fill(chosen_K[:num_classes], 0.0).to(generator.device)
    missing = min(size - int(chosen_K.sum()), int((weight_C > 0).sum()))
    if missing > 0:
        drawn = torch.multinomial(weight_C, missing, replacement=False, generator=generator)
        chosen_K[drawn.to(chosen_K.device)] = True
    return chosen_K[:num_classes]


def federated_loss(logits_RK: Tensor, labels_R: Tensor, subset_C: Tensor, num_boxes: int) -> Tensor:
    """Sum sigmoid cross-entropy over the subset's columns, divided by the whole batch's number of boxes (0 for no boxes).

    The background column gets no gradient, and background rows have an all-zero target. Source: MRCA section 6.3 [R].
    """
    if len(logits_RK) == 0:
        return logits_RK.sum() * 0.0
    num_classes = logits_RK.shape[1] - 1
    target_RC = functional.one_hot(labels_R, num_classes + 1)[:, :num_classes].to(logits_RK.dtype)
    loss_RC = functional.binary_cross_entropy_with_logits(logits_RK[:, :num_classes], target_RC, reduction="none")
    return (loss_RC * subset_C).sum() / num_boxes
