"""T2: SAM's automatic masks, each named by CLIP.

Shape suffixes: N masks; K texts; H, W pixels; D joint space; 3 colours.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.clip import ClipScorer
from methods.common.prompters.configs import AutomaticClipConfig
from methods.common.prompters.interface import NamedMasks, empty_masks
from methods.common.segment_anything.automatic_masks import ProposedMasks
from methods.common.segment_anything.interface import SegmentAnything

_FILL = {"grey": 127, "white": 255, "kept": 127}
"""Colour of what is outside the mask and, for all three, outside the picture."""


class AutomaticClip:
    """The picture is encoded once, its masks are proposed once, and CLIP looks at each of them once."""

    def __init__(self, sam: SegmentAnything, clip: ClipScorer, config: AutomaticClipConfig) -> None:
        self.sam = sam
        self.clip = clip
        self.config = config

    def segment(self, image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
        """Return the mask of each name; see :class:`NamedSegmenter`.

        A mask belongs to the name that fits it best among those of the picture, if 100 x cosine clears the bar.
        """
        found = empty_masks(image_HW3, class_names)
        proposed = self.sam.propose_masks(image_HW3, self.config.masks)
        fits_NK = self._fits(image_HW3, proposed, class_names)
        best_N = fits_NK.argmax(axis=1)
        small_N = proposed.mask_NHW.mean(axis=(1, 2)) <= self.config.max_area_share
        kept_N = (best_N < len(class_names)) & (fits_NK.max(axis=1) >= self.config.min_score) & small_N
        for number in np.flatnonzero(kept_N):
            found[class_names[best_N[number]]] |= proposed.mask_NHW[number]
        return found

    def _fits(
        self, image_HW3: NDArray[np.uint8], proposed: ProposedMasks, class_names: Sequence[str]
    ) -> NDArray[np.float32]:
        """Return 100 x cosine of each mask's crop with each name, and then each other text, float32 (N, K)."""
        texts = [self.config.template.format(name) for name in class_names]
        text_KD = self.clip.embed_texts([*texts, *self.config.other_texts])
        crops = [
            square_crop(image_HW3, mask_HW, box_4, self.config)
            for mask_HW, box_4 in zip(proposed.mask_NHW, proposed.box_N4, strict=True)
        ]
        fits_NK: NDArray[np.float32] = (100.0 * self.clip.embed_images(crops) @ text_KD.T).numpy()
        return fits_NK


def square_crop(
    image_HW3: NDArray[np.uint8], mask_HW: NDArray[np.bool_], box_4: NDArray[np.int64], config: AutomaticClipConfig
) -> NDArray[np.uint8]:
    """Cut the square around a mask's box, with margin; outside the picture it is filled with one colour.

    The square keeps the object's proportions and is seen whole, although CLIP's preprocessing crops to a square.
    Source: our choice [? SAM filter D62].
    """
    left, top, right, bottom = (int(side) for side in box_4)
    side = max(1, round(max(right - left, bottom - top) * (1.0 + 2.0 * config.margin)))
    x, y = left - (side - (right - left)) // 2, top - (side - (bottom - top)) // 2
    shown_HW3 = image_HW3
    if config.surroundings != "kept":
        shown_HW3 = np.where(mask_HW[..., None], image_HW3, np.uint8(_FILL[config.surroundings]))
    height, width = mask_HW.shape
    inside = shown_HW3[max(y, 0) : y + side, max(x, 0) : x + side]
    fill = (_FILL[config.surroundings],) * 3
    before, above = max(-x, 0), max(-y, 0)
    after, below = side - before - inside.shape[1], side - above - inside.shape[0]
    assert after >= 0, (box_4, width)
    assert below >= 0, (box_4, height)
    return np.asarray(
        cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_CONSTANT, value=fill), np.uint8
    )
