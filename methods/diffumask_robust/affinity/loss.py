"""The loss of affinities: pairs of equal labels belong together, others do not.

Shape legend: N images, h, w cells, P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from methods.common.datasets.labelled_images import IGNORED
from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust.affinity.config import Border
from methods.diffumask_robust.affinity.pairs import shifts

_EPSILON = 1e-5
"""Keeps logarithms and quotients finite [code]."""


class PairLabels(NamedTuple):
    """What is known of each pair, bool [N, P] each; nothing of a pair with an ignored cell."""

    background_NP: Tensor
    """Both cells are background."""
    foreground_NP: Tensor
    """Both cells are of one class."""
    unequal_NP: Tensor
    """The cells are of two classes, or one of them is background."""


def pair_labels(label_Nhw: Tensor, radius: int, border: Border) -> PairLabels:
    """Return what a label map says of each pair; 0 is background, 255 ignored.

    Source: section 10.4 [code].
    """
    pairs = shifts(*label_Nhw.shape[-2:], radius, border)
    empty = label_Nhw.new_zeros(len(label_Nhw), 0)
    first = torch.cat([empty, *(shift.first(label_Nhw).flatten(1) for shift in pairs)], 1)
    second = torch.cat([empty, *(shift.second(label_Nhw).flatten(1) for shift in pairs)], 1)
    known = (first != IGNORED) & (second != IGNORED)
    equal = known & (first == second)
    return PairLabels(equal & (first == 0), equal & (first != 0), known & (first != second))


def affinity_loss(affinity_NP: Tensor, labels: PairLabels, share: BatchShare) -> Mapping[str, Tensor]:
    """Return ``background``, ``foreground`` and ``unequal``, whose sum is trained; each is a share's part of the batch's; collective.

    Equal pairs of background and of foreground have weight 1/4 each, unequal ones 1/2; each kind is averaged over its pairs of the whole
    batch.

    Args:
        affinity_NP: in [0, 1].
        labels: of the pairs.
        share: which images of the batch these are.
    Source: section 10.4 [code].
    """
    together, apart = torch.log(affinity_NP + _EPSILON), torch.log(1 + _EPSILON - affinity_NP)
    counts = torch.stack([kind.sum() for kind in labels]).to(torch.float64)
    background, foreground, unequal = (share.team.sum_(counts) + _EPSILON).to(affinity_NP.dtype).unbind()
    return {
        "background": -(labels.background_NP * together).sum() / background / 4,
        "foreground": -(labels.foreground_NP * together).sum() / foreground / 4,
        "unequal": -(labels.unequal_NP * apart).sum() / unequal / 2,
    }
