"""Instances of a decoded mask: what its edges part (an extension: the paper never decodes instances, section 4.5, step 5).

Shape legend: H, W pixels; K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED
from methods.seggen.clean_up import connected_regions
from methods.seggen.colour_coding import Decoded, from_nearest


class DecodedSegment(NamedTuple):
    """One segment."""

    id: int
    label: int
    """Its class."""
    area_px: int


def decoded_segments(
    decoded: Decoded, is_thing_K: Sequence[bool], min_px: int
) -> tuple[NDArray[np.int32], list[DecodedSegment]]:
    """Part a decoded mask into segments: one for each stuff class, one for each region of a thing between edges.

    Regions of things with fewer pixels are dropped, their pixels are of no segment. Pixels of edges go to the nearest pixel that is none.

    Args:
        decoded: a picture drawn with edges.
        is_thing_K: whether a class is a thing.
        min_px: least area of an instance, without its share of the edges.

    Returns:
        Map of ids from 1 on, int32 [H, W], 0 where no segment is; and the segments by id.
    Source: section 4.5, step 5; SegGen never does it (section 2).
    """
    # Regions are those of the labels without the edges, which 254 stands for: no class has it where there is a colour for edges.
    inside_HW = np.where(decoded.edge_HW, np.uint8(IGNORED - 1), decoded.label_HW)
    region_HW = connected_regions(inside_HW)
    label_R = np.zeros(region_HW.max() + 1, np.uint8)
    label_R[region_HW] = inside_HW
    area_R = np.bincount(region_HW.ravel())
    id_R = np.zeros(len(label_R), np.int32)
    id_of_stuff: dict[int, int] = {}
    next_id = 1
    for region, label in enumerate(label_R.tolist()):
        if label >= IGNORED - 1 or (is_thing_K[label] and area_R[region] < min_px):
            continue
        if not is_thing_K[label] and label in id_of_stuff:
            id_R[region] = id_of_stuff[label]
            continue
        id_R[region], next_id = next_id, next_id + 1
        if not is_thing_K[label]:
            id_of_stuff[label] = int(id_R[region])
    id_HW = from_nearest(id_R[region_HW], decoded.edge_HW)
    areas = np.bincount(id_HW.ravel(), minlength=next_id)
    label_of = dict(zip(id_R.tolist(), label_R.tolist(), strict=True))
    return id_HW, [DecodedSegment(k, label_of[k], int(areas[k])) for k in range(1, next_id)]
