"""Training and test images as a network sees them: every view that a training may draw, one by one (section 4).

Shape legend: N views, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods.common.datasets.lvis_records import LvisDataset, LvisImage
from methods.common.datasets.pictures import read_rgb
from methods.common.segmenters.backbones.generative.config import UNIT
from methods.common.segmenters.instance.augmentation import mirrored, resize_and_crop
from methods.common.segmenters.instance.short_side import short_side_size


@dataclass(frozen=True)
class View:
    """One image at one size, perhaps mirrored."""

    image: LvisImage
    size: tuple[int, int]
    """Height and width."""
    flip: bool

    def read(self, dataset: LvisDataset) -> NDArray[np.uint8]:
        """Read it as trainings make it, uint8 RGB (H, W, 3).

        Raises:
            InputError: the picture is missing or damaged.
        """
        image_HW3 = read_rgb(dataset.image_path(self.image), self.image.height, self.image.width)
        return mirrored(resize_and_crop(image_HW3, self.size, (0, 0, *self.size)), self.flip)


def views_of(
    images: Sequence[LvisImage], short_sides_px: Sequence[int], max_long_side_px: int, mirror: bool
) -> Iterator[View]:
    """Yield the views of each image, those of one size together.

    Args:
        images: of a data set.
        short_sides_px: to which images are resized; none leaves them as they are.
        max_long_side_px: that no long side passes where they are resized.
        mirror: whether each is also mirrored.
    """
    for short_px in short_sides_px or (0,):
        for image in images:
            size = image.height, image.width
            if short_px:
                size = short_side_size(*size, short_px, max_long_side_px)
            for flip in (False, True)[: 1 + mirror]:
                yield View(image, size, flip)


def unit_batch(pictures: Sequence[NDArray[np.uint8]], multiple: int) -> Tensor:
    """Return pictures of one size as segmenters give them to a generative backbone: [-1, 1], zeros up to a multiple, [N, 3, H, W]."""
    image_N3HW = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(values)[:, None, None] for values in (UNIT, UNIT))
    height, width = image_N3HW.shape[2:]
    return functional.pad((image_N3HW - mean) / std, (0, -width % multiple, 0, -height % multiple))
