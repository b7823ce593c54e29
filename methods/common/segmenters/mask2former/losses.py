"""The training loss of Mask2Former: that of a set of masks, and a per-pixel one where the config asks for it.

Averages divide by counts over the whole batch, whichever process has which images.

Shape legend: N images, K classes, H, W pixels, h, w cells of mask logits.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.mask2former.config import Mask2FormerConfig
from methods.common.segmenters.mask2former.head import HeadOutputs
from methods.common.segmenters.mask2former.targets import VOID, find_targets
from methods.common.segmenters.mask_queries.losses import BatchTotals, batch_totals, mask_set_losses
from methods.common.segmenters.mask_queries.points import point_sources
from methods.common.training.batch_shard import BatchShare


def mask2former_losses(
    outputs: HeadOutputs, label_NHW: Tensor, config: Mask2FormerConfig, generator: torch.Generator, share: BatchShare
) -> dict[str, Tensor]:
    """Return all weighted losses of a share of a batch; collective.

    Args:
        outputs: of the network in training mode.
        label_NHW: int64 at the size of the padded images, 255 where nothing is known.
        config: of the network.
        generator: in the same state in every process.
        share: which images of the batch these are.
    Returns:
        Scalars ``class``, ``mask``, ``dice`` of the last layer, ``earlier_class``, ``earlier_mask``, ``earlier_dice`` of all
        others together, and ``dense`` where the network has that layer.
    Source: SAM filter section 8, [M2F].
    """
    targets = find_targets(label_NHW, config.num_classes, config.loss.void)
    known_pixels = int((label_NHW != VOID).sum())
    totals = batch_totals(targets, config.num_queries, config.loss, share, known_pixels)
    sources = point_sources(targets.known_NHW, label_NHW.device, generator, share)
    with torch.autocast(label_NHW.device.type, enabled=False):
        losses = mask_set_losses(outputs.class_logits, outputs.mask_logits, targets, sources, config.loss, totals)
        if outputs.dense_logits is not None:
            losses["dense"] = config.loss.dense_weight * _dense_loss(outputs.dense_logits, label_NHW, totals)
    return losses


def _dense_loss(logit_NKhw: Tensor, label_NHW: Tensor, totals: BatchTotals) -> Tensor:
    """Return the cross-entropy of pixels with a class, logits resized to the labels; our choice [C SAM filter D67]."""
    logit_NKHW = functional.interpolate(logit_NKhw.float(), label_NHW.shape[1:], mode="bilinear", align_corners=False)
    total = functional.cross_entropy(logit_NKHW, label_NHW, ignore_index=VOID, reduction="sum")
    return total / totals.num_known_pixels
