"""Named backgrounds: white, and seven quiet textures that stay recognisable at 64 pixels."""

from collections.abc import Callable
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

Background = Literal["white", "grass", "sand", "water", "brick", "sky", "wood", "stone"]
BACKGROUNDS: tuple[Background, ...] = get_args(Background)

Picture = NDArray[np.float32]
"""(H, W, 3) RGB in [0, 1]."""


def _smooth_noise(height: int, width: int, cell_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of about unit range that varies over ``cell_px`` pixels; shape (H, W)."""
    rows, columns = max(2, round(height / cell_px) + 1), max(2, round(width / cell_px) + 1)
    coarse = rng.uniform(-1.0, 1.0, (rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _tinted(field_HW: NDArray[np.float32], colour: tuple[float, float, float], rng: np.random.Generator) -> Picture:
    """Give a field of brightness changes a colour that varies a little from picture to picture."""
    base = np.array(colour, np.float32) + rng.uniform(-0.04, 0.04, 3).astype(np.float32)
    return np.asarray(base * (1.0 + field_HW[..., None]), np.float32)


def _white(height: int, width: int, rng: np.random.Generator) -> Picture:
    return np.full((height, width, 3), rng.uniform(0.97, 1.0), np.float32)


def _grass(height: int, width: int, rng: np.random.Generator) -> Picture:
    return _tinted(0.13 * _smooth_noise(height, width, 5, rng), (0.42, 0.66, 0.30), rng)


def _sand(height: int, width: int, rng: np.random.Generator) -> Picture:
    return _tinted(0.06 * _smooth_noise(height, width, 8, rng), (0.88, 0.78, 0.56), rng)


def _water(height: int, width: int, rng: np.random.Generator) -> Picture:
    rows = np.arange(height, dtype=np.float32)[:, None] + 2.0 * _smooth_noise(height, width, 24, rng)
    return _tinted(np.float32(0.10) * np.sin(rows * np.float32(2 * np.pi / 11)), (0.33, 0.62, 0.78), rng)


def _brick(height: int, width: int, rng: np.random.Generator) -> Picture:
    rows = np.arange(height) + int(rng.integers(12))
    columns = np.arange(width) + int(rng.integers(20))
    course = rows // 12
    joint_HW = (rows % 12 < 2)[:, None] | ((columns[None, :] + 10 * (course % 2)[:, None]) % 20 < 2)
    return _tinted(np.where(joint_HW, 0.28, 0.0).astype(np.float32), (0.70, 0.47, 0.40), rng)


def _sky(height: int, width: int, rng: np.random.Generator) -> Picture:
    fade_H = np.linspace(-0.06, 0.10, height, dtype=np.float32)[:, None]
    return _tinted(fade_H + 0.06 * _smooth_noise(height, width, 20, rng), (0.66, 0.82, 0.95), rng)


def _wood(height: int, width: int, rng: np.random.Generator) -> Picture:
    columns = np.arange(width, dtype=np.float32)[None, :] + 2.0 * _smooth_noise(height, width, 20, rng)
    return _tinted(np.float32(0.11) * np.sin(columns * np.float32(2 * np.pi / 10)), (0.68, 0.50, 0.32), rng)


def _stone(height: int, width: int, rng: np.random.Generator) -> Picture:
    return _tinted(0.10 * _smooth_noise(height, width, 9, rng), (0.64, 0.64, 0.66), rng)


_PAINTERS: dict[Background, Callable[[int, int, np.random.Generator], Picture]] = {
    "white": _white,
    "grass": _grass,
    "sand": _sand,
    "water": _water,
    "brick": _brick,
    "sky": _sky,
    "wood": _wood,
    "stone": _stone,
}


def paint_background(background: Background, height: int, width: int, rng: np.random.Generator) -> Picture:
    """Return a picture of the named background, float32 RGB in [0, 1], shape (height, width, 3)."""
    return np.clip(_PAINTERS[background](height, width, rng), 0.0, 1.0)
