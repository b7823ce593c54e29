"""Small regions of a decoded mask go to the class around them, as the bands go that an autoencoder draws where two colours meet.

Shape legend: H, W pixels; R regions; P pairs of neighbouring pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED

_SMALLEST_PX, _AT_SIDE_PX = 20, 512


def smallest_region_px(height: int, width: int) -> int:
    """Return the area that a region needs to stay in a picture of this size: 20 px at 512 x 512, by area, so 45 px at 768 x 768.

    Source: section 4.5, step 4.
    """
    return round(_SMALLEST_PX * height * width / _AT_SIDE_PX**2)


def clean_up(label_HW: NDArray[np.uint8], min_px: int) -> NDArray[np.uint8]:
    """Give each small region the label that most of its border has.

    A region is what hangs together over the sides of pixels with one label; each side between it and another pixel counts once, and of
    labels with equally many the smallest number wins. Only regions that are large, or have got a label, count; a region among none but
    small ones waits for them, and a picture of small regions alone stays as it is. Void stays void however small, and a small region
    that borders on void most becomes void.

    Args:
        label_HW: classes from 0, 255 for void, uint8.
        min_px: a region of fewer pixels is small.
    Source: section 4.5, step 4, the rule of JoDiffusion; details are our choice [C D13].
    """
    region_HW = connected_regions(label_HW)
    area_R = np.bincount(region_HW.ravel())
    label_R = np.zeros(len(area_R), np.uint8)
    label_R[region_HW] = label_HW
    settled_R = (area_R >= min_px) | (label_R == IGNORED)
    if settled_R.all():
        return label_HW.copy()
    first_P, second_P = _borders(region_HW)
    open_P = ~settled_R[first_P]
    first_P, second_P = first_P[open_P], second_P[open_P]
    while True:
        votes_P = ~settled_R[first_P] & settled_R[second_P]
        if not votes_P.any():
            return label_R[region_HW]
        ballots, counts = np.unique(first_P[votes_P] * 256 + label_R[second_P[votes_P]], return_counts=True)
        voters, labels = ballots >> 8, ballots & 255
        best_first = np.lexsort((labels, -counts, voters))
        regions, place = np.unique(voters[best_first], return_index=True)
        label_R[regions] = labels[best_first][place]
        settled_R[regions] = True


def connected_regions(label_HW: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number the regions of equal labels that hang together over the sides of pixels, from 0, int64 [H, W].

    All labels are told apart in one pass: between neighbouring pixels of the doubled picture lies a link where their labels agree.
    """
    import cv2

    height, width = label_HW.shape
    link_HW = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    link_HW[::2, ::2] = 1
    link_HW[1::2, ::2] = label_HW[1:] == label_HW[:-1]
    link_HW[::2, 1::2] = label_HW[:, 1:] == label_HW[:, :-1]
    _, found_HW = cv2.connectedComponents(link_HW, connectivity=4)
    return np.asarray(found_HW[::2, ::2], np.int64) - 1


def _borders(region_HW: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the regions on both sides of every side between two, seen from either."""
    pairs = []
    for one, other in ((region_HW[1:], region_HW[:-1]), (region_HW[:, 1:], region_HW[:, :-1])):
        apart = one != other
        pairs += [(one[apart], other[apart]), (other[apart], one[apart])]
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])
