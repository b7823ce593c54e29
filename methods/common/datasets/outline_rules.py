"""Which outlines may be drawn: how far from its image a vertex may lie, and how long an outline may be.

pycocotools' rasteriser takes 120 bytes for each pixel that an outline is long, whether or not it lies in its image, and counts
in 32 bits. The limits (our choice) keep it below half a gigabyte and away from an overflow; no drawn outline comes near them.

Shape legend: O outlines; X coordinates (x0, y0, x1, y1, ...) of all, one outline after the other; O1 = O + 1; Q points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FARTHEST_VERTEX_PX = 100_000
"""A vertex lies at most so far outside its image."""
LONGEST_OUTLINE_PX = 4_000_000
"""The steps of a closed outline, each the larger of its two offsets, add up to at most this."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def are_points(length_O: Ints) -> bool:
    """Say whether outlines of so many coordinates all have at least three points."""
    return not ((length_O < 6).any() or (length_O % 2 == 1).any())


def faulty_outlines(number_X: Floats, end_O1: Ints, height_O: Ints, width_O: Ints) -> NDArray[np.bool_]:
    """Mark outlines with a coordinate that is not finite, a vertex too far away, or too long a way round.

    Args:
        number_X: coordinates of outlines of at least three points each.
        end_O1: where each begins, and the end.
        height_O: heights of the images that they are drawn in, pixels.
        width_O: widths.
    """
    if len(end_O1) < 2:
        return np.zeros(0, bool)
    point_Q2 = (number_X if end_O1[0] == 0 else number_X[end_O1[0] :])[: end_O1[-1] - end_O1[0]].reshape(-1, 2)
    start_O = (end_O1[:-1] - end_O1[0]) // 2
    low_O2, high_O2 = np.minimum.reduceat(point_Q2, start_O), np.maximum.reduceat(point_Q2, start_O)
    side_O2 = np.stack([width_O, height_O], 1)
    near_O = ((low_O2 >= -FARTHEST_VERTEX_PX) & (high_O2 <= side_O2 + FARTHEST_VERTEX_PX)).all(1)  # NaN is nowhere
    if not near_O.all():
        return np.asarray(~near_O)
    return np.asarray(_way_round(point_Q2, start_O) > LONGEST_OUTLINE_PX)


def _way_round(point_Q2: Floats, start_O: Ints) -> Floats:
    """Return how long each closed outline is."""
    following_Q2 = np.empty_like(point_Q2)
    following_Q2[:-1] = point_Q2[1:]
    following_Q2[np.append(start_O[1:], len(point_Q2)) - 1] = point_Q2[start_O]
    step_Q = np.abs(following_Q2 - point_Q2).max(axis=1)
    return np.asarray(np.add.reduceat(step_Q, start_O))


def enclosed_area(number_X: Floats) -> float:
    """Return the area inside one outline by the shoelace formula, relative to its first point for precision."""
    x, y = number_X[::2] - number_X[0], number_X[1::2] - number_X[1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def outline_fault(outline: Any, height: int, width: int) -> str | None:
    """Say what is wrong with one outline as a file has it, for an image of this size; None if nothing is."""
    if not isinstance(outline, list):
        return f"is {outline!r:.40}, no list of numbers"
    odd = [number for number in outline if type(number) not in (int, float)]
    if odd:
        return f"holds {odd[0]!r:.40}, which is no number"
    if len(outline) < 6 or len(outline) % 2:
        return f"has {len(outline)} numbers, not x and y of at least three points"
    try:
        number_X = np.array(outline, np.float64)
    except OverflowError:
        return "holds a number beyond all that files may hold"
    if not np.isfinite(number_X).all():
        return "holds a number that is not finite"
    if not faulty_outlines(number_X, np.array([0, len(number_X)]), np.array([height]), np.array([width])).any():
        return None
    far_Q = (number_X.reshape(-1, 2) < -FARTHEST_VERTEX_PX).any(1)
    far_Q |= (number_X.reshape(-1, 2) > np.array([width, height]) + FARTHEST_VERTEX_PX).any(1)
    if far_Q.any():
        x, y = number_X.reshape(-1, 2)[np.argmax(far_Q)].tolist()
        return f"has a vertex at ({x:g}, {y:g}), more than {FARTHEST_VERTEX_PX:,} px outside its image of {width} x {height}"
    return f"is more than {LONGEST_OUTLINE_PX:,} px long"
