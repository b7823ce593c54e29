"""Segment Anything as a cut-out network, asked for what lies at a few points.

Shape suffixes: N pictures, C = 3 colours, H, W pixels, P points, M masks of a prompt.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.common.segment_anything.interface import SegmentAnything

_LARGEST = 2
"""Of the three masks of a prompt, the last is that of the largest part. Source: MRCA section 5.4 [B]."""

Choice = Callable[[Tensor, Tensor], Tensor]
"""Makes a bool mask (H, W) of a prompt's logits (M, H, W) and of the IoUs (M,) that the network predicts of them."""


def corners(height: int, width: int) -> NDArray[np.float32]:
    """Return the four corner pixels (x, y) of a picture, float32 (4, 2)."""
    return np.array([[x, y] for y in (0, height - 1) for x in (0, width - 1)], np.float32)


def centre(height: int, width: int) -> NDArray[np.float32]:
    """Return the middle (x, y) of a picture, float32 (1, 2)."""
    return np.array([[(width - 1) / 2, (height - 1) / 2]], np.float32)


def not_background(logits_MHW: Tensor, iou_M: Tensor) -> Tensor:
    """Take the largest part at the corners for the background, and everything else for the object."""
    return logits_MHW[_LARGEST] <= 0


def surest(logits_MHW: Tensor, iou_M: Tensor) -> Tensor:
    """Take the mask that the network trusts most."""
    return logits_MHW[int(iou_M.argmax())] > 0


class PromptedSam:
    """Cuts by one prompt of foreground points a picture."""

    def __init__(self, sam: SegmentAnything, points: Callable[[int, int], NDArray[np.float32]], choice: Choice) -> None:
        self.sam = sam
        self.points = points
        self.choice = choice

    @classmethod
    def background(cls, sam: SegmentAnything) -> "PromptedSam":
        """Cut by the background: its four corners are asked for, the object is what is left. Source: MRCA section 5.4 [B]."""
        return cls(sam, corners, not_background)

    @classmethod
    def middle(cls, sam: SegmentAnything) -> "PromptedSam":
        """Cut what lies in the middle of the picture, wrongly where the object has a hole there (our choice)."""
        return cls(sam, centre, surest)

    def soft_mask(self, image_NCHW: Tensor) -> Tensor:
        """Return masks of zeros and ones, float32 (N, H, W), of RGB pictures (N, 3, H, W) in [0, 1]."""
        masks = []
        for image_HW3 in (image_NCHW * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy():
            point_P2 = self.points(image_HW3.shape[0], image_HW3.shape[1])
            logits_MHW, iou_M = self.sam.masks_of_points(self.sam.embed(image_HW3), point_P2)
            masks.append(self.choice(logits_MHW, iou_M).float().cpu())
        return torch.stack(masks)
