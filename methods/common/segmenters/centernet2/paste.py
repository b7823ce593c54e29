"""Small box-shaped masks to full-size masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

CHUNK_PIXELS = 2**25
"""Masks are pasted in groups of at most this many pixels, to bound memory. Source: our choice."""


def paste_masks(mask_NSS: Tensor, boxes_N4: Tensor, image_size: tuple[int, int], threshold: float) -> Tensor:
    """Sample masks at pixel centres inside their boxes and threshold them.

    Args:
        mask_NSS: float probabilities in [0, 1].
        boxes_N4: xyxy in pixels of the image.
        image_size: (height, width).
        threshold: a pixel belongs to the mask from this value on.
    Returns:
        bool [N, height, width].
    Source: MRCA section 6.4 [D]: bilinear, zero outside the mask, so that edges fade over half a mask cell.
    """
    height, width = image_size
    pasted = torch.zeros(len(mask_NSS), height, width, dtype=torch.bool, device=mask_NSS.device)
    step = max(1, CHUNK_PIXELS // max(1, height * width))
    for start in range(0, len(mask_NSS), step):
        rows = slice(start, start + step)
        pasted[rows] = _sample(mask_NSS[rows], boxes_N4[rows], image_size) >= threshold
    return pasted


def _sample(mask_NSS: Tensor, boxes_N4: Tensor, image_size: tuple[int, int]) -> Tensor:
    x0, y0, x1, y1 = boxes_N4[:, :, None].unbind(1)
    y_NH = (torch.arange(image_size[0], device=boxes_N4.device) + 0.5 - y0) / (y1 - y0) * 2 - 1
    x_NW = (torch.arange(image_size[1], device=boxes_N4.device) + 0.5 - x0) / (x1 - x0) * 2 - 1
    shape = (len(boxes_N4), *image_size)
    grid_NHW2 = torch.stack([x_NW[:, None, :].expand(shape), y_NH[:, :, None].expand(shape)], dim=3)
    return functional.grid_sample(mask_NSS[:, None], grid_NHW2.to(mask_NSS.dtype), align_corners=False)[:, 0]
