"""One thing of the street as an RGBA picture with its mask: a silhouette and details of its own for each class.

Unit coordinates: x to the right from the left end, y down, 0 at the top and 1 on the ground, both in heights of the object.
A mask is one connected region without holes, as Cityscapes' polygons are: what shows between the spokes of a wheel belongs to the
bicycle. Source: our choice.

Shape suffixes: H, W pixels; N corners; 2 x and y; 3 colours; 4 colours and alpha.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.miniature.street_classes import (
    VEHICLE_COLOURS,
    Look,
    StreetKind,
    VehicleColour,
)

SUPERSAMPLING = 2
_FIXED_POINT_BITS = 4
_FIXED_POINT = 1 << _FIXED_POINT_BITS
_MARGIN_PX = 1
_SEE_THROUGH = 110

Colour = tuple[int, int, int]
"""RGB in 0..255."""

_PAINTS: dict[VehicleColour, Colour] = {
    "red": (196, 44, 40),
    "white": (232, 232, 228),
    "black": (48, 48, 54),
    "green": (56, 140, 70),
    "blue": (52, 92, 180),
    "yellow": (232, 196, 60),
}
_GLASS: Colour = (120, 160, 186)
_TYRE: Colour = (30, 30, 32)
_HUB: Colour = (176, 176, 180)
_DARK: Colour = (36, 34, 40)
_LAMP: Colour = (250, 238, 170)
_NOTHING = np.array([*_DARK, 0], np.uint8).view(np.uint32)[0]
"""No alpha, and the colour of rims, which mixes into the edges when a sprite is reduced."""
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class StreetSprite:
    """A thing cut out of nothing."""

    rgba_HW4: NDArray[np.uint8]
    """Straight (not premultiplied) alpha."""
    mask_HW: NDArray[np.bool_]
    """Its pixels: one connected region without holes."""
    outline_N2: NDArray[np.int32]
    """The border pixels of the mask, x and y, in order; filled they give the mask."""
    look: Look | None
    """None for what no class of the street names."""


class _Easel:
    """A sprite in the making, drawn at twice its size."""

    def __init__(self, height_px: float, aspect: float, flipped: bool) -> None:
        self._scale = height_px * SUPERSAMPLING
        self._aspect, self._flipped = aspect, flipped
        sides = (int(np.ceil(height_px)), int(np.ceil(aspect * height_px)))
        height, width = ((side + 2 * _MARGIN_PX) * SUPERSAMPLING for side in sides)
        self.rgba_HW4 = np.full((height, width), _NOTHING, np.uint32).view(np.uint8).reshape(height, width, 4)
        self._left = (width - aspect * self._scale) / 2
        self._top = height - _MARGIN_PX * SUPERSAMPLING - self._scale

    def _to_px(self, x: float, y: float) -> tuple[float, float]:
        x = self._aspect - x if self._flipped else x
        return x * self._scale + self._left, y * self._scale + self._top

    def _fixed(self, points: Sequence[tuple[float, float]]) -> NDArray[np.int32]:
        return np.array([self._fixed_point(x, y) for x, y in points], np.int32)

    def _fixed_point(self, x: float, y: float) -> tuple[int, int]:
        x, y = self._to_px(x, y)
        return round((x - 0.5) * _FIXED_POINT), round((y - 0.5) * _FIXED_POINT)

    def polygon(self, colour: Colour, *points: tuple[float, float]) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.rgba_HW4, [self._fixed(points)], (*colour, 255), cv2.LINE_8, _FIXED_POINT_BITS)

    def box(self, colour: Colour, left: float, top: float, right: float, bottom: float) -> None:
        """Fill a rectangle."""
        (x0, y0), (x1, y1) = self._to_px(left, top), self._to_px(right, bottom)
        x0, x1 = sorted((x0, x1))
        rows = slice(max(round(y0), 0), max(round(y1), round(y0) + 1))
        self.rgba_HW4[rows, max(round(x0), 0) : max(round(x1), round(x0) + 1)] = (*colour, 255)

    def boxes(self, colour: Colour, lefts: Sequence[float], width: float, top: float, bottom: float) -> None:
        """Fill a row of rectangles."""
        for left in lefts:
            self.box(colour, left, top, left + width, bottom)

    def disc(self, colour: Colour, x: float, y: float, radius: float, alpha: int = 255) -> None:
        """Fill a circle."""
        reach = round(radius * self._scale * _FIXED_POINT)
        cv2.circle(self.rgba_HW4, self._fixed_point(x, y), reach, (*colour, alpha), -1, cv2.LINE_8, _FIXED_POINT_BITS)

    def ring(self, colour: Colour, x: float, y: float, radius: float, width: float) -> None:
        """Draw a circle."""
        thick = max(2, round(width * self._scale))
        reach = round((radius * self._scale - thick / 2) * _FIXED_POINT)
        cv2.circle(self.rgba_HW4, self._fixed_point(x, y), reach, (*colour, 255), thick, cv2.LINE_8, _FIXED_POINT_BITS)

    def line(self, colour: Colour, width: float, *points: tuple[float, float]) -> None:
        """Draw a line along points, at least two fine pixels wide."""
        thick = max(2, round(width * self._scale))
        cv2.polylines(self.rgba_HW4, [self._fixed(points)], False, (*colour, 255), thick, cv2.LINE_8, _FIXED_POINT_BITS)

    def wheel(self, x: float, y: float, radius: float) -> None:
        """Draw a car's wheel."""
        self.disc(_TYRE, x, y, radius)
        self.disc(_HUB, x, y, radius * 0.45)

    def rim(self) -> None:
        """Darken a rim of about a pixel, so that things stand out from each other."""
        inside_HW = (self.rgba_HW4[..., 3] > 0).astype(np.uint8)
        core_HW = cv2.erode(inside_HW, _SQUARE, borderValue=0)
        self.rgba_HW4[inside_HW > core_HW] = (*_DARK, 255)

    def finish(self, look: Look) -> StreetSprite:
        """Reduce to the size asked for."""
        fine_HW = self.rgba_HW4[..., 3]
        target = (fine_HW.shape[1] // SUPERSAMPLING, fine_HW.shape[0] // SUPERSAMPLING)
        rgba_HW4 = np.asarray(cv2.resize(self.rgba_HW4, target, interpolation=cv2.INTER_AREA), np.uint8)
        _, covered_HW = cv2.threshold(fine_HW, 0, 255, cv2.THRESH_BINARY)
        covered_HW = cv2.resize(covered_HW, target, interpolation=cv2.INTER_AREA)
        mask_HW, outline_N2 = solid_region(np.asarray(covered_HW) > 127)
        return StreetSprite(rgba_HW4, mask_HW, outline_N2, look)


def solid_region(mask_HW: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Return the largest connected region with its holes filled, and its border pixels (N, 2), x and y, in order.

    Nothing set gives an empty mask and no corner.
    """
    outlines, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled_HW = np.zeros(mask_HW.shape, np.uint8)
    if not outlines:
        return filled_HW > 0, np.empty((0, 2), np.int32)
    largest = max(outlines, key=lambda outline: (cv2.contourArea(outline), len(outline)))
    cv2.drawContours(filled_HW, [largest], -1, 1, -1)
    return filled_HW > 0, np.asarray(largest[:, 0], np.int32)


def _shaded(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(value * factor)) for value in colour)
    return red, green, blue


def _varied(colour: Colour, rng: np.random.Generator) -> Colour:
    """Change a colour a little."""
    changes = rng.integers(-14, 15, 3).tolist()
    red, green, blue = (min(255, max(0, value + change)) for value, change in zip(colour, changes, strict=True))
    return red, green, blue


def _clothes(rng: np.random.Generator) -> Colour:
    red, green, blue = rng.integers(40, 230, 3).tolist()
    return red, green, blue


_SKINS: tuple[Colour, ...] = ((238, 200, 170), (206, 158, 120), (140, 96, 68))
_HAIRS: tuple[Colour, ...] = ((40, 30, 26), (110, 72, 40), (196, 160, 90))


def _pick(choices: Sequence[Colour], rng: np.random.Generator) -> Colour:
    return choices[int(rng.integers(len(choices)))]


def _person(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a standing or walking man or woman; aspect 0.46."""
    skin, hair, top, lower = _pick(_SKINS, rng), _pick(_HAIRS, rng), _clothes(rng), _shaded(_clothes(rng), 0.6)
    stride = float(rng.uniform(0.02, 0.1))
    if rng.uniform() < 0.5:
        for way in (-1, 1):
            easel.polygon(
                lower,
                (0.23 + way * 0.11, 0.5),
                (0.23, 0.5),
                (0.23 + way * stride, 1),
                (0.23 + way * (stride + 0.08), 1),
            )
        easel.polygon(top, (0.08, 0.22), (0.38, 0.22), (0.35, 0.56), (0.11, 0.56))
        easel.line(_shaded(top, 0.75), 0.075, (0.09, 0.26), (0.05, 0.5))
        easel.line(_shaded(top, 0.75), 0.075, (0.37, 0.26), (0.41, 0.5))
        easel.disc(hair, 0.23, 0.1, 0.095)
        easel.disc(skin, 0.235, 0.125, 0.08)
        return "man"
    for way in (-1, 1):
        easel.line(skin, 0.07, (0.23 + way * 0.07, 0.72), (0.23 + way * (0.05 + stride / 2), 0.98))
    easel.disc(hair, 0.23, 0.12, 0.12)
    easel.polygon(hair, (0.1, 0.12), (0.36, 0.12), (0.38, 0.32), (0.08, 0.32))
    easel.polygon(top, (0.13, 0.24), (0.33, 0.24), (0.29, 0.5), (0.17, 0.5))
    easel.line(_shaded(top, 0.75), 0.06, (0.13, 0.27), (0.07, 0.5))
    easel.line(_shaded(top, 0.75), 0.06, (0.33, 0.27), (0.39, 0.5))
    easel.polygon(lower, (0.16, 0.48), (0.3, 0.48), (0.43, 0.8), (0.03, 0.8))
    easel.disc(skin, 0.235, 0.13, 0.075)
    return "woman"


def _rider(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a person who sits and leans forward; aspect 0.72. What is ridden is an object of its own."""
    skin, hair, top, lower = _pick(_SKINS, rng), _pick(_HAIRS, rng), _clothes(rng), _shaded(_clothes(rng), 0.6)
    helmet: Colour = (250, 170, 40)
    easel.line(lower, 0.14, (0.16, 0.58), (0.5, 0.68), (0.4, 0.96))
    easel.polygon(top, (0.06, 0.62), (0.27, 0.64), (0.56, 0.3), (0.38, 0.2))
    easel.line(_shaded(top, 0.75), 0.09, (0.44, 0.3), (0.68, 0.5))
    female = rng.uniform() < 0.5
    if female:
        easel.polygon(hair, (0.46, 0.1), (0.58, 0.1), (0.42, 0.36), (0.26, 0.3))
    easel.disc(skin, 0.53, 0.15, 0.105)
    easel.polygon(helmet, (0.41, 0.13), (0.45, 0.03), (0.55, 0.0), (0.64, 0.05), (0.67, 0.13))
    return "female" if female else "male"


def _paint(rng: np.random.Generator) -> tuple[VehicleColour, Colour]:
    name = VEHICLE_COLOURS[int(rng.integers(len(VEHICLE_COLOURS)))]
    return name, _varied(_PAINTS[name], rng)


def _car(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a car with bonnet and boot; aspect 2.3."""
    name, paint = _paint(rng)
    roof = float(rng.uniform(0.5, 0.75))
    easel.polygon(paint, (0.35, 0.48), (roof, 0.02), (1.55, 0.02), (1.92, 0.48))
    easel.polygon(paint, (0.0, 0.55), (0.2, 0.42), (2.0, 0.42), (2.28, 0.58), (2.3, 0.86), (0.0, 0.86))
    easel.rim()
    easel.polygon(_GLASS, (0.52, 0.44), (roof + 0.07, 0.11), (1.02, 0.11), (1.02, 0.44))
    easel.polygon(_GLASS, (1.12, 0.44), (1.12, 0.11), (1.49, 0.11), (1.75, 0.44))
    easel.box(_LAMP, 2.12, 0.56, 2.28, 0.68)
    easel.box((170, 30, 30), 0.02, 0.56, 0.14, 0.7)
    for x in (0.5, 1.8):
        easel.wheel(x, 0.79, 0.21)
    return name


def _truck(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a lorry: a ribbed box, a gap, a lower cab; aspect 1.95."""
    name, paint = _paint(rng)
    easel.box(_DARK, 0.04, 0.76, 1.9, 0.88)
    easel.box(paint, 0.0, 0.02, 1.32, 0.78)
    easel.polygon(paint, (1.42, 0.3), (1.78, 0.3), (1.95, 0.56), (1.95, 0.86), (1.42, 0.86))
    easel.rim()
    rib = _shaded(paint, 0.62) if sum(paint) > 250 else (130, 130, 136)
    easel.boxes(rib, [0.14 + 0.2 * k for k in range(6)], 0.07, 0.08, 0.74)
    easel.polygon(_GLASS, (1.54, 0.36), (1.74, 0.36), (1.86, 0.56), (1.54, 0.56))
    for x in (0.25, 0.53, 1.65):
        easel.wheel(x, 0.88, 0.12)
    return name


def _bus(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a bus: one long body, a row of large windows, a door; aspect 2.4."""
    name, paint = _paint(rng)
    easel.polygon(paint, (0.0, 0.1), (0.06, 0.02), (2.3, 0.02), (2.38, 0.12), (2.4, 0.9), (0.0, 0.9))
    easel.rim()
    easel.boxes(_GLASS, [0.1 + 0.34 * k for k in range(5)], 0.26, 0.14, 0.46)
    easel.box(_GLASS, 1.92, 0.14, 2.1, 0.84)
    easel.box(_GLASS, 2.2, 0.14, 2.4, 0.5)
    easel.box(_LAMP, 0.5, 0.03, 1.4, 0.09)
    for x in (0.48, 1.68):
        easel.wheel(x, 0.87, 0.13)
    return name


def _train(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a tram: sloping ends, small windows, a pale band, a current collector, no wheels; aspect 3.6."""
    name, paint = _paint(rng)
    easel.line(_DARK, 0.03, (1.5, 0.18), (1.75, 0.02), (2.05, 0.02), (1.8, 0.18))
    for left in (0.45, 2.55):
        easel.box(_DARK, left, 0.88, left + 0.6, 1.0)
    easel.polygon(paint, (0.0, 0.7), (0.28, 0.17), (3.32, 0.17), (3.6, 0.7), (3.6, 0.9), (0.0, 0.9))
    easel.rim()
    band: Colour = (240, 240, 236) if sum(paint) < 560 else (90, 90, 100)
    easel.box(band, 0.06, 0.64, 3.54, 0.74)
    easel.boxes(_GLASS, [0.42 + 0.23 * k for k in range(12)], 0.15, 0.28, 0.52)
    easel.polygon(_GLASS, (3.26, 0.28), (3.36, 0.28), (3.46, 0.52), (3.26, 0.52))
    easel.polygon(_GLASS, (0.34, 0.28), (0.24, 0.28), (0.14, 0.52), (0.34, 0.52))
    return name


def _caravan(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a caravan: a rounded box on one wheel, with one window; aspect 1.5."""
    name, paint = _paint(rng)
    easel.line(_DARK, 0.05, (1.25, 0.82), (1.48, 0.84))
    easel.polygon(paint, (0.0, 0.3), (0.14, 0.04), (1.1, 0.04), (1.32, 0.4), (1.32, 0.84), (0.0, 0.84))
    easel.rim()
    easel.box(_GLASS, 0.75, 0.2, 1.08, 0.46)
    easel.box(_shaded(paint, 0.6), 0.05, 0.58, 1.28, 0.64)
    easel.wheel(0.62, 0.85, 0.15)
    return name


def _trailer(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a trailer: an open flat bed with planks, two wheels side by side, a long bar; aspect 2.1."""
    name, paint = _paint(rng)
    easel.line(_DARK, 0.08, (1.5, 0.62), (2.06, 0.72))
    easel.box(paint, 0.0, 0.1, 1.6, 0.66)
    easel.rim()
    for top in (0.24, 0.44):
        easel.box(_shaded(paint, 0.55) if sum(paint) > 250 else (120, 120, 126), 0.04, top, 1.56, top + 0.07)
    for x in (0.6, 1.02):
        easel.wheel(x, 0.79, 0.21)
    return name


def _motorcycle(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a motorcycle: two fat wheels, a body between them; aspect 1.75."""
    name, paint = _paint(rng)
    for x in (0.32, 1.42):
        easel.disc(_TYRE, x, 0.69, 0.31)
        easel.disc(_HUB, x, 0.69, 0.13)
    easel.line(_HUB, 0.09, (1.42, 0.69), (1.16, 0.14))
    easel.polygon((110, 110, 116), (0.6, 0.5), (1.1, 0.45), (1.05, 0.86), (0.66, 0.86))
    easel.polygon(paint, (0.12, 0.34), (0.62, 0.4), (0.78, 0.2), (1.18, 0.2), (1.22, 0.46), (0.66, 0.6), (0.2, 0.46))
    easel.line(_DARK, 0.1, (0.24, 0.32), (0.68, 0.36))
    easel.line(_HUB, 0.08, (0.1, 0.76), (0.7, 0.8))
    easel.line(_DARK, 0.07, (1.02, 0.06), (1.2, 0.14))
    easel.disc(_LAMP, 1.27, 0.26, 0.09)
    return name


def _bicycle(easel: _Easel, rng: np.random.Generator) -> Look:
    """Draw a bicycle: two large wheels of spokes that one sees through, a thin frame; aspect 1.7."""
    name, paint = _paint(rng)
    hubs = (0.36, 1.34)
    for x in hubs:
        easel.disc((150, 150, 154), x, 0.64, 0.35, _SEE_THROUGH)
        for way in (-1.0, 0.6):
            easel.line(_HUB, 0.0, (x - 0.3, 0.64 + 0.2 * way), (x + 0.3, 0.64 - 0.2 * way))
        easel.ring(_TYRE, x, 0.64, 0.36, 0.075)
    hub, crank, seat, head = (hubs[0], 0.64), (0.8, 0.68), (0.66, 0.26), (1.14, 0.24)
    easel.line(paint, 0.085, hub, crank, head, seat, hub)
    easel.line(paint, 0.085, seat, crank)
    easel.line(paint, 0.085, (hubs[1], 0.64), head, (1.1, 0.1))
    easel.line(_DARK, 0.1, (0.54, 0.17), (0.78, 0.17))
    easel.line(_DARK, 0.08, (1.0, 0.06), (1.22, 0.1))
    return name


_DRAWERS: dict[StreetKind, tuple[Callable[[_Easel, np.random.Generator], Look], float]] = {
    "person": (_person, 0.46),
    "rider": (_rider, 0.72),
    "car": (_car, 2.3),
    "truck": (_truck, 1.95),
    "bus": (_bus, 2.4),
    "caravan": (_caravan, 1.5),
    "trailer": (_trailer, 2.1),
    "train": (_train, 3.6),
    "motorcycle": (_motorcycle, 1.75),
    "bicycle": (_bicycle, 1.7),
}


DrawThing = Callable[[StreetKind, float, bool, np.random.Generator], StreetSprite]
"""What :func:`draw_thing` is: class, height in pixels, whether it faces left, and what decides the rest."""


def draw_thing(kind: StreetKind, height_px: float, faces_left: bool, rng: np.random.Generator) -> StreetSprite:
    """Draw one individual.

    Args:
        kind: its class.
        height_px: its height in output pixels, at least 3.
        faces_left: mirrored; otherwise vehicles and riders face right.
        rng: decides colours and proportions.
    Returns:
        a picture one pixel larger than the thing on each side; the ground is the upper edge of its last row.
    Source: our choice.
    """
    draw, aspect = _DRAWERS[kind]
    easel = _Easel(height_px, aspect, faces_left)
    return easel.finish(draw(easel, rng))
