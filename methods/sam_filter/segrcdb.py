"""SegRCDB: its categories, and what is drawn at random for one image (section 5)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.sam_filter.line_drawing import Points, to_pixels
from methods.sam_filter.perlin import draw_noise
from methods.sam_filter.rings import ShapeCategory, grow_rings

MAX_CATEGORIES = 254
"""Labels 1 to 254; 0 is background and 255 is ignored in training (section 5.5)."""
_MAX_VERTICES = 500
_MAX_RINGS = 50


def draw_categories(num_categories: int = MAX_CATEGORIES, seed: int = 0) -> tuple[ShapeCategory, ...]:
    """Draw the parameters of all categories from one stream, in the published script's order of draws.

    Python's own generator, because the same seed then gives the published categories. Categories do not depend on how many are drawn.
    Source: section 5.1, spacing up to 0.1.
    """
    stream = random.Random(seed)
    return tuple(_draw_category(label, stream) for label in range(1, num_categories + 1))


def _draw_category(label: int, stream: random.Random) -> ShapeCategory:
    num_vertices = 0
    while not 3 <= num_vertices <= _MAX_VERTICES:
        num_vertices = int(stream.expovariate(5 / _MAX_VERTICES))
    return ShapeCategory(  # the order of these calls is the order of the stream
        label=label,
        num_vertices=num_vertices,
        num_rings=stream.randint(1, _MAX_RINGS),
        noise_strength=stream.uniform(0, 4),
        spacing=stream.uniform(0, 0.1),
        start_radius=stream.randint(0, 50),
        stretch_x=stream.uniform(1, 2),
        stretch_y=stream.uniform(1, 2),
    )


class Shape(NamedTuple):
    """One drawn instance."""

    label: int
    points_KL2: Points
    """Its closed rings in whole pixels, float32 [K, L, 2]."""
    grey_K: NDArray[np.uint8]
    """Grey value of each ring."""


def draw_shapes(
    categories: Iterable[ShapeCategory], size_px: int, scale: float, rng: np.random.Generator
) -> Iterator[Shape]:
    """Place one shape of each category given and grow its rings.

    Each coordinate of a centre is (size + U) / 2 with U a uniform whole number in [-size, size]; every ring gets a grey value from 0 to
    255. Source: section 5.2.

    Args:
        categories: of the shapes, in the order in which they will be painted.
        size_px: side of the picture.
        scale: all lengths are multiplied by it.
        rng: the image's own stream.
    """
    for category in categories:
        x, y = (size_px + rng.integers(-size_px, size_px, 2, endpoint=True)) / 2
        grey_K = np.frombuffer(rng.bytes(category.num_rings), np.uint8)
        noise = draw_noise(2 * category.num_rings * category.num_vertices, rng)
        noise_KV2 = noise.reshape(category.num_rings, category.num_vertices, 2)
        yield Shape(category.label, to_pixels(grow_rings(category, (x, y), noise_KV2, scale)), grey_K)
