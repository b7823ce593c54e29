"""Random walk: the scores of a cell spread to cells that belong to it (section 10.4).

The walk takes 256 steps. Instead of squaring a dense matrix eight times, scores are multiplied by a sparse one, and by Chebyshev's
polynomials of it instead of by its powers, which takes about a third of the products.

Shape legend: K scores, h, w cells, A = h w cells in a row, P pairs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_TOLERANCE = 1e-9
"""Weight of the polynomials that are left out. Far below what a label map can show."""


def transitions(
    affinity_P: NDArray[np.floating],
    first_P: NDArray[np.integer],
    second_P: NDArray[np.integer],
    num_cells: int,
    beta: float,
) -> sparse.csr_array:
    """Return the matrix of one step, float64 [A, A] sparse, whose columns sum to 1.

    Args:
        affinity_P: of each pair, in [0, 1].
        first_P: first cell of each pair.
        second_P: second cell.
        num_cells: of the map.
        beta: power of the affinities; larger keeps scores nearer. A cell's affinity to itself is 1, so one without pairs keeps its score.
    Source: section 10.4 [code].
    """
    weight_P = affinity_P.astype(np.float64) ** beta
    own = np.arange(num_cells)
    value = np.concatenate([weight_P, weight_P, np.ones(num_cells)])
    place = np.concatenate([first_P, second_P, own]), np.concatenate([second_P, first_P, own])
    weights = sparse.coo_array((value, place), shape=(num_cells, num_cells)).tocsr()
    return sparse.csr_array(weights @ sparse.diags_array(1 / np.asarray(weights.sum(0)).ravel()))


def walk(score_KA: NDArray[np.floating], step_AA: sparse.csr_array, steps: int) -> NDArray[np.float64]:
    """Return the scores after some steps, float64 [K, A].

    x^n is the mean of Chebyshev's T_|k|(x) over the places k of a random walk of n steps of 1 or -1 from 0; far places hardly count, so about
    6.5 times the root of n products are enough. The eigenvalues of the matrix lie in [-1, 1], as those of a symmetric one that is
    similar to it; the error is below the weight left out, times the root of the largest ratio of two column sums of weights.

    Args:
        score_KA: scores of cells.
        step_AA: matrix of one step.
        steps: at least 0.
    """
    weights = _chebyshev_weights(steps)
    turned = step_AA.T.tocsr()
    before_AK = np.asarray(score_KA, np.float64).T
    result = weights[0] * before_AK
    now_AK = turned @ before_AK
    for degree in range(1, len(weights)):
        if weights[degree]:
            result = result + weights[degree] * now_AK
        before_AK, now_AK = now_AK, 2 * (turned @ now_AK) - before_AK
    return np.ascontiguousarray(result.T)


def _chebyshev_weights(steps: int) -> list[float]:
    """Return the weight of each T_k in x^n, cut where all later ones together are below the tolerance."""
    weights = [0.0] * (steps + 1)
    for ups in range(steps + 1):
        weights[abs(2 * ups - steps)] += math.comb(steps, ups) / 2**steps
    left = 0.0
    while len(weights) > 1 and left + weights[-1] < _TOLERANCE:
        left += weights.pop()
    return weights
