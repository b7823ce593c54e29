"""The annotation of a training sample: maps of ids cut and resized with the picture, and how outlines are handed on (section 2.7).

Shape legend: H, W sample in pixels; L maps of ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.stage import Config
from methods.instance_synthesis.focus import resize_nearest
from methods.instance_synthesis.frames import ArrayT, Box, Frame, FrameInstance, IdMap, Mask

Outlines = Literal["bitmask", "polygon_per_part", "joined_polygon"]


class AnnotationConfig(Config):
    """How masks are handed on."""

    outlines: Outlines = "bitmask"
    """Pixels as they are; or redrawn from external contours, one polygon a part; or, as released, all contours of an instance in one
    polygon, which gives an instance of several parts a wrong outline (section 2.7)."""


def redraw(mask_HW: Mask, outlines: Outlines) -> Mask:
    """Return a mask as it comes out of the outlines that it is handed on by.

    Source: section 2.7 [code]. Where polygons overlap themselves the even-odd rule counts, as in OpenCV.
    """
    import cv2

    if outlines == "bitmask":
        return mask_HW
    contours, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn_HW = np.zeros(mask_HW.shape, np.uint8)
    if outlines == "joined_polygon" and contours:
        cv2.fillPoly(drawn_HW, [np.concatenate(contours)], 1)
    for contour in contours if outlines == "polygon_per_part" else ():
        cv2.fillPoly(drawn_HW, [contour], 1)
    return drawn_HW.astype(bool)


def redraw_ids(id_HW: IdMap, instances: Sequence[FrameInstance], outlines: Outlines) -> IdMap:
    """Return a map of ids whose instances are redrawn, in the order of their ids; a later one hides an earlier one.

    Pixels that an instance loses become its class's group, ``id // 1000`` of a Cityscapes id and 0 of any other. Groups stay.

    Args:
        id_HW: uint16 (H, W).
        instances: of this map.
        outlines: ``bitmask`` returns the map as it is.
    """
    if outlines == "bitmask":
        return id_HW
    drawn_HW = id_HW.copy()
    masks = [(one.id, id_HW == one.id) for one in sorted(instances) if not one.is_group]
    for id, mask_HW in masks:
        drawn_HW[mask_HW] = id // 1000
    for id, mask_HW in masks:
        drawn_HW[redraw(mask_HW, outlines)] = id
    return drawn_HW


def focus_ids(frame: Frame, window: Box, rows: int, columns: int) -> tuple[IdMap, ...]:
    """Return the maps of ids of a window at the size of the sample (section 2.6, step 5)."""
    return tuple(resize_nearest(_part(id_HW, window), rows, columns) for id_HW in frame.id_LHW)


def focus_labels(frame: Frame, window: Box, rows: int, columns: int) -> NDArray[np.uint8] | None:
    """Return the label map of a window at the size of the sample; None where the frame has none (section 2.6, step 5)."""
    return None if frame.label_HW is None else resize_nearest(_part(frame.label_HW, window), rows, columns)


def _part(array_HW: NDArray[ArrayT], window: Box) -> NDArray[ArrayT]:
    return array_HW[window.y0 : window.y1, window.x0 : window.x1]
