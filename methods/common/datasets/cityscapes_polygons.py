"""The polygons that Cityscapes' annotators drew, from ``*_gtFine_polygons.json``.

Painted one over the other, borders included, they give the maps of ids; the n-th polygon of a class that has instances and no group is the
instance 1000 * label id + n, n from 0.

Shape legend: N corners; 2 x and y.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from methods.common.datasets.cityscapes_labels import LABELS
from methods.common.datasets.cityscapes_layout import GROUP_SUFFIX, CityscapesPolygon
from methods.common.errors import InputError, reason

_NAMES = {label.name for label in LABELS}


@dataclass(frozen=True)
class CityscapesPolygons:
    """A polygon file: what was drawn one over the other."""

    height: int
    width: int
    polygons: tuple[CityscapesPolygon, ...]
    """Back to front."""


def read_polygons(path: Path) -> CityscapesPolygons:
    """Read ``*_gtFine_polygons.json``.

    Raises:
        InputError: the file is missing or no such JSON, or an object of it has an unknown label or no outline.
    """
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        height, width, objects = int(raw["imgHeight"]), int(raw["imgWidth"]), list(raw["objects"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no polygon file of Cityscapes ({reason(error)}); download it again") from error
    return CityscapesPolygons(
        height, width, tuple(_polygon(one, f"{path}, object {k}") for k, one in enumerate(objects))
    )


def _polygon(record: Any, where: str) -> CityscapesPolygon:
    fields = record if isinstance(record, dict) else {}
    label, outline = fields.get("label"), fields.get("polygon")
    if not isinstance(label, str) or (label not in _NAMES and label.removesuffix(GROUP_SUFFIX) not in _NAMES):
        raise InputError(
            f"{where}: the label is {label!r:.40}; name a class of Cityscapes, with or without {GROUP_SUFFIX!r}"
        )
    try:
        corners_N2 = np.array(outline, np.float64)
    except (ValueError, TypeError):
        corners_N2 = np.zeros(0)
    if corners_N2.ndim != 2 or corners_N2.shape[1] != 2 or len(corners_N2) < 3 or not np.isfinite(corners_N2).all():
        raise InputError(f"{where}: `polygon` is no list of at least three points [x, y]; draw it again")
    return CityscapesPolygon(label, np.rint(corners_N2).astype(np.int32))
