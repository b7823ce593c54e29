"""Label maps as pictures: colours by label, and where two maps of one image agree.

Shape legend: H, W pixels; L labels; 3 RGB. Labels are uint8: 0 background, 255 uncertain.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reports.figures import PALETTE

Pixels = NDArray[np.uint8]

_UNCERTAIN = 255
_BACKGROUND = (48, 48, 48)
_FIRST_COLOURS = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#0072B2", "#999933", "#AA4499")
"""Of labels 1 to 9, readable with every common colour blindness; later labels get a hue of their own."""
_BOTH, _FIRST, _SECOND = PALETTE[2], PALETTE[1], PALETTE[0]


def coloured(labels_HW: Pixels) -> Image.Image:
    """Colour labels on dark grey: a colour a label, uncertain pixels white."""
    table_L3 = np.array([_colour(label) for label in range(256)], np.uint8)
    return Image.fromarray(table_L3[labels_HW])


def _colour(label: int) -> tuple[int, int, int]:
    if label in (0, _UNCERTAIN):
        return _BACKGROUND if label == 0 else (255, 255, 255)
    if label <= len(_FIRST_COLOURS):
        return _rgb(_FIRST_COLOURS[label - 1])
    red, green, blue = colorsys.hsv_to_rgb((label * 0.618034) % 1.0, 0.55 + 0.4 * (label % 2), 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def agreement(image_HW3: Pixels, first_HW: Pixels, second_HW: Pixels) -> Pixels:
    """Lay over a pale image where both maps name the same class (green), only the first one does (orange), or only the second (blue).

    A pixel that both label, but differently, is orange. Uncertain pixels stay pale.

    Returns:
        uint8 [H, W, 3].
    """
    pale_HW3 = 255 - (255 - np.asarray(Image.fromarray(image_HW3).convert("L").convert("RGB")).astype(np.float64)) * 0.5
    first = (first_HW > 0) & (first_HW != _UNCERTAIN)
    second = (second_HW > 0) & (second_HW != _UNCERTAIN) & (first_HW != _UNCERTAIN)
    both = first & (first_HW == second_HW)
    for where, colour in ((second & ~both, _SECOND), (first & ~both, _FIRST), (both, _BOTH)):
        pale_HW3[where] = 0.3 * pale_HW3[where] + 0.7 * np.array(_rgb(colour))
    return pale_HW3.round().astype(np.uint8)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
