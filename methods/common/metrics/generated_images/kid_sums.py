"""Sums of KID's kernel over the pairs of many subsets, from one product of all features instead of one a subset.

With M[s, i] = 1 where subset s holds picture i, the sum over a subset's pairs is the diagonal of M K M^T. K is made and used
block by block, so that memory does not grow with the number of pictures.

The products of many features, where nearly all the time goes, are taken in single precision, of what features differ from their
mean; means, cubes and sums in double precision. As products of differences are small and their rounding errors have no sign in
common, the answer is much nearer to that of double precision than by products of the features themselves, as torchmetrics takes
them (`tests/unit/test_kid_sums.py`, `benchmarks/bench_image_metrics.py`).

Shape legend: N, M pictures of two folders; D features; S subsets; A, B pictures of a block.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK, _STRIP = 2048, 32
_MANY = 10**9
"""Multiplications of two folders' features, from a few hundred pictures each on, that are done in single precision (our choice)."""


def kernel(one_ND: Floats, other_MD: Floats) -> Floats:
    """Return (x.y / D + 1)^3 of all pairs, [N, M]."""
    kernel_NM = one_ND @ other_MD.T
    kernel_NM /= one_ND.shape[1]
    kernel_NM += 1
    cube_NM: Floats = kernel_NM * kernel_NM
    cube_NM *= kernel_NM
    return cube_NM


class _Centred:
    """Features of a folder as differences from their mean: x = mean + difference."""

    def __init__(self, feature_ND: NDArray[np.floating], num_others: int) -> None:
        self._feature_ND = feature_ND
        self.mean_D: Floats = feature_ND.mean(axis=0, dtype=np.float64)
        kind = np.float32 if feature_ND.size * num_others >= _MANY else np.float64
        self.difference_ND: NDArray[np.floating] = np.empty(feature_ND.shape, kind)
        for rows in _blocks(len(feature_ND)):
            self.difference_ND[rows] = feature_ND[rows] - self.mean_D

    def times(self, other_D: Floats) -> Floats:
        """Return the product of every picture's features with others, float64 (N,)."""
        blocks = (self._feature_ND[rows].astype(np.float64) @ other_D for rows in _blocks(len(self._feature_ND)))
        return np.concatenate(list(blocks))


class _Kernels:
    """The kernel between blocks of two folders: x.y = (x - m).(y - n) + x.n + m.y - m.n, with m and n their means."""

    def __init__(self, one: _Centred, other: _Centred) -> None:
        self._num_features = one.difference_ND.shape[1]
        self._one, self._other = one, other
        self._with_mean_N = (one.times(other.mean_D) - one.mean_D @ other.mean_D) / self._num_features + 1
        self._with_mean_M = other.times(one.mean_D) / self._num_features

    def between(self, rows: slice, columns: slice) -> Floats:
        """Return (x.y / D + 1)^3 of the pairs of two blocks, [A, B]."""
        product_AB = self._one.difference_ND[rows] @ self._other.difference_ND[columns].T
        product_AB /= self._num_features
        cube_AB = np.empty(product_AB.shape)
        for first in range(0, len(cube_AB), _STRIP):  # which stays in the cache
            strip = slice(first, first + _STRIP)
            base = np.add(product_AB[strip], self._with_mean_N[rows][strip, None], dtype=np.float64)
            base += self._with_mean_M[columns]
            np.multiply(base, base, out=cube_AB[strip])
            cube_AB[strip] *= base
        return cube_AB


def sums_across(
    one_ND: NDArray[np.floating], member_SN: Floats, other_MD: NDArray[np.floating], member_SM: Floats
) -> Floats:
    """Add up the kernel of every pair of a picture of one folder and one of the other in each subset, float64 (S,)."""
    kernels = _Kernels(_Centred(one_ND, len(other_MD)), _Centred(other_MD, len(one_ND)))
    total_S = np.zeros(len(member_SN))
    for rows in _blocks(len(one_ND)):
        for columns in _blocks(len(other_MD)):
            total_S += _weighted(member_SN[:, rows], kernels.between(rows, columns), member_SM[:, columns])
    return total_S


def sums_within(feature_ND: NDArray[np.floating], member_SN: Floats) -> Floats:
    """Add up the kernel of every pair of different pictures, in either order, in each subset, float64 (S,)."""
    centred, total_S = _Centred(feature_ND, len(feature_ND)), np.zeros(len(member_SN))
    kernels = _Kernels(centred, centred)
    for rows in _blocks(len(feature_ND)):
        for columns in _blocks(len(feature_ND), rows.start):
            kernel_AB = kernels.between(rows, columns)
            if columns.start == rows.start:
                np.fill_diagonal(kernel_AB, 0)
            times = 1 if columns.start == rows.start else 2  # the kernel is symmetric
            total_S += times * _weighted(member_SN[:, rows], kernel_AB, member_SN[:, columns])
    return total_S


def _weighted(member_SA: Floats, kernel_AB: Floats, member_SB: Floats) -> Floats:
    return np.asarray(np.einsum("sb,sb->s", member_SA @ kernel_AB, member_SB))


def _blocks(num_rows: int, start: int = 0) -> Iterator[slice]:
    return (slice(first, min(first + _BLOCK, num_rows)) for first in range(start, num_rows, _BLOCK))


def is_cheaper_at_once(num_images: int, num_others: int, num_subsets: int, subset_size: int) -> bool:
    """Say whether all pairs of the folders are fewer than those of the subsets taken one by one."""
    return num_images**2 / 2 + num_others**2 / 2 + num_images * num_others < 3 * num_subsets * subset_size**2
