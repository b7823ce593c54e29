"""Blur, occlusion and perspective: pure functions of an image, its labels and a random generator (section 10.6).

Neither code nor strengths are published; what each does, and how much, is ours [C D36].

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import cv2
import numpy as np

from methods.common.datasets.labelled_images import IGNORED
from methods.diffumask_robust.diffumask.mosaic_config import Blur, Distortions, Occlusion, Perspective
from methods.diffumask_robust.trusted_images import Trusted


def distort(item: Trusted, config: Distortions, rng: np.random.Generator) -> Trusted:
    """Change an image with its labels: another view first, then what stands before it, then blur. Nothing that is given is changed.

    Every draw is made whether it is used or not, so that one distortion less leaves the others as they are.
    """
    chance = rng.random(3)
    seeds = rng.integers(2**62, size=3)
    if config.perspective is not None and chance[0] < config.perspective.chance:
        item = seen_from_elsewhere(item, config.perspective, np.random.default_rng(seeds[0]))
    if config.occlusion is not None and chance[1] < config.occlusion.chance:
        item = occluded(item, config.occlusion, np.random.default_rng(seeds[1]))
    if config.blur is not None and chance[2] < config.blur.chance:
        item = blurred(item, config.blur, np.random.default_rng(seeds[2]))
    return item


def blurred(item: Trusted, config: Blur, rng: np.random.Generator) -> Trusted:
    """Blur the image; labels stay. The image's edge is mirrored."""
    image_HW3, label_HW, trusted_HW = item
    sigma = rng.uniform(config.min_sigma, config.max_sigma) * min(label_HW.shape)
    soft_HW3 = cv2.GaussianBlur(image_HW3, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(soft_HW3, np.uint8), label_HW, trusted_HW


def occluded(item: Trusted, config: Occlusion, rng: np.random.Generator) -> Trusted:
    """Put boxes of one colour each before the scene; their pixels are background, and trusted."""
    image_HW3, label_HW, trusted_HW = item[0].copy(), item[1].copy(), item[2].copy()
    height, width = label_HW.shape
    for _ in range(int(rng.integers(1, config.max_boxes + 1))):
        share = rng.uniform(config.min_side, config.max_side, 2)
        rows, columns = max(1, round(share[0] * height)), max(1, round(share[1] * width))
        top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
        box = slice(top, top + rows), slice(left, left + columns)
        image_HW3[box] = rng.integers(0, 256, 3)
        label_HW[box], trusted_HW[box] = 0, True
    return image_HW3, label_HW, trusted_HW


def seen_from_elsewhere(item: Trusted, config: Perspective, rng: np.random.Generator) -> Trusted:
    """Move the corners of the image inwards; what lies outside of it is black, labelled 255 and not trusted.

    The image is read bilinearly, labels from the nearest pixel.
    """
    image_HW3, label_HW, trusted_HW = item
    height, width = label_HW.shape
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
    moved = corners + inwards * rng.uniform(0, config.max_move, (4, 2)).astype(np.float32) * (width, height)
    view = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    size = (width, height)
    seen_HW3 = cv2.warpPerspective(image_HW3, view, size, flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    labels, trusted = (
        cv2.warpPerspective(part, view, size, flags=cv2.INTER_NEAREST, borderValue=outside)
        for part, outside in ((label_HW, IGNORED), (trusted_HW.astype(np.uint8), 0))
    )
    return np.asarray(seen_HW3, np.uint8), np.asarray(labels, np.uint8), np.asarray(trusted).astype(bool)
