"""The boundary region against its definition, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from methods.common.metrics.boundary import boundary_table, boundary_width
from methods.common.metrics.detection.run_length_masks import MaskTable


def mask_boundary(mask_HW: np.ndarray) -> np.ndarray:
    """The boundary region of a mask that fills its image."""
    whole = MaskTable.from_mask(mask_HW, 0, 0)
    table = boundary_table(whole, np.zeros(1, np.int64), *(np.array([side]) for side in mask_HW.shape))
    boundary_HW = np.zeros_like(mask_HW)
    if len(table.column_S):
        crop_HW, left, top = table.crop(0)
        boundary_HW[top : top + crop_HW.shape[0], left : left + crop_HW.shape[1]] = crop_HW
    return boundary_HW


def slow_boundary(mask_HW: np.ndarray) -> np.ndarray:
    """A mask's pixels that have a pixel outside of it, or the image's outside, within the width in rows and columns."""
    height, width = mask_HW.shape
    reach = max(1, round(0.02 * float(np.sqrt(height**2 + width**2))))
    boundary = np.zeros_like(mask_HW)
    for row, column in np.argwhere(mask_HW):
        cut = row < reach or column < reach or row + reach >= height or column + reach >= width
        around = mask_HW[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        boundary[row, column] = cut or not around.all()
    return boundary


def drawn(side: int) -> st.SearchStrategy[np.ndarray]:
    """Masks with large full areas, so that something is left inside their boundary."""
    noise = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=side), elements=st.just(True))
    return st.tuples(noise, st.lists(st.tuples(*[st.integers(0, side)] * 4), max_size=4)).map(with_holes)


def with_holes(case: tuple[np.ndarray, list[tuple[int, int, int, int]]]) -> np.ndarray:
    mask, holes = case
    for row, column, height, width in holes:
        mask[row : row + height // 4 + 1, column : column + width // 4 + 1] = False
    return mask


@settings(max_examples=60, deadline=None)
@given(drawn(24))
def test_drawn_masks(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(mask_boundary(mask), slow_boundary(mask))


@pytest.mark.parametrize("shape", [(1, 1), (90, 120), (200, 60)])
def test_wider_boundaries(shape: tuple[int, int]) -> None:
    mask = np.ones(shape, bool)
    mask[30:50, 20:40] = False
    boundary = mask_boundary(mask)
    np.testing.assert_array_equal(boundary, slow_boundary(mask))
    assert boundary_width(*shape) == {(1, 1): 1, (90, 120): 3, (200, 60): 4}[shape]


def test_boundary_of_nothing_is_nothing() -> None:
    assert not mask_boundary(np.zeros((5, 7), bool)).any()
