"""Filtering with a Gaussian of many dimensions on the permutohedral lattice, in NumPy and sparse matrices.

Points are spread onto the corners of the lattice's simplex around them, corners are blurred along each axis of the lattice, and points are
read back. Source: Adams, Baek and Davis 2010, with the scale of Krähenbühl and Koltun 2011.

Shape legend: N points, D dimensions of their features, V = D + 1 corners of a simplex, M corners that any point uses, L channels.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float32]


class PermutohedralLattice:
    """The lattice of one set of points; filters any number of signals on it.

    Args:
        feature_ND: float32, in units of the Gaussian's standard deviation.

    Raises:
        ValueError: the features are no finite numbers, or spread so far that corners cannot be numbered.
    """

    def __init__(self, feature_ND: Floats) -> None:
        if feature_ND.ndim != 2 or not np.isfinite(feature_ND).all():
            raise ValueError(f"features have shape {feature_ND.shape} or are no finite numbers; give finite ones [N, D]")
        base_NV, rank_NV, weight_NV = _enclosing_simplex(feature_ND.astype(np.float32))
        code_NV, strides_V = _corner_codes(base_NV, rank_NV)
        place_NV, corner_M = _number_corners(code_NV)
        self._read = _reading_matrix(place_NV, weight_NV, len(corner_M))
        self._spread = self._read.T.tocsr()
        self._neighbours = [_neighbours(corner_M, shift) for shift in _axis_shifts(strides_V)]

    @property
    def num_corners(self) -> int:
        """M."""
        return self._read.shape[1]

    def filter(self, value_NL: Floats) -> Floats:
        """Return each channel times the Gaussian kernel, whose entry of a point with itself counts; up to a constant factor."""
        value_ML = self._spread @ np.ascontiguousarray(value_NL, np.float32)
        for below_M, above_M in self._neighbours:
            padded = np.concatenate((value_ML, np.zeros((1, value_ML.shape[1]), np.float32)))
            value_ML = padded[below_M]
            value_ML += padded[above_M]
            value_ML *= np.float32(0.5)
            value_ML += padded[:-1]
        filtered: Floats = self._read @ value_ML
        return filtered


def _enclosing_simplex(feature_ND: Floats) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Find the simplex around each point.

    Returns:
        the corner of remainder 0, int32 [N, V]; the rank of each coordinate's distance from it, int32 [N, V]; and the barycentric weights of
        the corners of remainder 0 to D, float32 [N, V].
    """
    num_points, dims = feature_ND.shape
    raised_NV = _raise_to_plane(feature_ND)
    round_NV = np.rint(raised_NV * np.float32(1 / (dims + 1))).astype(np.int32)
    base_NV = round_NV * (dims + 1)
    rest_NV = raised_NV - base_NV
    rank_NV = np.zeros(base_NV.shape, np.int32)
    for i in range(dims):
        for j in range(i + 1, dims + 1):
            smaller_N = rest_NV[:, i] < rest_NV[:, j]
            rank_NV[:, i] += smaller_N
            rank_NV[:, j] += ~smaller_N
    # Rounding may leave the plane whose coordinates add up to 0; the coordinates that were rounded most go back.
    rank_NV += round_NV.sum(1, keepdims=True, dtype=np.int32)
    for wrong_NV, step in ((rank_NV < 0, dims + 1), (rank_NV > dims, -dims - 1)):
        rank_NV[wrong_NV] += step
        base_NV[wrong_NV] += step
    height_NV = (raised_NV - base_NV) * np.float32(1 / (dims + 1))
    ordered_NV = np.empty_like(height_NV)
    np.put_along_axis(ordered_NV, dims - rank_NV, height_NV, 1)
    weight_NV = ordered_NV.copy()
    weight_NV[:, 1:] -= ordered_NV[:, :-1]
    weight_NV[:, 0] += 1 - ordered_NV[:, -1]
    assert weight_NV.shape == (num_points, dims + 1)
    return base_NV, rank_NV, weight_NV


def _raise_to_plane(feature_ND: Floats) -> Floats:
    """Place points of D dimensions on the plane of V dimensions whose coordinates add up to 0, scaled so that the blur has variance 1."""
    num_points, dims = feature_ND.shape
    raised_NV = np.empty((num_points, dims + 1), np.float32)
    total_N = np.zeros(num_points, np.float32)
    for j in range(dims, 0, -1):
        scale = math.sqrt(2 / 3) * (dims + 1) / math.sqrt(j * (j + 1))
        scaled_N = feature_ND[:, j - 1] * np.float32(scale)
        raised_NV[:, j] = total_N - j * scaled_N
        total_N += scaled_N
    raised_NV[:, 0] = total_N
    return raised_NV


def _corner_codes(base_NV: NDArray[np.int32], rank_NV: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each corner a number that is linear in its first D coordinates; the last follows from them.

    Returns:
        codes [N, V], by remainder; and what a step of each coordinate adds, (V,), 0 for the last.
    """
    dims = base_NV.shape[1] - 1
    margin = 2 * (dims + 1)  # a corner lies up to D from the base, and its neighbours up to D from it
    low_D = base_NV[:, :dims].min(0).astype(np.int64) - margin
    span_D = base_NV[:, :dims].max(0).astype(np.int64) + margin - low_D + 1
    if math.prod(span_D.tolist()) >= 2**63:
        raise ValueError("the features spread too far for the lattice; use larger standard deviations")
    strides_V = np.append(np.concatenate(([1], np.cumprod(span_D[:-1]))), 0).astype(np.int64)
    base_N = (base_NV[:, :dims] - low_D) @ strides_V[:dims]
    code_NV = np.empty(base_NV.shape, np.int64)
    for remainder in range(dims + 1):
        step_NV = remainder - (dims + 1) * (rank_NV > dims - remainder)
        code_NV[:, remainder] = base_N + step_NV @ strides_V
    return code_NV, strides_V


def _number_corners(code_NV: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the corners that occur, in the order of their codes; returns the number of each, and the codes."""
    place, found_M = pd.factorize(code_NV.ravel())
    order_M = np.argsort(found_M)
    number_M = np.empty_like(order_M)
    number_M[order_M] = np.arange(len(order_M))
    return number_M[place].reshape(code_NV.shape), np.asarray(found_M)[order_M]


def _reading_matrix(place_NV: NDArray[np.int64], weight_NV: Floats, num_corners: int) -> csr_array:
    """Return the sparse matrix that reads points from corners, [N, M]."""
    num_points, num_each = place_NV.shape
    starts = np.arange(0, num_points * num_each + 1, num_each, dtype=np.int32)
    entries = (weight_NV.ravel(), place_NV.ravel().astype(np.int32), starts)
    return csr_array(entries, shape=(num_points, num_corners))


def _axis_shifts(strides_V: NDArray[np.int64]) -> list[int]:
    """Return what a step along each of the V axes adds to a code: D along the coordinate itself, -1 along every other."""
    num_axes = len(strides_V)
    return [int(num_axes * strides_V[axis] - strides_V.sum()) for axis in range(num_axes)]


def _neighbours(corner_M: NDArray[np.int64], shift: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the two neighbours of each corner along an axis; M where there is none."""

    def numbers(wanted_M: NDArray[np.int64]) -> NDArray[np.int64]:
        place_M = np.searchsorted(corner_M, wanted_M)
        place_M[place_M == len(corner_M)] = 0
        return np.where(corner_M[place_M] == wanted_M, place_M, len(corner_M))

    return numbers(corner_M - shift), numbers(corner_M + shift)
