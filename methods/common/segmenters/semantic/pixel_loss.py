"""Cross-entropy of label maps, averaged over the rated pixels of a whole batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.datasets.labelled_images import IGNORED
from methods.common.training.batch_shard import BatchShare


def pixel_loss(score_NKHW: Tensor, label_NHW: Tensor, share: BatchShare) -> Tensor:
    """Return a share's part of the mean cross-entropy over all pixels that are not 255; 0 where there are none; collective.

    Args:
        score_NKHW: logits, float32.
        label_NHW: int64 labels below K, 255 where nothing is known.
        share: which images of the batch these are.
    """
    rated = (label_NHW != IGNORED).sum().to(torch.float64)
    num_rated = float(share.team.sum_(rated))
    total = functional.cross_entropy(score_NKHW, label_NHW, ignore_index=IGNORED, reduction="sum")
    return total / max(num_rated, 1.0)
