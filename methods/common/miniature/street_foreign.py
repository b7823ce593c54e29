"""Things that no class of the street names, drawn where the street's own would stand: what a segmenter of the street is pretrained on.

Sizes, places, light and what hides what are those of the street; silhouettes and surfaces are those of ``categories.UNNAMED``.

Shape suffixes: H, W pixels; 4 colours and alpha.
"""

import cv2
import numpy as np

from methods.common.miniature.categories import UNNAMED
from methods.common.miniature.objects import render_object
from methods.common.miniature.street_classes import STREET_KINDS, StreetKind
from methods.common.miniature.street_objects import StreetSprite, solid_region

THINGS_A_KIND = len(UNNAMED) // len(STREET_KINDS)
"""Unnamed things that stand in for each class."""
_MIN_RADIUS_PX = 3.0
_ASPECTS = (0.5, 2.5)
_OPAQUE = 127


def draw_foreign(kind: StreetKind, height_px: float, faces_left: bool, rng: np.random.Generator) -> StreetSprite:
    """Draw an individual of one of the unnamed things that stand in for a class of the street.

    Args:
        kind: the class whose place it takes.
        height_px: its height in output pixels, at least 3.
        faces_left: mirrored.
        rng: decides which thing, its proportions, colours and pose.
    Returns:
        as :func:`~methods.common.miniature.street_objects.draw_thing`, without a look.
    Source: our choice.
    """
    category = UNNAMED[STREET_KINDS.index(kind) * THINGS_A_KIND + int(rng.integers(THINGS_A_KIND))]
    drawn_HW4 = render_object(category, max(_MIN_RADIUS_PX, height_px / 2), rng).rgba_HW4
    rows, columns = (np.flatnonzero((drawn_HW4[..., 3] > _OPAQUE).any(axis)) for axis in (1, 0))
    tight_HW4 = drawn_HW4[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    aspect = float(np.exp(rng.uniform(*np.log(_ASPECTS))))
    size = max(2, round(aspect * height_px)), max(2, round(height_px))
    rgba_HW4 = np.asarray(cv2.resize(tight_HW4, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    rgba_HW4 = np.pad(rgba_HW4[:, ::-1] if faces_left else rgba_HW4, ((1, 0), (1, 1), (0, 0)))
    mask_HW, outline_N2 = solid_region(rgba_HW4[..., 3] > _OPAQUE)
    return StreetSprite(np.ascontiguousarray(rgba_HW4), mask_HW, outline_N2, None)
