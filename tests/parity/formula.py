"""Weights and images that both sides of a comparison make by a formula, as the reference data's README gives it."""

import csv
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def formula_tensor(name: str, shape: tuple[int, ...], salt: int) -> np.ndarray:
    generator = np.random.RandomState((zlib.crc32(name.encode()) + salt) % 2**32)
    noise = generator.standard_normal(shape)
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        noise = 1 + 0.1 * np.abs(noise)
    elif last == "running_mean":
        noise = 0.1 * noise
    elif len(shape) > 1:
        noise = noise * max(0.02, int(np.prod(shape[1:])) ** -0.5) * (0.1 if "bboxes_delta" in name else 1.0)
    elif last in ("weight", "scale", "gamma"):
        noise = 1 + 0.1 * noise
    else:
        noise = 0.1 * noise
    return noise.astype(np.float32)


def formula_state(shared: Path, stem: str, salt: int) -> dict[str, np.ndarray]:
    """Every entry of a key table that the formula fills."""
    rows = [row for row in key_table(shared, stem) if row["values"] == "formula"]
    return {row["name"]: formula_tensor(row["name"], shape_of(row), salt) for row in rows}


def formula_image(height: int, width: int, a: float, b: float, p: float, q: float) -> Tensor:
    c, y, x = np.ogrid[0:3.0, 0 : float(height), 0 : float(width)]
    value = 127 + 50 * np.sin(a * x + 0.3 * c + p) + 50 * np.cos(b * y - 0.2 * c) + 20 * np.sin(q * x * y + c)
    return torch.from_numpy(value.astype(np.float32))[None]


def key_table(shared: Path, stem: str) -> list[dict[str, str]]:
    with (shared / "parity" / f"{stem}_keys.csv").open() as file:
        return list(csv.DictReader(file))


def shape_of(row: dict[str, str]) -> tuple[int, ...]:
    return () if row["shape"] == "scalar" else tuple(int(side) for side in row["shape"].split("x"))
