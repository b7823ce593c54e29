"""Hard random instances and detections for the parity tests of LVIS and COCO: small images, few boxes, many coincidences."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from methods.common.datasets.rle import encode_mask
from methods.common.metrics.detection import matching as detections_matching
from methods.common.metrics.detection import precision_recall as detections_curves

Record = dict[str, Any]

CLASS_IDS = (3, 8, 11)
SIDE = 40


@contextmanager
def small_groups() -> Iterator[None]:
    """Cut detections into groups of classes as a large file's are cut."""
    with mock.patch.object(detections_matching, "_GROUP", 3), mock.patch.object(detections_curves, "_GROUP", 3):
        yield


corner = st.integers(0, SIDE - 1)
# Sizes near 32 px and single pixels are drawn often: area ranges and IoU thresholds have their edges there.
extent = st.one_of(st.just(1), st.sampled_from([2, 8, 10, 20, 31, 32, 33]), st.integers(1, SIDE))
box = st.tuples(corner, corner, extent, extent).map(
    lambda v: (v[0], v[1], min(v[2], SIDE - v[0]), min(v[3], SIDE - v[1]))
)
few_boxes = st.shared(st.lists(box, min_size=1, max_size=4), key="boxes")
any_box = st.one_of(few_boxes.flatmap(st.sampled_from), few_boxes.flatmap(st.sampled_from), box)


def mask_of(box_xywh: tuple[int, int, int, int], holes_seed: int | None) -> np.ndarray:
    x, y, width, height = box_xywh
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + height, x : x + width] = True
    if holes_seed is not None:
        mask &= np.random.default_rng(holes_seed).random((SIDE, SIDE)) < 0.8
        mask[y, x] = True
    return mask


@st.composite
def instance(draw: st.DrawFn) -> Record:
    x, y, width, height = found = draw(any_box)
    mask = mask_of(found, draw(st.none() | st.integers(0, 3)))
    outline = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    area = draw(st.sampled_from([float(mask.sum()), float(width * height), 0.0, 1024.0, 9216.0, 9217.0]))
    record = {
        "category_id": draw(st.sampled_from(CLASS_IDS)),
        "bbox": [x, y, width, height],
        "segmentation": draw(st.sampled_from([outline, encode_mask(mask)])),
        "area": area,
    }
    return record | draw(st.sampled_from([{}, {}, {}, {"ignore": 1}]))


@st.composite
def detection(draw: st.DrawFn) -> Record:
    found = draw(any_box)
    mask = mask_of(found, draw(st.none() | st.integers(0, 3)))
    nudge = draw(st.sampled_from([0.0, 0.0, 0.5, 2.25]))
    return {
        "category_id": draw(st.sampled_from(CLASS_IDS)),
        "score": draw(st.sampled_from([0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)),
        "bbox": [found[0] - nudge, float(found[1]), float(found[2]), max(0.0, found[3] - nudge)],
        "segmentation": encode_mask(mask if draw(st.integers(0, 9)) else np.zeros_like(mask)),
    }
