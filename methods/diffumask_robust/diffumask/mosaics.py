"""Splicing: images beside and below each other, not resized, become one training image (section 10.6).

Shape legend: H, W pixels of an image; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from methods.common.errors import InputError
from methods.diffumask_robust.diffumask.mosaic_config import Mosaics
from methods.diffumask_robust.trusted_images import Trusted


class Drawn(NamedTuple):
    """Which images a mosaic shows."""

    rows: int
    columns: int
    indices: tuple[int, ...]
    """Row by row; images may repeat."""


def draw_mosaic(mosaics: Mosaics, num_images: int, rng: np.random.Generator) -> Drawn:
    """Draw a mosaic's images with replacement, and which way it lies.

    Source: section 10.6 [code].
    """
    rows, columns = mosaics.rows, mosaics.columns
    if mosaics.may_turn and rng.random() < 0.5:
        rows, columns = columns, rows
    return Drawn(rows, columns, tuple(int(index) for index in rng.integers(0, num_images, rows * columns)))


def splice(tiles: Sequence[Trusted], rows: int, columns: int) -> Trusted:
    """Put images, their labels and where these are trusted into one of each.

    Args:
        tiles: rows times columns of one size, row by row.
        rows: below each other.
        columns: beside each other.

    Raises:
        InputError: the sizes differ.
    Source: section 10.6 [code].
    """
    assert len(tiles) == rows * columns, f"{len(tiles)} images for {rows} x {columns}"
    sizes = {tile[1].shape for tile in tiles}
    if len(sizes) > 1:
        one, other = sorted(sizes)[:2]
        raise InputError(
            f"a mosaic was to hold images of {one[1]}x{one[0]} and {other[1]}x{other[0]} pixels; splice images of one size"
        )
    image, label, trusted = (
        np.concatenate(
            [np.concatenate(part[row * columns : (row + 1) * columns], axis=1) for row in range(rows)], axis=0
        )
        for part in zip(*tiles, strict=True)
    )
    return image, label, trusted
