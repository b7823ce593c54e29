"""Sums of KID's kernel over the pairs of many subsets, from one product of all features instead of one a subset.

With M[s, i] = 1 where subset s holds picture i, the sum over a subset's pairs is the diagonal of M K M^T. K is made and used
block by block, so that memory does not grow with the number of pictures.

Shape legend: N, M pictures of two folders; D features; S subsets; A, B pictures of a block.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 1024


def kernel(one_ND: Floats, other_MD: Floats) -> Floats:
    """Return (x.y / D + 1)^3 of all pairs, [N, M]."""
    kernel_NM = one_ND @ other_MD.T
    kernel_NM /= one_ND.shape[1]
    kernel_NM += 1
    cube_NM: Floats = kernel_NM * kernel_NM
    cube_NM *= kernel_NM
    return cube_NM


def sums_across(
    one_ND: NDArray[np.floating], member_SN: Floats, other_MD: NDArray[np.floating], member_SM: Floats
) -> Floats:
    """Add up the kernel of every pair of a picture of one folder and one of the other in each subset, float64 (S,)."""
    total_S = np.zeros(len(member_SN))
    for rows in _blocks(len(one_ND)):
        one_AD = one_ND[rows].astype(np.float64)
        for columns in _blocks(len(other_MD)):
            kernel_AB = kernel(one_AD, other_MD[columns].astype(np.float64))
            total_S += ((member_SN[:, rows] @ kernel_AB) * member_SM[:, columns]).sum(axis=1)
    return total_S


def sums_within(feature_ND: NDArray[np.floating], member_SN: Floats) -> Floats:
    """Add up the kernel of every pair of different pictures, in either order, in each subset, float64 (S,)."""
    total_S = np.zeros(len(member_SN))
    for rows in _blocks(len(feature_ND)):
        feature_AD = feature_ND[rows].astype(np.float64)
        for columns in _blocks(len(feature_ND), rows.start):
            if columns.start == rows.start:
                kernel_AB = kernel(feature_AD, feature_AD)  # a matrix by itself: numpy computes one half of it
                np.fill_diagonal(kernel_AB, 0)
            else:
                kernel_AB = kernel(feature_AD, feature_ND[columns].astype(np.float64))
            times = 1 if columns.start == rows.start else 2  # the kernel is symmetric
            total_S += times * ((member_SN[:, rows] @ kernel_AB) * member_SN[:, columns]).sum(axis=1)
    return total_S


def _blocks(num_rows: int, start: int = 0) -> Iterator[slice]:
    return (slice(first, min(first + _BLOCK, num_rows)) for first in range(start, num_rows, _BLOCK))


def is_cheaper_at_once(num_images: int, num_others: int, num_subsets: int, subset_size: int) -> bool:
    """Say whether all pairs of the folders are fewer than those of the subsets taken one by one."""
    return num_images**2 / 2 + num_others**2 / 2 + num_images * num_others < 3 * num_subsets * subset_size**2
