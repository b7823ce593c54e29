"""The salient object of a picture, for pictures that name one class: a reference that reads no text.

Shape suffixes: N = 1 picture; H, W pixels; C = 3 colours.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.cutouts.load import DichotomousSegmenter
from methods.common.prompters.configs import SalientConfig
from methods.common.prompters.interface import NamedMasks, empty_masks


class Salient:
    """Takes the salient object for the one class named; with several names, nothing is found."""

    def __init__(self, cutter: DichotomousSegmenter, config: SalientConfig) -> None:
        self.cutter = cutter
        self.config = config

    def segment(self, image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
        """Return the mask of each name; see :class:`NamedSegmenter`."""
        if len(class_names) != 1:
            return empty_masks(image_HW3, class_names)
        image_NCHW = torch.from_numpy(image_HW3).permute(2, 0, 1)[None].float() / 255.0
        with torch.inference_mode():
            soft_NHW = self.cutter.soft_mask(image_NCHW)
        return {class_names[0]: (soft_NHW[0] >= self.config.threshold).cpu().numpy()}
