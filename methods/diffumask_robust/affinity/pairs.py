"""Pairs of cells near each other, and how surely the two of a pair belong together.

Pairs are in the order of their offsets, and for one offset row by row of the upper cell, or left one in the same row.

Shape legend: N images, C channels, h, w cells, P pairs.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from methods.diffumask_robust.affinity.config import Border


class Offset(NamedTuple):
    """Where the other cell of a pair lies, in cells."""

    down: int
    right: int


class Shift(NamedTuple):
    """All pairs of one offset: the first cells are a rectangle of the map, the second ones the same shifted."""

    offset: Offset
    rows: range
    """Of the first cells."""
    columns: range

    def first(self, map_hw: Tensor) -> Tensor:
        """Return the values at the first cells; the map's last axes are rows and columns."""
        return map_hw[..., self.rows.start : self.rows.stop, self.columns.start : self.columns.stop]

    def second(self, map_hw: Tensor) -> Tensor:
        """Return the values at the second cells."""
        (down, right), rows, columns = self.offset, self.rows, self.columns
        return map_hw[..., rows.start + down : rows.stop + down, columns.start + right : columns.stop + right]


def offsets(radius: int) -> list[Offset]:
    """Return each offset nearer than the radius once: to the right in the same row, then row by row below.

    Source: section 10.4 [code]; at radius 5 there are 34.
    """
    same_row = [Offset(0, right) for right in range(1, radius)]
    below = [
        Offset(down, right)
        for down in range(1, radius)
        for right in range(-radius + 1, radius)
        if down**2 + right**2 < radius**2
    ]
    return same_row + below


@cache
def shifts(height: int, width: int, radius: int, border: Border) -> tuple[Shift, ...]:
    """Return all pairs of a map.

    Args:
        height: of the map, in cells.
        width: of the map.
        radius: pairs are nearer than this.
        border: as released, every first cell has all of its pairs, and others than those have none.
    """
    reach = radius - 1
    found = []
    for offset in offsets(radius):
        down, right = offset
        if border == "as_released":
            rows, columns = range(height - reach), range(reach, max(reach, width - reach))
        else:
            rows, columns = range(height - down), range(max(0, -right), max(0, width - max(0, right)))
        if len(rows) and len(columns):
            found.append(Shift(offset, rows, columns))
    return tuple(found)


def pair_cells(height: int, width: int, radius: int, border: Border) -> tuple[Tensor, Tensor]:
    """Return the first and the second cell of every pair, int64 (P,) each; cells count row by row."""
    cell_hw = torch.arange(height * width).reshape(height, width)
    empty = cell_hw.new_zeros(0)
    pairs = shifts(height, width, radius, border)
    first = torch.cat([empty, *(shift.first(cell_hw).flatten() for shift in pairs)])
    second = torch.cat([empty, *(shift.second(cell_hw).flatten() for shift in pairs)])
    return first, second


def affinities(feature_NChw: Tensor, radius: int, border: Border) -> Tensor:
    """Return exp(-mean over channels of the difference of the two features), float32 [N, P], in (0, 1].

    Args:
        feature_NChw: feature of each cell.
        radius: see :func:`shifts`.
        border: see :func:`shifts`.
    Source: section 10.4 [code].
    """
    height, width = feature_NChw.shape[-2:]
    distances = [
        (shift.first(feature_NChw) - shift.second(feature_NChw)).abs().mean(1).flatten(1)
        for shift in shifts(height, width, radius, border)
    ]
    return torch.exp(-torch.cat([feature_NChw.new_zeros(len(feature_NChw), 0), *distances], 1))
