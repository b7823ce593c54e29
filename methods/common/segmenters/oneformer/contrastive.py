"""The query-text contrastive loss over a whole batch, whichever process has which images.

Shape legend: B images of the whole batch, N images of the share, D numbers of an image's queries.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.training.batch_shard import BatchShare

MAX_SCALE = 100.0
"""Largest factor of the similarities. [OF]"""


def contrastive_loss(query_NQC: Tensor, text_NQC: Tensor, logit_scale: Tensor, share: BatchShare) -> Tensor:
    """Return the part of the loss that a share's images have; collective.

    The loss of the batch is the cross-entropy of telling, by scaled cosines, which text belongs to an image, plus that of
    telling which image belongs to a text, each a mean over the batch. The parts of all shares add up to it; so do their
    gradients, although the loss of one image depends on all others: each share takes the gradient of the *whole* loss with respect to its own
    images' queries and texts, and that of its own part with respect to the scale. The library compares the images of one
    process only; for one image alone the loss is 0.

    Args:
        query_NQC: object queries, flattened to one vector an image.
        text_NQC: text queries, likewise.
        logit_scale: logarithm of the factor of the similarities, a scalar.
        share: which images of the batch these are.
    Source: InstSynth section 8.2. [OF]
    """
    query_ND = functional.normalize(query_NQC.float().flatten(1), dim=1)
    text_ND = functional.normalize(text_NQC.float().flatten(1), dim=1)
    query_BD, text_BD = (share.gather(rows.detach()) for rows in (query_ND, text_ND))
    scale = logit_scale.exp().clamp(max=MAX_SCALE)
    own = slice(share.first, share.first + share.count)
    part = _losses(query_BD, text_BD, scale)[own].sum() / share.batch_size
    with_own = (_with_rows(query_BD, query_ND, own), _with_rows(text_BD, text_ND, own))
    whole = _losses(*with_own, scale.detach()).sum() / share.batch_size
    return part + (whole - whole.detach())


def _losses(query_BD: Tensor, text_BD: Tensor, scale: Tensor) -> Tensor:
    """Return both cross-entropies of each image, added up, (B,)."""
    logit_BB = query_BD @ text_BD.T * scale
    own_B = torch.arange(len(logit_BB), device=logit_BB.device)
    by_image = functional.cross_entropy(logit_BB, own_B, reduction="none")
    return by_image + functional.cross_entropy(logit_BB.T, own_B, reduction="none")


def _with_rows(all_BD: Tensor, own_ND: Tensor, place: slice) -> Tensor:
    return torch.cat([all_BD[: place.start], own_ND, all_BD[place.stop :]])
