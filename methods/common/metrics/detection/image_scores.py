"""How well the instances of each single image are found, which an average over all images does not say.

Shape legend: I images, N detections, G instances, Q pairs of image and class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.common.metrics.detection.matching import Matches, case_bit

_AT_HALF = case_bit(0, 0)
"""IoU 0.5, all areas."""


def found_per_image(matches: Matches, num_images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the instances of each image, and those found at IoU 0.5 by as many detections of their class as it has instances.

    The share found is recall and precision at once, and needs no threshold of scores. Instances to be ignored are left out.

    Returns:
        int64 (I,) each: instances, and those found.
    """
    counted_G = np.flatnonzero((matches.counts_G >> _AT_HALF) & 1)
    image_G, class_G = matches.image_G[counted_G].astype(np.int64), matches.class_G[counted_G].astype(np.int64)
    key_Q, num_Q = np.unique(image_G * matches.num_classes + class_G, return_counts=True)
    num_I = np.bincount(image_G, minlength=num_images)
    key_N = matches.image_N.astype(np.int64) * matches.num_classes + matches.class_N
    place_N = np.searchsorted(key_Q, key_N)
    known_N = np.append(key_Q, -1)[place_N] == key_N
    allowed_N = np.where(known_N, np.append(num_Q, 0)[place_N], 0)
    hit_N = ((matches.true_N >> _AT_HALF) & 1).astype(bool) & (matches.rank_N < allowed_N)
    return num_I, np.bincount(matches.image_N[hit_N], minlength=num_images)
