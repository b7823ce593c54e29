"""Heat maps on disk: 16 bits a cell in one PNG a picture and preset, all maps of the picture below each other.

Shape legend: M maps of one picture (one a word), h, w cells.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from methods.common.datasets.png_labels import read_labels
from methods.common.errors import InputError, reason
from methods.common.generators.attention_presets import AttentionPreset

MAPS, PRESETS_FILE = "maps", "presets.json"
"""Folder with a folder of maps for each preset, and the file that says what each preset is."""
_LEVELS = 65535


class PackedMaps(NamedTuple):
    """Maps in whole numbers, and what they span."""

    level_Hw: NDArray[np.uint16]
    """[M * h, w]: each map from its smallest value, 0, to its largest, 65535."""
    ranges: list[list[float]]
    """Smallest and largest value of each map; both 0 where a value is no finite number."""


def pack_maps(map_Mhw: NDArray[np.floating]) -> PackedMaps:
    """Round each map to 65536 levels of its own range [C D40].

    Args:
        map_Mhw: pooled maps of any range.
    """
    finite_M = np.isfinite(map_Mhw).all((1, 2))
    clean_Mhw = np.where(finite_M[:, None, None], map_Mhw, 0.0).astype(np.float64)
    low_M, high_M = clean_Mhw.min((1, 2)), clean_Mhw.max((1, 2))
    span_M = np.where(high_M > low_M, high_M - low_M, 1.0)
    level_Mhw = np.rint((clean_Mhw - low_M[:, None, None]) / span_M[:, None, None] * _LEVELS).astype(np.uint16)
    ranges = np.stack((low_M, high_M), 1).tolist()
    return PackedMaps(level_Mhw.reshape(-1, level_Mhw.shape[2]), ranges)


def encode_maps(level_Hw: NDArray[np.uint16]) -> bytes:
    """Return packed maps as the bytes of a gray PNG with 16 bits."""
    data = io.BytesIO()
    Image.fromarray(level_Hw).save(data, "PNG")
    return data.getvalue()


def read_maps(path: Path, ranges: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Read the maps of one picture, [M, h, w], within half a level of what was packed.

    Args:
        path: what :func:`encode_maps` wrote.
        ranges: of the maps.

    Raises:
        InputError: the file is missing or damaged, or holds another number of maps.
    """
    level_Hw = read_labels(path)
    if not ranges or level_Hw.dtype != np.uint16 or len(level_Hw) % len(ranges):
        raise InputError(
            f"{path} has {len(level_Hw)} rows of {level_Hw.dtype}, which are no {len(ranges)} maps of 16 bits; synthesize again"
        )
    low_M, high_M = np.asarray(ranges, np.float64).T
    level_Mhw = level_Hw.reshape(len(ranges), -1, level_Hw.shape[1]).astype(np.float64)
    maps: NDArray[np.float64] = low_M[:, None, None] + level_Mhw / _LEVELS * (high_M - low_M)[:, None, None]
    return maps


def read_preset(folder: Path, name: str) -> AttentionPreset:
    """Read what a preset of the heat maps of a cell is.

    Raises:
        InputError: the file is missing or damaged, or there is no such preset.
    """
    path = folder / PRESETS_FILE
    try:
        presets = json.loads(path.read_text())
        return AttentionPreset.model_validate(presets[name])
    except KeyError:
        there = ", ".join(presets)
        raise InputError(f"{path} has no preset {name!r}; there are {there}, so set preset") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); synthesize again") from error
