"""Filtering with a Gaussian of many dimensions on the permutohedral lattice, as products of sparse matrices.

Points are spread onto the corners of the lattice's simplex around them, corners are blurred along each axis of the lattice, and points are
read back. Source: Adams, Baek and Davis 2010, with the scale of Krähenbühl and Koltun 2011.

Shape legend: N points, D dimensions of their features, V = D + 1 corners of a simplex, M corners that any point uses, L channels.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch.nn.functional import embedding_bag

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
            raise ValueError(
                f"features have shape {feature_ND.shape} or are no finite numbers; give finite ones [N, D]"
            )
        base_VN, rank_VN, weight_VN = _enclosing_simplex(feature_ND.astype(np.float32))
        code_NV, strides_V = _corner_codes(base_VN, rank_VN)
        place_NV, corner_M = _number_corners(code_NV)
        self._read = _reading_matrix(place_NV, weight_VN, len(corner_M))
        self._spread = self._read.T.tocsr()
        self._blurs = [_blur_matrix(corner_M, shift) for shift in _axis_shifts(strides_V)]

    @property
    def num_points(self) -> int:
        """N."""
        return int(self._read.shape[0])

    def filter(self, value_NL: Floats) -> Floats:
        """Return each channel times the Gaussian kernel, whose entry of a point with itself counts; up to a constant factor.

        A pixel's channels lie side by side, so that each entry of the large matrices is fetched once for all of them.
        """
        value_ML = _product(self._spread, np.ascontiguousarray(value_NL, np.float32))
        for blur_MM in self._blurs:
            value_ML = _product(blur_MM, value_ML)
        return _product(self._read, value_ML)

    def scale(self, factor_N: Floats) -> None:
        """Multiply the kernel's entry of each two points by the factors of both."""
        self._read.data *= np.repeat(factor_N, np.diff(self._read.indptr))
        self._spread.data *= factor_N[self._spread.indices]


def _product(matrix_PM: csr_array, value_ML: Floats) -> Floats:
    """Return a sparse matrix times channels that lie side by side, float32 [P, L].

    SciPy is fast with one channel and goes through several without vector instructions; torch's weighted sums of rows are the other way round.
    """
    if value_ML.shape[1] == 1:
        return np.asarray(matrix_PM @ value_ML[:, 0])[:, None]
    rows, starts, share = (torch.from_numpy(part) for part in (matrix_PM.indices, matrix_PM.indptr, matrix_PM.data))
    with torch.inference_mode():
        summed_PL = embedding_bag(
            rows, torch.from_numpy(value_ML), starts, mode="sum", per_sample_weights=share, include_last_offset=True
        )
    found_PL: Floats = summed_PL.numpy()
    return found_PL


def _enclosing_simplex(feature_ND: Floats) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Find the simplex around each point.

    Returns:
        the corner of remainder 0, int32 [V, N]; the rank of each coordinate's distance from it, int32 [V, N]; and the barycentric weights of
        the corners of remainder 0 to D, float32 [V, N].
    """
    dims = feature_ND.shape[1]
    raised_VN = _raise_to_plane(feature_ND)
    round_VN = np.rint(raised_VN * np.float32(1 / (dims + 1))).astype(np.int32)
    base_VN = round_VN * (dims + 1)
    rest_VN = raised_VN - base_VN.astype(np.float32)
    # Rounding may leave the plane whose coordinates add up to 0; the coordinates that were rounded most go back.
    rank_VN = np.broadcast_to(round_VN.sum(0, dtype=np.int32), base_VN.shape).copy()
    for i in range(dims):
        for j in range(i + 1, dims + 1):
            smaller_N = rest_VN[i] < rest_VN[j]
            rank_VN[i] += smaller_N
            rank_VN[j] += ~smaller_N
    back_VN = (dims + 1) * ((rank_VN < 0).astype(np.int32) - (rank_VN > dims))
    rank_VN += back_VN
    base_VN += back_VN
    height_VN = (raised_VN - base_VN.astype(np.float32)) * np.float32(1 / (dims + 1))
    weight_VN = np.empty_like(height_VN)
    np.put_along_axis(weight_VN, dims - rank_VN, height_VN, 0)
    last_N = weight_VN[-1].copy()
    weight_VN[1:] -= weight_VN[:-1].copy()
    weight_VN[0] += 1 - last_N
    return base_VN, rank_VN, weight_VN


def _raise_to_plane(feature_ND: Floats) -> Floats:
    """Place points of D dimensions on the plane of V dimensions whose coordinates add up to 0, scaled so that the blur has variance 1.

    Returns:
        float32 [V, N].
    """
    num_points, dims = feature_ND.shape
    raised_VN = np.empty((dims + 1, num_points), np.float32)
    total_N = np.zeros(num_points, np.float32)
    for j in range(dims, 0, -1):
        scale = math.sqrt(2 / 3) * (dims + 1) / math.sqrt(j * (j + 1))
        scaled_N = feature_ND[:, j - 1] * np.float32(scale)
        raised_VN[j] = total_N - j * scaled_N
        total_N += scaled_N
    raised_VN[0] = total_N
    return raised_VN


def _corner_codes(
    base_VN: NDArray[np.int32], rank_VN: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each corner a number that is linear in its first D coordinates; the last follows from them.

    The corner of remainder r lies r above the base in every coordinate, less V in those of the r highest ranks.

    Returns:
        codes [N, V], by remainder; and what a step of each coordinate adds, (V,), 0 for the last.
    """
    dims = len(base_VN) - 1
    margin = 2 * (dims + 1)  # a corner lies up to D from the base, and its neighbours up to D from it
    low_D = base_VN[:dims].min(1).astype(np.int64) - margin
    span_D = base_VN[:dims].max(1).astype(np.int64) + margin - low_D + 1
    if math.prod(span_D.tolist()) >= 2**63:
        raise ValueError("the features spread too far for the lattice; use larger standard deviations")
    strides_V = np.append(np.concatenate(([1], np.cumprod(span_D[:-1]))), 0).astype(np.int64)
    code_N = np.full(base_VN.shape[1], -int(low_D @ strides_V[:dims]))
    for base_N, stride in zip(base_VN, strides_V, strict=True):
        code_N += base_N * stride
    ranked_VN = np.empty(base_VN.shape, np.int64)
    np.put_along_axis(ranked_VN, rank_VN, np.broadcast_to(strides_V[:, None], base_VN.shape), 0)
    code_NV = np.empty(base_VN.shape[::-1], np.int64)
    code_NV[:, 0] = code_N
    for remainder in range(1, dims + 1):
        code_N = code_N + (strides_V.sum() - (dims + 1) * ranked_VN[dims + 1 - remainder])
        code_NV[:, remainder] = code_N
    return code_NV, strides_V


def _number_corners(code_NV: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the corners that occur, in the order of their codes; returns the number of each, and the codes."""
    place, found_M = pd.factorize(code_NV.ravel())
    order_M = np.argsort(found_M)
    number_M = np.empty_like(order_M)
    number_M[order_M] = np.arange(len(order_M))
    return number_M[place].reshape(code_NV.shape), np.asarray(found_M)[order_M]


def _reading_matrix(place_NV: NDArray[np.int64], weight_VN: Floats, num_corners: int) -> csr_array:
    """Return the sparse matrix that reads points from corners, [N, M]."""
    num_points, num_each = place_NV.shape
    starts = np.arange(0, num_points * num_each + 1, num_each, dtype=np.int32)
    entries = (weight_VN.T.ravel(), place_NV.ravel().astype(np.int32), starts)
    return csr_array(entries, shape=(num_points, num_corners))


def _axis_shifts(strides_V: NDArray[np.int64]) -> list[int]:
    """Return what a step along each of the V axes adds to a code: D along the coordinate itself, -1 along every other."""
    num_axes = len(strides_V)
    return [int(num_axes * strides_V[axis] - strides_V.sum()) for axis in range(num_axes)]


def _blur_matrix(corner_M: NDArray[np.int64], shift: int) -> csr_array:
    """Return the blur along an axis, [M, M]: each corner, and half of each of its two neighbours that occur."""
    num_corners = len(corner_M)
    number_M = np.arange(num_corners)
    place_M = np.searchsorted(corner_M, corner_M + shift)
    place_M[place_M == num_corners] = 0
    has_M = corner_M[place_M] == corner_M + shift
    below, above = number_M[has_M], place_M[has_M]
    rows, columns = np.concatenate((number_M, below, above)), np.concatenate((number_M, above, below))
    share = np.repeat(np.array([1, 0.5], np.float32), [num_corners, 2 * len(below)])
    return csr_array((share, (rows, columns)), shape=(num_corners, num_corners))
