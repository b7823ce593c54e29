"""A drawn category, and how the rings of one of its shapes grow from the start ring.

Shape legend: K rings, V vertices of a ring, 2 = x, y in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ShapeCategory:
    """What all shapes of one category share. Lengths in pixels at a picture side of 512."""

    label: int
    """Grey value in the mask, or class number."""
    num_vertices: int
    """N: vertices of each ring."""
    num_rings: int
    """K: rings of each shape."""
    noise_strength: float
    """p: how far the noise moves a vertex at a step."""
    spacing: float
    """w: what each ring moves outward beyond the noise; the published scripts call it line width."""
    start_radius: int
    """r: radius of the start ring, which is not drawn."""
    stretch_x: float
    """o_x: stretch of the start ring."""
    stretch_y: float
    """o_y: stretch of the start ring."""
    frequencies: tuple[int, int] | None = None
    """n_1, n_2: waves a turn of a VisualAtoms contour; None is the radial contour of SegRCDB."""


@dataclass(frozen=True)
class _Growth:
    """What every shape of a category computes alike, at one scale."""

    cos_sin_V2: FloatArray
    start_V2: FloatArray
    waves_V2: tuple[FloatArray, ...]
    noise_factor: float
    noise_strength: float
    spacing: float


@lru_cache(maxsize=2048)
def _growth(category: ShapeCategory, scale: float) -> _Growth:
    angles = [2 * math.pi * vertex / category.num_vertices for vertex in range(category.num_vertices)]
    # The C library's functions, not NumPy's, whose last bit depends on the machine: a pixel may hang on it.
    cos_sin_V2 = np.array([(math.cos(angle), math.sin(angle)) for angle in angles])
    radius = scale * category.start_radius
    start = [
        (radius * category.stretch_x * math.cos(angle), radius * category.stretch_y * math.sin(angle))
        for angle in angles
    ]
    return _Growth(
        cos_sin_V2,
        np.array(start),
        tuple(
            np.array([(scale * 0.5 * math.sin(frequency * angle),) * 2 for angle in angles])
            for frequency in category.frequencies or ()
        ),
        2.0 if category.frequencies is None else 1.0,
        scale * category.noise_strength,
        scale * category.spacing,
    )


def grow_rings(
    category: ShapeCategory, centre_2: tuple[float, float], noise_KV2: FloatArray, scale: float = 1.0
) -> FloatArray:
    """Grow the rings of one shape; each adds its steps to the ring before.

    A vertex at angle t moves along x by ``-cos t * (p (2 n - 1) - w)``, along y by the same with sin t and its own noise n. With
    frequencies it is ``-cos t * (p (n - 1) - 0.5 (sin n_1 t + sin n_2 t) - w)``.

    Args:
        category: its parameters; K and V are its numbers of rings and vertices.
        centre_2: centre of the start ring.
        noise_KV2: noise of every ring, vertex and axis; zeros turn it off.
        scale: all lengths are multiplied by it; 1 in the published data.

    Returns:
        Vertices of the drawn rings, float64 [K, V, 2], not closed.

    Source: section 5.2 (SegRCDB) and section 6.2 (VisualAtoms).
    """
    growth = _growth(category, scale)
    rings_KV2 = np.empty((category.num_rings + 1, category.num_vertices, 2))
    np.add(growth.start_V2, centre_2, out=rings_KV2[0])
    step_KV2 = rings_KV2[1:]
    np.multiply(noise_KV2, growth.noise_factor, out=step_KV2)
    step_KV2 -= 1
    step_KV2 *= growth.noise_strength
    for wave_V2 in growth.waves_V2:
        step_KV2 -= wave_V2
    step_KV2 -= growth.spacing
    step_KV2 *= growth.cos_sin_V2
    for inner_V2, outer_V2 in pairwise(rings_KV2):  # twice as fast as subtract.accumulate
        np.subtract(inner_V2, outer_V2, out=outer_V2)
    return rings_KV2[1:]
