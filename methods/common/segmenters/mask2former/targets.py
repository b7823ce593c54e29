"""What the queries should find: one mask for each class that a label map holds.

Shape legend: N images, M targets of all images, K classes, H, W pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from methods.common.segmenters.mask_queries.targets import Targets

VOID = 255
"""Label of pixels about which nothing is known."""


def find_targets(label_NHW: Tensor, num_classes: int, void: Literal["negative", "excluded"]) -> Targets:
    """Cut label maps into one mask for each class present (SAM filter section 8).

    Label 255 is no class; see ``Mask2FormerLossConfig.void``.
    """
    images = len(label_NHW)
    first_N11 = torch.arange(images, device=label_NHW.device)[:, None, None] * (VOID + 1)
    pixels_NV = torch.bincount((label_NHW + first_N11).flatten(), minlength=images * (VOID + 1)).view(images, VOID + 1)
    assert num_classes <= VOID, f"{num_classes} classes do not fit below label {VOID}"
    assert not pixels_NV[:, num_classes:VOID].any(), f"a label is neither below {num_classes} nor {VOID}"
    present_NK = pixels_NV[:, :num_classes] > 0
    image_M, class_M = torch.nonzero(present_NK).unbind(dim=1)
    place_M = present_NK.cumsum(dim=1)[image_M, class_M] - 1
    mask_MHW = (label_NHW[image_M] == class_M[:, None, None]).float()
    counts: list[int] = present_NK.sum(dim=1).tolist()
    excluded = void == "excluded" and bool(pixels_NV[:, VOID].any())
    return Targets(class_M, image_M, place_M, mask_MHW, counts, label_NHW != VOID if excluded else None)
