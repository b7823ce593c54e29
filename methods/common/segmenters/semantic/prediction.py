"""Label maps that a trained segmenter predicts: whole image, one scale, not mirrored (SAM filter section 8 [MM]).

Shape legend: N images of one size, H, W pixels, h, w pixels of the scaled image, K classes; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods.common.datasets.images import size_at_test
from methods.common.segmenters.semantic.interface import SemanticSegmenter

Image = NDArray[np.uint8]


@torch.no_grad()
def predict_labels(
    model: SemanticSegmenter,
    images_HW3: Sequence[Image],
    short_side_px: int | None,
    max_long_side_px: int,
    device: torch.device,
) -> NDArray[np.uint8]:
    """Return the best class of every pixel, uint8 [N, H, W].

    Scores are scaled back to the size of the image before the best one is taken, bilinear.

    Args:
        model: in evaluation mode, on the device.
        images_HW3: uint8 RGB [H, W, 3], all of one size.
        short_side_px: see ``size_at_test``; None to leave the images as they are.
        max_long_side_px: see ``size_at_test``.
        device: where the network is.
    """
    height, width = images_HW3[0].shape[:2]
    size = (height, width) if short_side_px is None else size_at_test(height, width, short_side_px, max_long_side_px)
    image_N3hw = torch.stack([_to_tensor(image_HW3, size) for image_HW3 in images_HW3]).to(device)
    score_NKHW = model.scores(image_N3hw.float())
    if size != (height, width):
        score_NKHW = functional.interpolate(score_NKHW, size=(height, width), mode="bilinear", align_corners=False)
    return score_NKHW.argmax(1).to(torch.uint8).cpu().numpy()


def _to_tensor(image_HW3: Image, size: tuple[int, int]) -> Tensor:
    if image_HW3.shape[:2] != size:
        image_HW3 = np.asarray(cv2.resize(image_HW3, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    return torch.from_numpy(np.array(image_HW3)).permute(2, 0, 1)
