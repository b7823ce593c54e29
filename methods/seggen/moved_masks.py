"""Human masks that were mirrored, scaled and shifted: new layouts without a network, the control of Text2Mask.

Shape legend: H, W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.datasets.labelled_images import IGNORED
from methods.common.stage import Config


class Move(Config):
    """How far masks are moved. Every draw is uniform [C D31]."""

    max_scale: float = Field(default=1.25, ge=1)
    """Largest factor on both sides, and one over the smallest; drawn on a logarithmic scale."""
    max_shift: float = Field(default=0.2, ge=0, lt=1)
    """Largest shift, as a share of each side, either way."""
    mirror_share: float = Field(default=0.5, ge=0, le=1)
    """Probability of a mirror image."""


def move_labels(label_HW: NDArray[np.uint8], move: Move, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Move a mask within its frame; what comes in from outside is not rated.

    Args:
        label_HW: uint8, labels and 255.
        move: how far.
        generator: four numbers are drawn, whatever the size.

    Returns:
        uint8 [H, W], by nearest neighbour.
    """
    height, width = label_HW.shape
    scale = move.max_scale ** generator.uniform(-1, 1)
    down, right = generator.uniform(-move.max_shift, move.max_shift, 2)
    mirrored = generator.random() < move.mirror_share
    row_H, column_W = _sources(height, scale, down), _sources(width, scale, right)
    if mirrored:
        column_W = width - 1 - column_W
    moved_HW: NDArray[np.uint8] = label_HW[np.ix_(row_H.clip(0, height - 1), column_W.clip(0, width - 1))].copy()
    moved_HW[(row_H < 0) | (row_H >= height)] = IGNORED
    moved_HW[:, (column_W < 0) | (column_W >= width)] = IGNORED
    return moved_HW


def _sources(length: int, scale: float, shift: float) -> NDArray[np.int64]:
    """Return for each place along a side which place of the unmoved mask is shown there; beyond the sides too."""
    middle = length / 2
    source_N = (np.arange(length) + 0.5 - middle - shift * length) / scale + middle
    return np.asarray(np.floor(source_N), np.int64)
