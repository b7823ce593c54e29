"""The empty street: sky, buildings, trees, sidewalk, terrain and road in perspective, with Cityscapes' label ids.

Nearness is 0 at the horizon and 1 at the lower border of the picture; what stands on the ground grows with it in proportion.
Source: our choice.

Shape suffixes: H, W pixels; 3 colours.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.miniature.street_classes import StreetConfig

ROAD, SIDEWALK, BUILDING, VEGETATION, TERRAIN, SKY = 7, 8, 11, 21, 22, 23

_ROAD_EDGE = 0.8
_KERB = 1.35
"""Half-widths of road, and of road with sidewalks, at nearness 1, in half-widths of the picture."""
_WALL = 1.75
"""Where the buildings stand, in the same unit."""

_LANE_MARKS = (0.1, 0.2, 0.4, 0.8)
"""Where the dashes between the lanes begin."""

_Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Perspective:
    """From places on the ground to pixels."""

    height_px: int
    width_px: int
    horizon_px: float
    """Row of the horizon."""
    middle_px: float
    """Column where all lines along the street meet."""

    def row(self, nearness: float) -> float:
        """Row of the ground."""
        return self.horizon_px + nearness * (self.height_px - self.horizon_px)

    def column(self, nearness: float, place: float) -> float:
        """Column of a place, given in half-widths of the picture to the right of the middle of the road at nearness 1."""
        return self.middle_px + nearness * place * self.width_px / 2

    def length_px(self, nearness: float, height: float) -> float:
        """Pixels of something that is so many camera heights high."""
        return height * nearness * (self.height_px - self.horizon_px)


@dataclass(frozen=True)
class EmptyStreet:
    """Where things are put."""

    image_HW3: NDArray[np.uint8]
    label_HW: NDArray[np.uint8]
    """Cityscapes' label ids."""
    view: Perspective


class _Painter:
    """Picture and labels, always filled together."""

    def __init__(self, view: Perspective) -> None:
        self.image_HW3 = np.empty((view.height_px, view.width_px, 3), np.uint8)
        self.label_HW = np.empty((view.height_px, view.width_px), np.uint8)

    def fill(self, label: int, colour: _Colour, corners: list[tuple[float, float]]) -> None:
        """Fill a convex polygon."""
        corners_N2 = np.array([(round(column), round(row)) for column, row in corners], np.int32)
        cv2.fillConvexPoly(self.image_HW3, corners_N2, colour)
        cv2.fillConvexPoly(self.label_HW, corners_N2, label)

    def disc(self, label: int, colour: _Colour, column: float, row: float, radius: float) -> None:
        """Fill a circle."""
        centre, radius_px = (round(column), round(row)), max(1, round(radius))
        cv2.circle(self.image_HW3, centre, radius_px, colour, -1)
        cv2.circle(self.label_HW, centre, radius_px, label, -1)


def _near(colour: _Colour, rng: np.random.Generator, reach: int = 12) -> _Colour:
    """Change a colour a little."""
    changes = rng.integers(-reach, reach + 1, 3).tolist()
    red, green, blue = (min(255, max(0, value + change)) for value, change in zip(colour, changes, strict=True))
    return red, green, blue


def _paint_sky(painter: _Painter, view: Perspective, rng: np.random.Generator) -> None:
    """Paint the sky down to just below the horizon; the ground covers the rest."""
    top, bottom = _near((130, 170, 215), rng, 20), _near((215, 225, 235), rng)
    share_H = np.linspace(0, 1, view.height_px, dtype=np.float32)[:, None]
    fade_H3 = np.array(top, np.float32) + share_H * (np.array(bottom, np.float32) - np.array(top, np.float32))
    painter.image_HW3[:] = fade_H3.astype(np.uint8)[:, None]
    painter.label_HW[:] = SKY


_WALLS: tuple[_Colour, ...] = ((150, 122, 104), (176, 160, 138), (128, 128, 134), (166, 140, 116), (110, 104, 112))
_FARTHEST, _NEAREST = 0.06, 0.6


def _paint_buildings(painter: _Painter, view: Perspective, side: int, rng: np.random.Generator) -> None:
    """Paint one side of the street from far to near; some lots hold trees instead."""
    near = _FARTHEST
    while near < _NEAREST:
        far, near = near, near * float(rng.uniform(1.5, 2.0))
        if rng.uniform() < 0.2:
            _paint_trees(painter, view, side, far, near, rng)
            continue
        height = float(rng.uniform(1.6, 3.6))
        wall = _near(_WALLS[int(rng.integers(len(_WALLS)))], rng)
        columns = view.column(far, side * _WALL), view.column(near, side * _WALL)
        feet = view.row(far), view.row(near)
        tops = (view.horizon_px - view.length_px(far, height), view.horizon_px - view.length_px(near, height))
        corners = [(columns[0], feet[0]), (columns[0], tops[0]), (columns[1], tops[1]), (columns[1], feet[1])]
        painter.fill(BUILDING, wall, corners)
        across, up = int(rng.integers(2, 4)), int(rng.integers(2, 5))
        if abs(columns[1] - columns[0]) >= 4 * across:
            shade = tuple(int(value * 0.55) for value in wall)
            cv2.fillPoly(painter.image_HW3, list(_windows(across, up, columns, feet, tops)), shade)


@cache
def _panes(across: int, up: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of windows on a wall of unit size, along it and up, each (windows, 4)."""
    column, row = (axis.reshape(-1, 1) for axis in np.meshgrid(np.arange(across), np.arange(up)))
    along, rise = np.array([0.25, 0.75, 0.75, 0.25]), np.array([0.2, 0.2, 0.8, 0.8])
    return (column + along) / across, 0.08 + 0.9 * (row + rise) / up


def _windows(
    across: int, up: int, columns: tuple[float, float], feet: tuple[float, float], tops: tuple[float, float]
) -> NDArray[np.int32]:
    """Return the corners of the windows of a wall that runs into the picture, (windows, 4, 2)."""
    along, rise = _panes(across, up)
    foot = feet[0] + along * (feet[1] - feet[0])
    top = tops[0] + along * (tops[1] - tops[0])
    corners = np.empty((*along.shape, 2))
    corners[..., 0] = columns[0] + along * (columns[1] - columns[0])
    corners[..., 1] = foot + rise * (top - foot)
    return np.rint(corners).astype(np.int32)


def _paint_trees(
    painter: _Painter, view: Perspective, side: int, far: float, near: float, rng: np.random.Generator
) -> None:
    at = (far + near) / 2
    size = view.length_px(at, 1.0)
    column, foot = view.column(at, side * _WALL), view.row(at)
    trunk = max(1.0, 0.12 * size)
    left, right, fork = column - trunk, column + trunk, foot - size
    painter.fill(VEGETATION, (84, 66, 50), [(left, foot), (left, fork), (right, fork), (right, foot)])
    for dx, dy, radius in ((0.0, 1.9, 0.75), (-0.6, 1.4, 0.6), (0.6, 1.4, 0.6), (0.0, 1.3, 0.65)):
        leaf = _near((66, 112, 58), rng, 14)
        painter.disc(VEGETATION, leaf, column + dx * size, foot - dy * size, radius * size)


def _paint_ground(painter: _Painter, view: Perspective, rng: np.random.Generator) -> None:
    outside = TERRAIN if rng.uniform() < 0.4 else SIDEWALK
    paving, grass, asphalt = _near((168, 160, 158), rng), _near((120, 148, 84), rng), _near((96, 96, 102), rng)
    far = 0.02
    for label, colour, edge in (
        (outside, grass if outside == TERRAIN else paving, _WALL),
        (SIDEWALK, paving, _KERB),
        (ROAD, asphalt, _ROAD_EDGE),
    ):
        corners = [
            (view.column(near, side * edge), view.row(near))
            for near, side in ((far, -1), (far, 1), (1.1, 1), (1.1, -1))
        ]
        painter.fill(label, colour, corners)
    for start in _LANE_MARKS:
        stop = start * 1.25
        corners = [
            (view.column(near, side * 0.02), view.row(near))
            for near, side in ((start, -1), (start, 1), (stop, 1), (stop, -1))
        ]
        painter.fill(ROAD, (214, 214, 210), corners)


def paint_street(config: StreetConfig, rng: np.random.Generator) -> EmptyStreet:
    """Paint a street without things.

    Args:
        config: the size.
        rng: decides where the horizon lies, and all colours and buildings.
    """
    height, width = config.height_px, config.width_px
    view = Perspective(height, width, height * float(rng.uniform(0.36, 0.44)), width * float(rng.uniform(0.42, 0.58)))
    painter = _Painter(view)
    _paint_sky(painter, view, rng)
    _paint_ground(painter, view, rng)
    for side in (-1, 1):
        _paint_buildings(painter, view, side, rng)
    return EmptyStreet(painter.image_HW3, painter.label_HW, view)
