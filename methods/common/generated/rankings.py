"""Rankings of generated pairs, of which every prefix is a selection, so that a smaller selection lies inside a larger one.

Shape suffixes: I images. A ranking is an order of image numbers, int64 (I,).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError

Ranking = NDArray[np.int64]


def rank_by_score(ids: Sequence[str], score_I: NDArray[np.float64]) -> Ranking:
    """Rank by score, the highest first; equal scores by image id. Source: SAM filter section 4.4."""
    return np.array(sorted(range(len(ids)), key=lambda image: (-score_I[image], ids[image])), np.int64)


def rank_at_random(ids: Sequence[str], rng: np.random.Generator) -> Ranking:
    """Rank by one permutation, which depends on the generator and the set of ids but not on their order.

    Source: SAM filter section 4.4: a fixed permutation, so that random subsets are nested, too.
    """
    by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    ranking: Ranking = by_id[rng.permutation(len(ids))]
    return ranking


def keep_first(ranking: Ranking, keep: int, where: str) -> Ranking:
    """Return the first ``keep`` images of a ranking.

    Raises:
        InputError: there are fewer; ``where`` names the set.
    """
    if keep > len(ranking):
        raise InputError(f"{where} has {len(ranking)} images, {keep} are to be kept; generate more or keep fewer")
    return ranking[:keep]
