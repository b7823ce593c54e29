"""The rim of a pasted region (section 6.3).

Shape legend: N images, H, W pixels.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from methods.diffumask_robust.co_training_config import Border


def paste_boundary(region_NHW: Tensor, radius_px: int = 1, border: Border = "as_released") -> Tensor:
    """Return dilation minus erosion of each region, bool [N, H, W].

    Args:
        region_NHW: bool.
        radius_px: of the square kernel, whose side is 2 * radius + 1. [code] 1.
        border: what is outside of the image.

    Raises:
        ValueError: the radius is below 1.
    Source: section 6.3 [code].
    """
    if radius_px < 1:
        raise ValueError(f"radius_px is {radius_px}; give at least 1")
    region_N1HW = region_NHW[:, None].float()
    kernel = 2 * radius_px + 1
    dilated = functional.max_pool2d(region_N1HW, kernel, 1, radius_px)
    outside = 0.0 if border == "as_released" else 1.0
    missing = functional.pad(1 - region_N1HW, (radius_px,) * 4, value=outside)
    eroded = 1 - functional.max_pool2d(missing, kernel, 1)
    return (dilated > eroded)[:, 0]
