"""Silhouettes as polygons in unit coordinates: x to the right, y down, the object inside the unit circle."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.common.miniature.categories import Shape

Polygon = NDArray[np.float64]
"""(N, 2) corners in unit coordinates."""

_ANGLES = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)


@dataclass(frozen=True)
class Outline:
    """What to fill: the union of ``parts``, then ``holes`` taken out; and where this shape carries its marks."""

    parts: tuple[Polygon, ...]
    holes: tuple[Polygon, ...]
    dots: tuple[tuple[float, float], ...]
    """Centres of the dots of a dotted surface."""
    dot_radius: float
    half_direction: tuple[float, float]
    """A halved surface is pale where the coordinate along this direction is positive."""


def _circle(x: float, y: float, radius: float) -> Polygon:
    return np.stack([x + radius * np.cos(_ANGLES), y + radius * np.sin(_ANGLES)], axis=1)


def _bar(half_width: float, half_height: float) -> Polygon:
    x, y = half_width, half_height
    return np.array([[-x, -y], [x, -y], [x, y], [-x, y]])


def _around(count: int, radius: float, start: float = 0.0) -> tuple[tuple[float, float], ...]:
    angles = start + np.arange(count) * 2.0 * np.pi / count
    return tuple((float(radius * np.cos(angle)), float(radius * np.sin(angle))) for angle in angles)


def _disk(rng: np.random.Generator) -> Outline:
    dots = ((0.0, 0.0), *_around(5, 0.6, rng.uniform(0.0, 2.0 * np.pi)))
    return Outline((_circle(0, 0, 0.95),), (), dots, 0.2, (1.0, 0.0))


def _ring(rng: np.random.Generator) -> Outline:
    hole = rng.uniform(0.36, 0.46)
    middle = (1.0 + hole) / 2
    dots = _around(6, middle, rng.uniform(0.0, 2.0 * np.pi))
    return Outline((_circle(0, 0, 1.0),), (_circle(0, 0, hole),), dots, 0.17, (1.0, 0.0))


def _crescent(rng: np.random.Generator) -> Outline:
    bite = rng.uniform(0.5, 0.6)
    middle = (bite - 0.75 - 1.0) / 2
    dots = tuple((float(abs(middle) * -np.cos(a)), float(0.78 * np.sin(a))) for a in (-0.95, 0.0, 0.95))
    return Outline((_circle(0, 0, 1.0),), (_circle(bite, 0, 0.75),), dots, 0.18, (0.0, 1.0))


def _flower(rng: np.random.Generator) -> Outline:
    depth = rng.uniform(0.38, 0.44)
    angles = np.linspace(0.0, 2.0 * np.pi, 80, endpoint=False)
    radius = (1.0 - depth) + depth * np.abs(np.cos(2.5 * (angles + np.pi / 2)))
    petals = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    return Outline((petals,), (), ((0.0, 0.0), *_around(5, 0.66, -np.pi / 2)), 0.18, (1.0, 0.0))


def _cross(rng: np.random.Generator) -> Outline:
    arm = rng.uniform(0.28, 0.34)
    return Outline((_bar(1.0, arm), _bar(arm, 1.0)), (), ((0.0, 0.0), *_around(4, 0.66)), 0.17, (1.0, 0.0))


def _pill(rng: np.random.Generator) -> Outline:
    radius = rng.uniform(0.36, 0.42)
    reach = 1.1 - radius
    parts = (_bar(reach, radius), _circle(-reach, 0, radius), _circle(reach, 0, radius))
    return Outline(parts, (), ((-0.68, 0.0), (0.0, 0.0), (0.68, 0.0)), 0.2, (1.0, 0.0))


def _square(rng: np.random.Generator) -> Outline:
    side, corner = 0.82, rng.uniform(0.05, 0.15)
    inner = side - corner
    corners = tuple(_circle(x, y, corner) for x in (-inner, inner) for y in (-inner, inner))
    dots = ((0.0, 0.0), (-0.45, -0.45), (0.45, -0.45), (-0.45, 0.45), (0.45, 0.45))
    return Outline((_bar(side, inner), _bar(inner, side), *corners), (), dots, 0.18, (1.0, 0.0))


def _triangle(rng: np.random.Generator) -> Outline:
    apex = rng.uniform(-0.12, 0.12)
    corners = np.array([[apex, -1.0], [1.0, 0.78], [-1.0, 0.78]])
    return Outline((corners,), (), ((0.0, -0.25), (-0.45, 0.45), (0.45, 0.45)), 0.2, (1.0, 0.0))


def _dumbbell(rng: np.random.Generator) -> Outline:
    end = rng.uniform(0.44, 0.5)
    reach = 1.05 - end
    parts = (_bar(reach, 0.17), _circle(-reach, 0, end), _circle(reach, 0, end))
    return Outline(parts, (), ((-reach, 0.0), (reach, 0.0)), 0.22, (1.0, 0.0))


_DRAWERS: dict[Shape, Callable[[np.random.Generator], Outline]] = {
    "disk": _disk,
    "ring": _ring,
    "crescent": _crescent,
    "flower": _flower,
    "cross": _cross,
    "pill": _pill,
    "square": _square,
    "triangle": _triangle,
    "dumbbell": _dumbbell,
}


def draw_outline(shape: Shape, rng: np.random.Generator) -> Outline:
    """Return one individual of a shape; proportions vary a little from individual to individual."""
    return _DRAWERS[shape](rng)
