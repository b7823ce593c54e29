"""Training crops of images with labels of their cells.

Shape legend: H, W pixels, h, w cells; S side of a crop in pixels, s in cells; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.segmenters.semantic.training_images import NumberedCrops
from methods.diffumask_robust.affinity.crop_config import AffinityCropConfig

CellLabelled = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""An image, uint8 RGB [H, W, 3], and a label of each cell, uint8 [h, w]: 0 background, 255 not known."""


class AffinityCrops(NumberedCrops[CellLabelled]):
    """Crops that begin at a cell [C D33]."""

    def __init__(
        self,
        num_images: int,
        read: Callable[[int], CellLabelled],
        stride: int,
        config: AffinityCropConfig,
        seeds: Seeds,
    ) -> None:
        """Begin the endless order of crops.

        Args:
            num_images: that there are.
            read: returns one of them.
            stride: pixels of a cell.
            config: what happens to them.
            seeds: axis ``training``.

        Raises:
            InputError: there is no image, or a crop is not made of whole cells.
        """
        super().__init__(num_images, seeds)
        if config.crop_px % stride:
            raise InputError(f"crops.crop_px is {config.crop_px}; give a multiple of {stride}, the side of a cell")
        self._read, self._stride, self._config = read, stride, config

    def read(self, index: int) -> CellLabelled:
        """Read an image and the labels of its cells.

        Raises:
            InputError: the two do not fit, or the image is smaller than a crop.
        """
        image_HW3, label_hw = self._read(index)
        height, width = image_HW3.shape[:2]
        stride, side = self._stride, self._config.crop_px
        if label_hw.shape != (-(-height // stride), -(-width // stride)):
            raise InputError(
                f"an image of {width}x{height} pixels has labels of {label_hw.shape[1]}x{label_hw.shape[0]} cells of {stride} px; make the "
                "seeds again"
            )
        if min(height, width) < side:
            raise InputError(f"crops.crop_px is {side}, but an image has {width}x{height} pixels; give a smaller crop")
        return image_HW3, label_hw

    def augmented(self, item: CellLabelled, rng: np.random.Generator) -> CellLabelled:
        """Return a crop, perhaps mirrored, in other colours; source: section 10.4 [code]."""
        image_HW3, label_hw = item
        stride, side, config = self._stride, self._config.crop_px, self._config
        top, left = (int(rng.integers(0, (whole - side) // stride + 1)) for whole in image_HW3.shape[:2])
        cells = side // stride
        image_SS3 = image_HW3[top * stride : top * stride + side, left * stride : left * stride + side]
        label_ss = label_hw[top : top + cells, left : left + cells]
        if rng.random() < config.flip_probability:
            image_SS3, label_ss = image_SS3[:, ::-1], label_ss[:, ::-1]
        return jittered(image_SS3, config, rng), np.ascontiguousarray(label_ss)


def jittered(image_HW3: NDArray[np.uint8], config: AffinityCropConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change brightness, contrast, saturation and hue by factors drawn at random, in an order drawn at random.

    Source: section 10.4 [code]; torchvision's ``ColorJitter`` draws alike.
    """
    image_3HW = torch.from_numpy(np.ascontiguousarray(image_HW3)).permute(2, 0, 1)
    strengths = (config.brightness, config.contrast, config.saturation)
    factors = [float(rng.uniform(1 - strength, 1 + strength)) for strength in strengths]
    turn = float(rng.uniform(-config.hue, config.hue))
    adjust = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation)
    for place in rng.permutation(4):
        if place < 3 and strengths[place] > 0:
            image_3HW = adjust[place](image_3HW, factors[place])
        elif place == 3 and config.hue > 0:
            image_3HW = functional.adjust_hue(image_3HW, turn)
    changed: NDArray[np.uint8] = image_3HW.permute(1, 2, 0).contiguous().numpy()
    return changed
