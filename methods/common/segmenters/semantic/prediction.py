"""Label maps that a trained segmenter predicts: of the whole image, by default at one scale and not mirrored (SAM filter section 8 [MM]).

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
    scales: Sequence[float] = (1.0,),
    mirrored: bool = False,
) -> NDArray[np.uint8]:
    """Return the best class of every pixel, uint8 [N, H, W].

    Scores are scaled back to the size of the image before the best one is taken, bilinear; those of several looks at it are added.

    Args:
        model: in evaluation mode, on the device.
        images_HW3: uint8 RGB [H, W, 3], all of one size.
        short_side_px: see ``size_at_test``; None to leave the images as they are.
        max_long_side_px: see ``size_at_test``.
        device: where the network is.
        scales: factors of the short side, each a look; the longest side is that of the largest one for all.
        mirrored: whether each look is also taken with left and right exchanged.
    """
    height, width = images_HW3[0].shape[:2]
    total_NKHW: Tensor | None = None
    for scale in scales:
        short_px = min(height, width) if short_side_px is None else short_side_px
        limit_px = max(height, width) if short_side_px is None else max_long_side_px
        size = size_at_test(height, width, round(short_px * scale), round(limit_px * max(scales)))
        image_N3hw = torch.stack([_to_tensor(image_HW3, size) for image_HW3 in images_HW3]).to(device).float()
        looks = [model.scores(image_N3hw)]
        if mirrored:
            looks.append(model.scores(image_N3hw.flip(-1)).flip(-1))
        for score_NKHW in looks:
            if size != (height, width):
                score_NKHW = functional.interpolate(score_NKHW, (height, width), mode="bilinear", align_corners=False)
            total_NKHW = score_NKHW if total_NKHW is None else total_NKHW + score_NKHW
    assert total_NKHW is not None, "no scale is given"
    return total_NKHW.argmax(1).to(torch.uint8).cpu().numpy()


def _to_tensor(image_HW3: Image, size: tuple[int, int]) -> Tensor:
    if image_HW3.shape[:2] != size:
        image_HW3 = np.asarray(cv2.resize(image_HW3, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    return torch.from_numpy(np.array(image_HW3)).permute(2, 0, 1)
