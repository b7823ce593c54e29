"""Many masks at once, as the upright strips they are made of, and how many pixels pairs of them share.

A run-length mask runs down column after column. Cut at the columns' ends, its runs become strips (column, top, bottom), and
two masks share what their strips in the same columns share. All counts are whole numbers, so that overlaps equal those of
pycocotools exactly.

Shape legend: N masks; S strips; P pairs; W slots (see `_slots`); F foreground runs; J strips of the
pairs' first masks; H, W one mask's box; N1 = N + 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.rle import RunTable, offsets

Ints = NDArray[np.int64]
Strips = NDArray[np.int32]


@dataclass(frozen=True)
class MaskTable:
    """N masks as strips, sorted by mask and column."""

    column_S: Strips
    top_S: Strips
    bottom_S: Strips
    """Below the last pixel."""
    offset_N1: Ints
    """First strip of each mask, and the end."""

    @classmethod
    def from_runs(cls, runs: RunTable, height_N: Ints) -> "MaskTable":
        """Cut the runs of masks, all sound and no longer than their images, which have these heights."""
        start_F, stop_F, offset_N1 = runs.start_F, runs.stop_F, runs.offset_N1
        filled_F = stop_F > start_F
        if not filled_F.all():
            offset_N1 = offsets(filled_F)[offset_N1]
            start_F, stop_F = start_F[filled_F], stop_F[filled_F]
        num_fore_N = np.diff(offset_N1)
        height_F, per_height_F = np.repeat(height_N.astype(np.int32), num_fore_N), np.repeat(1 / height_N, num_fore_N)
        # Half a pixel on, quotients are off whole numbers, so that rounding cannot matter.
        column_F = ((start_F + 0.5) * per_height_F).astype(np.int32)
        top_F = start_F - column_F * height_F
        return cls(column_F, top_F, top_F + (stop_F - start_F), offset_N1)._cut(height_F)

    def _cut(self, height_S: Strips) -> "MaskTable":
        """Cut strips that reach beyond the bottoms of their columns into one strip a column."""
        if not (self.bottom_S > height_S).any():
            return self
        num_S = -(-self.bottom_S // height_S).astype(np.int64)
        begin_S1 = offsets(num_S)
        whole = np.repeat(np.arange(len(num_S)), num_S)
        place = (np.arange(begin_S1[-1]) - begin_S1[whole]).astype(np.int32)
        height, bottom = height_S[whole], self.bottom_S[whole]
        return MaskTable(
            self.column_S[whole] + place,
            np.where(place == 0, self.top_S[whole], 0),
            np.minimum(bottom - place * height, height),
            begin_S1[self.offset_N1],
        )

    @classmethod
    def from_mask(cls, mask_HW: NDArray[np.bool_], left: int, top: int) -> "MaskTable":
        """Cut one mask, bool (H, W), whose first pixel lies at column ``left`` and row ``top`` of its image."""
        step_WH = np.diff(np.pad(mask_HW.T.view(np.int8), ((0, 0), (1, 1))), axis=1)
        column_S, start_S = np.nonzero(step_WH == 1)
        stop_S = np.nonzero(step_WH == -1)[1]
        return cls(
            (column_S + left).astype(np.int32),
            (start_S + top).astype(np.int32),
            (stop_S + top).astype(np.int32),
            np.array([0, len(column_S)]),
        )

    def crop(self, index: int) -> tuple[NDArray[np.bool_], int, int]:
        """Return one mask within its box, bool (H, W), and the box's first column and row."""
        strips = slice(*self.offset_N1[index : index + 2].tolist())
        left, top, right, bottom = self.box[index].tolist()
        step_WH = np.zeros((right - left, bottom - top + 1), np.int8)
        column_S = self.column_S[strips] - left
        np.add.at(step_WH, (column_S, self.top_S[strips] - top), 1)
        np.add.at(step_WH, (column_S, self.bottom_S[strips] - top), -1)
        return np.cumsum(step_WH[:, :-1], axis=1, dtype=np.int8).T.astype(bool), left, top

    @staticmethod
    def concatenate(tables: Sequence["MaskTable"]) -> "MaskTable":
        """Put tables one behind the other."""
        empty = np.zeros(0, np.int32)
        return MaskTable(
            np.concatenate([empty, *(table.column_S for table in tables)]),
            np.concatenate([empty, *(table.top_S for table in tables)]),
            np.concatenate([empty, *(table.bottom_S for table in tables)]),
            offsets(np.concatenate([np.zeros(0, np.int64), *(np.diff(table.offset_N1) for table in tables)])),
        )

    def between(self, start: int, stop: int) -> "MaskTable":
        """Return the masks from ``start`` to before ``stop``; as many as there are."""
        offset_N1 = self.offset_N1[start : stop + 1]
        strips = slice(int(offset_N1[0]), int(offset_N1[-1]))
        return MaskTable(self.column_S[strips], self.top_S[strips], self.bottom_S[strips], offset_N1 - offset_N1[0])

    def __len__(self) -> int:
        """Return the number of masks."""
        return len(self.offset_N1) - 1

    @cached_property
    def area(self) -> Ints:
        """Pixels, (N,)."""
        return _sums(self.bottom_S - self.top_S, self.offset_N1)

    @cached_property
    def box(self) -> Ints:
        """First column, first row, last column + 1, last row + 1, [N, 4]; zeros for an empty mask."""
        box_N4 = np.zeros((len(self), 4), np.int64)
        filled_N = np.flatnonzero(np.diff(self.offset_N1))
        if len(filled_N):
            start = self.offset_N1[filled_N]
            box_N4[filled_N, 0] = self.column_S[start]
            box_N4[filled_N, 1] = np.minimum.reduceat(self.top_S, start)
            box_N4[filled_N, 2] = self.column_S[self.offset_N1[filled_N + 1] - 1] + 1
            box_N4[filled_N, 3] = np.maximum.reduceat(self.bottom_S, start)
        return box_N4

    @cached_property
    def _slots(self) -> Ints:
        """First slot of each mask, and the end, [N + 1]: one a column of its box, and an empty one on either side."""
        return offsets(self.box[:, 2] - self.box[:, 0] + 2)

    @cached_property
    def _strips_of_slots(self) -> tuple[Ints, Ints]:
        """First strip of each slot, one that is not there for an empty one, and the number of strips, (W,) each."""
        slot_S = self.column_S + np.repeat(self._slots[:-1] - self.box[:, 0] + 1, np.diff(self.offset_N1))
        num_W = np.bincount(slot_S, minlength=int(self._slots[-1]))
        first_W = np.cumsum(num_W) - num_W
        first_W[num_W == 0] = len(slot_S)
        return first_W, num_W

    @cached_property
    def _padded_ends(self) -> tuple[Strips, Strips]:
        """Tops and bottoms, and those of a strip that is not there and shares nothing with any other."""
        return np.append(self.top_S, np.int32(2**31 - 1)), np.append(self.bottom_S, np.int32(0))

    def shared_pixels(self, index_P: Ints, other: "MaskTable", other_index_P: Ints) -> Ints:
        """Return how many pixels mask ``index_P`` of this table shares with mask ``other_index_P`` of the other one.

        The work grows with the strips of this table's masks, times the strips a column that the other's have.
        """
        num_strips_P = self.offset_N1[index_P + 1] - self.offset_N1[index_P]
        offset_P1 = offsets(num_strips_P)
        strip_J = np.arange(offset_P1[-1]) + np.repeat(self.offset_N1[index_P] - offset_P1[:-1], num_strips_P)
        left_P = other.box[other_index_P, 0].astype(np.int32) - 1
        right_P = other.box[other_index_P, 2].astype(np.int32)
        column_J = np.maximum(self.column_S.take(strip_J), np.repeat(left_P, num_strips_P))
        np.minimum(column_J, np.repeat(right_P, num_strips_P), out=column_J)
        slot_J = column_J.astype(np.int64)
        slot_J += np.repeat(other._slots[other_index_P] - left_P, num_strips_P)
        first_W, num_W = other._strips_of_slots
        their_top_S1, their_bottom_S1 = other._padded_ends
        first_J, num_J = first_W.take(slot_J), num_W.take(slot_J)
        top_J, bottom_J = self.top_S.take(strip_J), self.bottom_S.take(strip_J)
        shared_J = np.minimum(bottom_J, their_bottom_S1.take(first_J))
        shared_J -= np.maximum(top_J, their_top_S1.take(first_J))
        np.maximum(shared_J, 0, out=shared_J)
        deep, layer = np.flatnonzero(num_J > 1), 1
        while len(deep):
            theirs = first_J.take(deep) + layer
            overlap = np.minimum(bottom_J.take(deep), other.bottom_S.take(theirs))
            overlap -= np.maximum(top_J.take(deep), other.top_S.take(theirs))
            shared_J[deep] += np.maximum(overlap, 0)
            layer += 1
            deep = deep.take(np.flatnonzero(num_J.take(deep) > layer))
        return _sums(shared_J, offset_P1)


def _sums(value_S: Strips, offset_N1: Ints) -> Ints:
    """Add up N stretches of values."""
    sum_N = np.zeros(len(offset_N1) - 1, np.int64)
    filled_N = np.flatnonzero(np.diff(offset_N1))
    if len(filled_N):
        sum_N[filled_N] = np.add.reduceat(value_S, offset_N1[filled_N])
    return sum_N
