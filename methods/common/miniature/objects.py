"""One object as an RGBA picture: silhouette x surface x colour x pose. Colour is independent of the category.

Shape suffixes: H, W pixels; 3 colours; 4 colours and alpha.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.miniature.categories import Category, Surface, UnnamedSurface
from methods.common.miniature.shapes import Outline, draw_outline

SUPERSAMPLING = 2
Build = Literal["slim", "usual", "broad"]
Hue = Literal["red", "yellow", "green", "cyan", "blue", "purple"]
HUES: tuple[Hue, ...] = get_args(Hue)

_MAX_ROTATION = np.deg2rad(15.0)
_ASPECTS: dict[Build, tuple[float, float]] = {"slim": (0.72, 0.82), "usual": (0.92, 1.0), "broad": (1.18, 1.3)}
_FIXED_POINT_BITS = 4


@dataclass(frozen=True)
class ObjectPicture:
    """An object cut out of nothing."""

    rgba_HW4: NDArray[np.uint8]
    """Square; straight (not premultiplied) alpha, soft only along the edge."""
    build: Build
    hue: Hue


def _rgb(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    """Convert hue in [0, 1), saturation and value in [0, 1] to RGB in [0, 1]."""
    sector = (np.array([5.0, 3.0, 1.0]) + hue * 6.0) % 6.0
    colour: NDArray[np.float32] = (value - value * saturation * np.clip(np.minimum(sector, 4.0 - sector), 0, 1)).astype(
        np.float32
    )
    return colour


def _luma(rgb: NDArray[np.float32]) -> float:
    return float(rgb @ np.array([0.299, 0.587, 0.114], np.float32))


def _pick_colours(rng: np.random.Generator) -> tuple[Hue, NDArray[np.float32], NDArray[np.float32]]:
    """Return hue name, body colour of middle brightness, and a pale accent of any hue."""
    number = int(rng.integers(len(HUES)))
    hue = (number + rng.uniform(-0.35, 0.35)) / len(HUES)
    body = _rgb(hue % 1.0, rng.uniform(0.65, 0.95), 1.0)
    body = body * np.float32(rng.uniform(0.3, 0.48) / max(_luma(body), 0.3))
    accent = _rgb(rng.uniform(), rng.uniform(0.05, 0.3), rng.uniform(0.93, 1.0))
    return HUES[number], np.minimum(body, 1.0), accent


def _fill(outline: Outline, size: int, transform_23: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Rasterise the silhouette; 255 inside."""
    mask_HW = np.zeros((size, size), np.uint8)
    scale = 1 << _FIXED_POINT_BITS
    for polygons, value in ((outline.parts, 255), (outline.holes, 0)):
        for polygon in polygons:
            corners = polygon @ transform_23[:, :2].T + transform_23[:, 2]
            fixed = np.round((corners - 0.5) * scale).astype(np.int32)
            cv2.fillPoly(mask_HW, [fixed], value, lineType=cv2.LINE_8, shift=_FIXED_POINT_BITS)
    return mask_HW


def _accent_mask(
    surface: Surface | UnnamedSurface,
    outline: Outline,
    transform_23: NDArray[np.float64],
    size: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_] | None:
    """Where the pale accent lies, None for a plain surface."""
    if surface == "plain":
        return None
    if surface == "dotted":
        dots = tuple(_dot(x, y, outline.dot_radius) for x, y in outline.dots)
        return _fill(Outline(dots, (), (), 0.0, (1.0, 0.0)), size, transform_23) > 0
    inverse = np.linalg.inv(transform_23[:, :2])
    grid = np.arange(size, dtype=np.float32) + 0.5
    dx, dy = grid[None, :] - np.float32(transform_23[0, 2]), grid[:, None] - np.float32(transform_23[1, 2])
    if surface == "halved":
        direction = np.array(outline.half_direction) @ inverse
        return dx * np.float32(direction[0]) + dy * np.float32(direction[1]) > np.float32(rng.uniform(-0.06, 0.06))
    if surface in ("checkered", "quartered", "ringed"):
        return _unnamed_accent(surface, np.stack([dx + 0 * dy, dy + 0 * dx], axis=-1) @ inverse.T.astype(np.float32))
    tilt = rng.uniform(-0.15, 0.15)
    along = np.array([np.cos(tilt), np.sin(tilt)]) @ inverse
    period, phase = rng.uniform(0.58, 0.66), rng.uniform(-0.06, 0.06)
    position = (dx * np.float32(along[0]) + dy * np.float32(along[1])) / np.float32(period) + np.float32(phase + 0.25)
    stripes: NDArray[np.bool_] = (position - np.floor(position)) > np.float32(0.5)
    return stripes


def _unnamed_accent(surface: UnnamedSurface, unit_HW2: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the pale accent of a thing without a name lies; ``unit_HW2`` are the outline's unit coordinates."""
    x_HW, y_HW = unit_HW2[..., 0], unit_HW2[..., 1]
    if surface == "quartered":
        pale_HW: NDArray[np.bool_] = x_HW * y_HW > 0
    elif surface == "ringed":
        pale_HW = np.hypot(x_HW, y_HW) % np.float32(0.6) > np.float32(0.3)
    else:
        pale_HW = np.floor(x_HW / np.float32(0.4)) % 2 == np.floor(y_HW / np.float32(0.4)) % 2
    return pale_HW


def _dot(x: float, y: float, radius: float) -> NDArray[np.float64]:
    angles = np.linspace(0.0, 2.0 * np.pi, 14, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def _transform(radius: float, size: int, build: Build, rng: np.random.Generator) -> NDArray[np.float64]:
    """Unit coordinates to supersampled pixels: aspect, small rotation, scale, centre."""
    aspect = rng.uniform(*_ASPECTS[build])
    angle = rng.uniform(-_MAX_ROTATION, _MAX_ROTATION)
    stretch = np.diag([np.sqrt(aspect), 1.0 / np.sqrt(aspect)]) * radius
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.concatenate([turn @ stretch, np.full((2, 1), size / 2)], axis=1)


def render_object(
    category: Category, radius_px: float, rng: np.random.Generator, repaint: np.random.Generator | None = None
) -> ObjectPicture:
    """Draw one individual of a category.

    Args:
        category: what to draw.
        radius_px: half of the object's extent in output pixels, at least 3.
        rng: decides build (slim 15 %, broad 15 %), colours, proportions, pose and light.
        repaint: decides colours and light in its place, so that the same outline looks different.
    Returns:
        a square picture a little larger than the object.
    Source: our choice.
    """
    build: Build = ("slim", "broad", "usual")[min(int(rng.uniform() / 0.15), 2)]
    hue, body, accent = _pick_colours(rng)
    if repaint is not None:
        hue, body, accent = _pick_colours(repaint)
    size = 2 * int(np.ceil(radius_px * 1.25 + 1)) * SUPERSAMPLING
    outline = draw_outline(category.shape, rng)
    transform_23 = _transform(radius_px * SUPERSAMPLING, size, build, rng)
    inside_HW = _fill(outline, size, transform_23)
    rgb_HW3 = np.empty((size, size, 3), np.float32)
    rgb_HW3[:] = body
    accent_HW = _accent_mask(category.surface, outline, transform_23, size, rng)
    if accent_HW is not None:
        rgb_HW3[accent_HW] = accent
    border = max(1, round(radius_px * 0.12 + 0.6))
    core_HW = cv2.erode(inside_HW, np.ones((3, 3), np.uint8), iterations=border, borderValue=0)
    rgb_HW3[core_HW == 0] = body * np.float32(0.3)
    tilt = rng.uniform(-0.16, 0.16, 2)
    if repaint is not None:
        tilt = repaint.uniform(-0.16, 0.16, 2)
    light = tilt.astype(np.float32) * np.float32(2.0 / size)
    grid = np.arange(size, dtype=np.float32) - np.float32(size / 2)
    rgb_HW3 *= (1.0 + light[0] * grid[:, None] + light[1] * grid[None, :])[..., None]
    return ObjectPicture(_reduce(rgb_HW3, inside_HW), build, hue)


def _reduce(rgb_HW3: NDArray[np.float32], inside_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average blocks of supersampled pixels."""
    target = (rgb_HW3.shape[1] // SUPERSAMPLING, rgb_HW3.shape[0] // SUPERSAMPLING)
    rgba_HW4 = np.empty((target[1], target[0], 4), np.uint8)
    rgba_HW4[..., :3] = np.clip(cv2.resize(rgb_HW3, target, interpolation=cv2.INTER_AREA) * 255.0 + 0.5, 0, 255)
    rgba_HW4[..., 3] = cv2.resize(inside_HW, target, interpolation=cv2.INTER_AREA)
    return rgba_HW4
