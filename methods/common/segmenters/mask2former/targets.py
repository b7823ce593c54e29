"""What the queries should find: one mask for each class that a label map holds.

Shape legend: N images, T targets of the image with most, M targets of all images, K classes, P points, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from methods.common.segmenters.mask_queries.points import sample

VOID = 255
"""Label of pixels about which nothing is known."""


@dataclass(frozen=True)
class Targets:
    """The targets of some images, those of an image one after another in rising order of class.

    Attributes:
        class_M: int64.
        image_M: int64, the image that each is in.
        place_M: int64, its place among those of its image.
        mask_MHW: float32, 1 where the pixel has the class.
        counts: number of targets of each image.
        known_NHW: bool, false where neither loss nor matching may look; None where they may look everywhere.
    """

    class_M: Tensor
    image_M: Tensor
    place_M: Tensor
    mask_MHW: Tensor
    counts: list[int]
    known_NHW: Tensor | None

    def at_points(self, point_MP2: Tensor) -> Tensor:
        """Read each mask at its own points, float32 [M, P]. Unknown neighbours of a point take no part in its interpolation."""
        value_MP = sample(self.mask_MHW[:, None], point_MP2)[:, 0]
        if self.known_NHW is None:
            return value_MP
        known_M1HW = self.known_NHW.float()[self.image_M][:, None]
        known_MP = sample(known_M1HW, point_MP2)[:, 0]
        inside_MP = sample(torch.ones_like(known_M1HW), point_MP2)[:, 0]
        return value_MP * inside_MP / known_MP.clamp(min=1e-6)

    def table(self, value_MP: Tensor) -> Tensor:
        """Spread rows of all targets over images, [N, T, P], zero in unused places."""
        table_NTP = value_MP.new_zeros(len(self.counts), max(self.counts), value_MP.shape[1])
        table_NTP[self.image_M, self.place_M] = value_MP
        return table_NTP


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
