"""Square pictures of single things of the street with mask and caption, from which an inpainting generator can learn.

Shape suffixes: H, W pixels; 3 colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.miniature.street_classes import StreetKind
from methods.common.miniature.street_scene import StreetLayer, StreetScene


@dataclass(frozen=True)
class ThingCrop:
    """One thing and what surrounds it."""

    image_HW3: NDArray[np.uint8]
    """Square; black where the window leaves the scene."""
    mask_HW: NDArray[np.bool_]
    """The thing's visible pixels."""
    kind: StreetKind
    label_id: int
    """Cityscapes' label id."""
    phrase: str
    """E.g. "a red car"."""

    @property
    def captions(self) -> tuple[str, str]:
        """The prompt that names the look, "a photo of a red car", and the one that does not, "a photo of a car"."""
        return f"a photo of {self.phrase}", f"a photo of a {self.kind}"


def thing_crops(scene: StreetScene, side_px: int, min_px: int = 100, context: float = 0.0) -> Iterator[ThingCrop]:
    """Cut every instance of a scene out, far to near.

    The window is a square around the tight box, of its longer side, as in InstSynth section 2.2.

    Args:
        scene: where to cut.
        side_px: side of the pictures; windows are resized, masks by nearest neighbour.
        min_px: instances with fewer visible pixels are left out.
        context: by what share of its side the window grows at each end.
    """
    for instance in scene.instances:
        mask_HW = scene.mask_HW(instance)
        if np.count_nonzero(mask_HW) >= min_px:
            yield _crop(scene, instance, mask_HW, side_px, context)


def _crop(
    scene: StreetScene, instance: StreetLayer, mask_HW: NDArray[np.bool_], side_px: int, context: float
) -> ThingCrop:
    left, top, width, height = cv2.boundingRect(mask_HW.astype(np.uint8))
    side = max(width, height)
    margin = round(context * side)
    x, y, side = left - (side - width) // 2 - margin, top - (side - height) // 2 - margin, side + 2 * margin
    image_HW3 = np.zeros((side, side, 3), np.uint8)
    cut_HW = np.zeros((side, side), np.uint8)
    rows = slice(max(y, 0), min(y + side, mask_HW.shape[0]))
    columns = slice(max(x, 0), min(x + side, mask_HW.shape[1]))
    inside = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
    image_HW3[inside], cut_HW[inside] = scene.image_HW3[rows, columns], mask_HW[rows, columns]
    method = cv2.INTER_AREA if side > side_px else cv2.INTER_LINEAR
    assert instance.kind is not None, "instances have a kind"
    return ThingCrop(
        np.asarray(cv2.resize(image_HW3, (side_px, side_px), interpolation=method), np.uint8),
        np.asarray(cv2.resize(cut_HW, (side_px, side_px), interpolation=cv2.INTER_NEAREST)) > 0,
        instance.kind,
        instance.label_id,
        instance.phrase,
    )
