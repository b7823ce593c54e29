"""Rules that own annotations must keep beyond those of :mod:`~methods.common.datasets.lvis_checks`: what tools get wrong and nothing notices.

Shape legend: N annotations in file order; 4 = x, y, width, height in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from methods.common.datasets.lvis_checks import RecordTable
from methods.common.datasets.lvis_records import LvisAnnotation, LvisImage
from methods.common.datasets.outline_rules import enclosed_area
from methods.common.datasets.record_rules import distant_areas

_AROUND = "write [x, y, width, height] around it, in pixels"
_PIXELS = "write pixels of the image, multiplied by its width and height"
_LEAST_SIDE_PX = 4
"""In images smaller than this, coordinates up to 1 may be pixels."""
_LIKELY = 0.5
"""Overlap of a box with the box around its outline below which it is another one; a file of which more than half is so has another format."""
_WIDE_PX, _THIN_PX = 2, 1
"""An outline at least so wide has a box with a width; one that is thinner may cover no pixel, which is another fault."""

Floats = NDArray[np.float64]


def check_annotations(
    table: RecordTable, annotations: Sequence[LvisAnnotation], image_of: dict[int, LvisImage]
) -> list[int]:
    """Check coordinates and boxes of annotations that are sound each by itself.

    Args:
        table: their records, in the same order.
        annotations: what was read of them.
        image_of: image by id.

    Returns:
        Ids of those whose box and outline share less than half, as where a box goes around what is hidden too.

    Raises:
        FaultyRecordsError: coordinates of some lie in 0..1, a box does not meet its outline or has no size, or most boxes are others.
    """
    if not annotations:
        return []
    side_N = np.array(
        [min(image_of[one.image_id].width, image_of[one.image_id].height) for one in annotations], np.float64
    )
    outline_N4 = np.array([_outline_box(one) for one in annotations], np.float64)
    box_N4 = np.array([one.bbox_xywh for one in annotations], np.float64)
    is_polygon_N = np.array([isinstance(one.segmentation, tuple) for one in annotations], bool)
    large_N = side_N >= _LEAST_SIDE_PX
    table.blame_first(
        is_polygon_N & large_N & _in_unit_square(outline_N4), "segmentation", "has coordinates in 0..1", _PIXELS
    )
    apart_N = _overlap(box_N4, outline_N4) <= 0
    table.blame_first(large_N & apart_N & _in_unit_square(box_N4), "bbox", "has coordinates in 0..1", _PIXELS)
    table.blame_first(apart_N, "bbox", "does not meet the annotation's outline", _AROUND)
    flat_N = np.logical_or.reduce((box_N4[:, 2:] == 0) & (outline_N4[:, 2:] >= _WIDE_PX), axis=1)
    table.blame_first(flat_N, "bbox", "has no width or no height", f"{_AROUND}, or leave it out")
    other_N = _intersection_over_union(_loose(box_N4, 1), _loose(outline_N4, 1)) < _LIKELY
    other_N &= outline_N4[:, 2:].min(1) >= _THIN_PX
    _check_format(table, box_N4, outline_N4, other_N)
    return [annotations[row].id for row in np.flatnonzero(other_N).tolist()]


def annotations_of_other_areas(annotations: Sequence[LvisAnnotation], image_of: dict[int, LvisImage]) -> list[int]:
    """Return the ids of those whose `area` is not that of their outline; what several outlines share is drawn before it is told."""
    if not annotations:
        return []
    area_N = np.array([one.area for one in annotations], np.float64)
    box_N4 = np.array([_outline_box(one) for one in annotations], np.float64)
    extent_N = np.array([_enclosed(one) for one in annotations], np.float64)
    found = np.flatnonzero(distant_areas(area_N, extent_N, box_N4, of_masks=True)).tolist()
    for row in found:
        one, image = annotations[row], image_of[annotations[row].image_id]
        if isinstance(one.segmentation, tuple) and len(one.segmentation) > 1:
            extent_N[row] = coco_mask.area(dict(one.rle(image.height, image.width)))
    is_other_N = distant_areas(area_N, extent_N, box_N4, of_masks=True)
    return [annotations[row].id for row in found if is_other_N[row]]


def _enclosed(annotation: LvisAnnotation) -> float:
    shape = annotation.segmentation
    return sum(map(enclosed_area, shape)) if isinstance(shape, tuple) else float(coco_mask.area(dict(shape)))


def _check_format(table: RecordTable, box_N4: Floats, outline_N4: Floats, other_N: NDArray[np.bool_]) -> None:
    """Notice boxes that are written in another way: each alone looks like a loose box."""
    most = _LIKELY * len(box_N4)
    corners_N4 = np.concatenate([box_N4[:, :2], box_N4[:, 2:] - box_N4[:, :2]], 1)
    centred_N4 = np.concatenate([box_N4[:, :2] - box_N4[:, 2:] / 2, box_N4[:, 2:]], 1)
    for read_N4, told in (
        (corners_N4, "as two corners"),
        (centred_N4, "by its centre"),
        (box_N4[:, [1, 0, 3, 2]], "with x and y exchanged"),
    ):
        fits_N = ~_is_around(box_N4, outline_N4) & _is_around(read_N4, outline_N4)
        if fits_N.sum() > most:
            table.blame_first(fits_N, "bbox", f"is written {told}", "write [x, y, width, height]")
    if other_N.sum() > most:
        table.blame_first(other_N, "bbox", "does not fit the annotation's outline", f"{_AROUND}, or leave it out")


def _is_around(box_N4: Floats, outline_N4: Floats) -> NDArray[np.bool_]:
    """Whether boxes are, but for rounding, those around the outlines."""
    return np.asarray(_intersection_over_union(box_N4, outline_N4) > 1 - _LIKELY / 5)


def _outline_box(annotation: LvisAnnotation) -> tuple[float, float, float, float]:
    shape = annotation.segmentation
    if isinstance(shape, tuple):
        low = np.min([outline.reshape(-1, 2).min(0) for outline in shape], 0)
        high = np.max([outline.reshape(-1, 2).max(0) for outline in shape], 0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])
    x, y, width, height = coco_mask.toBbox(dict(shape)).tolist()
    return x, y, width, height


def _in_unit_square(box_N4: Floats) -> NDArray[np.bool_]:
    corner_N4 = np.concatenate([box_N4[:, :2], box_N4[:, :2] + box_N4[:, 2:]], 1)
    inside: NDArray[np.bool_] = np.logical_and.reduce((corner_N4 >= 0) & (corner_N4 <= 1), axis=1)
    return inside


def _overlap(one_N4: Floats, other_N4: Floats) -> Floats:
    """Return the shorter side of what two boxes share, each taken half a pixel larger on every side."""
    one_N4, other_N4 = _loose(one_N4, 0.5), _loose(other_N4, 0.5)
    low_N2 = np.maximum(one_N4[:, :2], other_N4[:, :2])
    high_N2 = np.minimum(one_N4[:, :2] + one_N4[:, 2:], other_N4[:, :2] + other_N4[:, 2:])
    shared: Floats = (high_N2 - low_N2).min(1)
    return shared


def _loose(box_N4: Floats, margin_px: float) -> Floats:
    """Return boxes that go so much further on every side."""
    return box_N4 + margin_px * np.array([-1.0, -1.0, 2.0, 2.0])


def _intersection_over_union(one_N4: Floats, other_N4: Floats) -> Floats:
    low_N2 = np.maximum(one_N4[:, :2], other_N4[:, :2])
    high_N2 = np.minimum(one_N4[:, :2] + one_N4[:, 2:], other_N4[:, :2] + other_N4[:, 2:])
    shared_N = np.maximum(high_N2 - low_N2, 0).prod(1)
    area_N = np.maximum(one_N4[:, 2:], 0).prod(1) + np.maximum(other_N4[:, 2:], 0).prod(1) - shared_N
    found: Floats = shared_N / np.maximum(area_N, 1e-9)
    return found


def covers_no_pixel(annotation: LvisAnnotation, image: LvisImage) -> bool:
    """Whether an outline is so thin or small that no pixel lies in it; only thin ones are rasterised to see."""
    shape = annotation.segmentation
    if not isinstance(shape, tuple) or not all(_is_thin(outline) for outline in shape):
        return False
    return int(coco_mask.area(dict(annotation.rle(image.height, image.width)))) == 0


def _is_thin(outline: Floats) -> bool:
    """Whether an outline encloses less than its length, so that it is nowhere wide, or lies beyond the border in part."""
    point_Q2 = outline.reshape(-1, 2)
    step_Q2 = np.roll(point_Q2, -1, 0) - point_Q2
    length = float(np.hypot(step_Q2[:, 0], step_Q2[:, 1]).sum())
    return enclosed_area(outline) < length or bool((point_Q2 < 0).any())
