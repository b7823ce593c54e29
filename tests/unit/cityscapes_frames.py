"""Small hand-made frames in the layout of Cityscapes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from methods.common.datasets.cityscapes_layout import CityscapesPaths, CityscapesPolygon, frame_paths, write_frame


def instance_map(*boxes: tuple[int, int, int, int, int], height: int = 24, width: int = 48) -> np.ndarray:
    """Road (7), with boxes (value, x0, y0, x1, y1) on it, later ones in front."""
    id_HW = np.full((height, width), 7, np.uint16)
    for value, x0, y0, x1, y1 in boxes:
        id_HW[y0:y1, x0:x1] = value
    return id_HW


def add_frame(
    root: Path,
    name: str,
    id_HW: np.ndarray,
    split: str = "train",
    polygons: Sequence[CityscapesPolygon] = (),
) -> CityscapesPaths:
    """Write a grey picture with these ids; returns its files."""
    paths = frame_paths(root, split, name.split("_")[0], name)
    label_HW = np.where(id_HW < 1000, id_HW, id_HW // 1000).astype(np.uint8)
    write_frame(paths, np.full((*id_HW.shape, 3), 90, np.uint8), label_HW, id_HW, polygons)
    return paths
