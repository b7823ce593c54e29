"""The four losses of two networks: trusted pixels by their labels, the others by what the other network says (section 6.2).

Shape legend: N images, K classes, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.datasets.labelled_images import IGNORED
from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust.co_training_config import RobustLossConfig


def robust_losses(
    logits_NKHW: tuple[Tensor, Tensor],
    label_NHW: Tensor,
    trusted_NHW: Tensor,
    boundary_NHW: Tensor,
    config: RobustLossConfig,
    share: BatchShare,
) -> Mapping[str, Tensor]:
    """Return ``supervised1``, ``supervised2``, ``co1`` and ``co2``, whose sum is trained; each is a share's part of the batch's.

    Every one is divided by the number of all pixels of the batch, not by that of the pixels that it looks at. The other network's labels are
    hard and carry no gradient. Label 255 adds nothing to the supervised losses.

    Args:
        logits_NKHW: of both networks, float32.
        label_NHW: int64, below K or 255.
        trusted_NHW: bool; where labels are trusted.
        boundary_NHW: bool; paste boundaries.
        config: weights.
        share: which images of the batch these are; all have one size.
    Source: section 6.2, equations 5 to 7.
    """
    num_pixels = share.batch_size * label_NHW[0].numel()
    said_NHW = [logits.detach().argmax(1) for logits in logits_NKHW]
    trusted_NHW, boundary_NHW = trusted_NHW.float(), boundary_NHW.float()
    supervised_NHW = trusted_NHW * (1 + config.supervised_boundary * boundary_NHW)
    co_NHW = config.co_training * (1 - trusted_NHW) * (1 + config.co_boundary * boundary_NHW)
    losses = {}
    for number, logits in enumerate(logits_NKHW):
        supervised = functional.cross_entropy(logits, label_NHW, ignore_index=IGNORED, reduction="none")
        co = functional.cross_entropy(logits, said_NHW[1 - number], reduction="none")
        losses[f"supervised{number + 1}"] = (supervised * supervised_NHW).sum() / num_pixels
        losses[f"co{number + 1}"] = (co * co_NHW).sum() / num_pixels
    return losses


@torch.no_grad()
def online_labels(logits_NKHW: tuple[Tensor, Tensor], confidence: float = 0.95) -> tuple[Tensor, Tensor]:
    """Return what both networks together say, int64 [N, H, W], and where they are confident, bool [N, H, W].

    Args:
        logits_NKHW: of both networks in evaluation mode; they are averaged before the softmax.
        confidence: a pixel is confident if its largest probability is above. [code] 0.95.
    Source: section 6.3 [code].
    """
    probability_NKHW = ((logits_NKHW[0] + logits_NKHW[1]) / 2).softmax(1)
    best_NHW, label_NHW = probability_NKHW.max(1)
    return label_NHW, best_NHW > confidence
