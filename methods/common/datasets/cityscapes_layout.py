"""Where Cityscapes keeps its files, and writing a frame there.

``leftImg8bit/<split>/<city>/<frame>_leftImg8bit.png`` is a picture; below ``gtFine/<split>/<city>`` lie its
``_gtFine_labelIds.png`` (8 bit), ``_gtFine_instanceIds.png`` (16 bit) and ``_gtFine_polygons.json``. A frame is named
city_sequence_frame, the last two as six digits.

Shape legend: H, W pixels; N corners; 2 x and y; 3 colours.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

IMAGES, TRUTH = "leftImg8bit", "gtFine"
IMAGE_SUFFIX = "_leftImg8bit.png"
INSTANCE_SUFFIX = "_gtFine_instanceIds.png"
LABEL_SUFFIX = "_gtFine_labelIds.png"
POLYGON_SUFFIX = "_gtFine_polygons.json"
GROUP_SUFFIX = "group"
"""Ends the label of a polygon that holds several individuals, e.g. ``cargroup``."""

CityscapesSplit = Literal["train", "val"]


@dataclass(frozen=True)
class CityscapesPolygon:
    """One polygon of a frame; later ones lie before earlier ones."""

    label: str
    """Name of the class, with ``group`` behind it for several individuals in one."""
    corners_N2: NDArray[np.int32]
    """Pixels x, y; the border belongs to it."""


@dataclass(frozen=True)
class CityscapesPaths:
    """The files of one frame."""

    image: Path
    instances: Path
    labels: Path
    polygons: Path


def frame_paths(root: Path, split: str, city: str, frame: str) -> CityscapesPaths:
    """Return where the files of a frame lie, e.g. of ``aachen_000000_000019`` in the folder ``aachen``."""
    truth = root / TRUTH / split / city
    return CityscapesPaths(
        root / IMAGES / split / city / f"{frame}{IMAGE_SUFFIX}",
        truth / f"{frame}{INSTANCE_SUFFIX}",
        truth / f"{frame}{LABEL_SUFFIX}",
        truth / f"{frame}{POLYGON_SUFFIX}",
    )


def write_frame(
    paths: CityscapesPaths,
    image_HW3: NDArray[np.uint8],
    label_HW: NDArray[np.uint8],
    instance_HW: NDArray[np.uint16],
    polygons: Sequence[CityscapesPolygon],
) -> None:
    """Write picture, label ids, instance ids and polygons of a frame; folders are made."""
    for path in (paths.image, paths.labels):
        path.parent.mkdir(parents=True, exist_ok=True)
    for path, pixels in (
        (paths.image, image_HW3[..., ::-1]),
        (paths.labels, label_HW),
        (paths.instances, instance_HW),
    ):
        written = cv2.imwrite(str(path), pixels)
        assert written, f"could not write {path}"
    height, width = label_HW.shape
    objects = [{"label": polygon.label, "polygon": polygon.corners_N2.tolist()} for polygon in polygons]
    document = {"imgHeight": height, "imgWidth": width, "objects": objects}
    paths.polygons.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
