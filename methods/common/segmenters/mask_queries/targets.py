"""What the queries of a batch should find: masks with a class each, of all images in one list.

Shape legend: N images, T targets of the image with most, M targets of all images, P points, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.common.segmenters.mask_queries.points import sample


@dataclass(frozen=True)
class Targets:
    """The targets of some images, those of an image one after another.

    Attributes:
        class_M: int64.
        image_M: int64, the image that each is in.
        place_M: int64, its place among those of its image.
        mask_MHW: float32, 1 where the pixel belongs to it.
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


def targets_of_segments(classes: Sequence[Tensor], masks: Sequence[Tensor], padded: tuple[int, int]) -> Targets:
    """Put the segments of all images into one list.

    Args:
        classes: of each image's segments, int64 (M,).
        masks: of each image's segments, bool [M, H, W], at most the padded size; or larger, where the rest is padding.
        padded: (height, width) of the padded images.
    """
    counts = [len(class_M) for class_M in classes]
    image_M = torch.repeat_interleave(torch.tensor(counts)).to(classes[0].device)
    places = torch.cat([torch.arange(count) for count in counts]).to(classes[0].device)
    mask_MHW = torch.cat([_padded(mask, padded) for mask in masks])
    return Targets(torch.cat(list(classes)), image_M, places, mask_MHW, counts, None)


def _padded(mask_MHW: Tensor, padded: tuple[int, int]) -> Tensor:
    wide = torch.zeros(len(mask_MHW), *padded, device=mask_MHW.device)
    wide[:, : mask_MHW.shape[1], : mask_MHW.shape[2]] = mask_MHW[:, : padded[0], : padded[1]]
    return wide
