"""Photographs made small: masks as OpenCV shrinks them, and memory that does not grow with the number of objects."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from methods.common.datasets.lvis_records import LvisAnnotation, LvisCategory, LvisDataset, LvisImage
from methods.common.datasets.own.shrinking import shrink
from methods.common.datasets.rle import encode_mask

NOTHING = LvisCategory(1, "cup", "f")


def made_small(folder: Path, masks: list[np.ndarray], long_side_px: int) -> LvisDataset:
    height, width = masks[0].shape
    Image.new("RGB", (width, height), (90, 120, 30)).save(folder / "a.jpg")
    image = LvisImage(1, width, height, file_name="a.jpg")
    annotations = [
        LvisAnnotation(
            number, 1, 1, encode_mask(mask_HW), (0.0, 0.0, float(width), float(height)), float(mask_HW.sum())
        )
        for number, mask_HW in enumerate(masks, start=1)
    ]
    large = LvisDataset([NOTHING], [image], {1: annotations}, folder, folder / "train.json")
    return shrink(large, folder / "small", "train", long_side_px, lambda done: None)[0]


@settings(max_examples=25)
@given(st.data())
def test_masks_are_shrunk_as_opencv_shrinks_them(tmp_path_factory, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    height, width = data.draw(st.integers(30, 90)), data.draw(st.integers(30, 90))
    mask_HW = np.zeros((height, width), bool)
    for _ in range(data.draw(st.integers(1, 3))):
        top, left = data.draw(st.integers(0, height - 9)), data.draw(st.integers(0, width - 9))
        mask_HW[top : top + data.draw(st.integers(6, 40)), left : left + data.draw(st.integers(6, 40))] = True
    small = made_small(tmp_path_factory.mktemp("shrunk"), [mask_HW], data.draw(st.integers(9, 29)))
    [image], kept = small.images, small.annotations[1]
    covered_HW = cv2.resize(mask_HW.astype(np.float32), (image.width, image.height), interpolation=cv2.INTER_AREA)
    clear_HW = abs(covered_HW - 0.5) > 1e-3
    shrunk_HW = kept[0].mask(image.height, image.width) if kept else np.zeros_like(covered_HW, bool)
    assert (shrunk_HW == (covered_HW > 0.5))[clear_HW].all()


def test_half_of_a_pixel_is_enough(tmp_path: Path) -> None:
    mask_HW = np.zeros((8, 8), bool)
    mask_HW[:4, :2] = True  # half of one pixel, ...
    mask_HW[4:6, 2:4] = True  # ... a quarter of another
    mask_HW[4:8, 6:8] = True  # ... and half of a third
    small = made_small(tmp_path, [mask_HW], 2)
    assert small.annotations[1][0].mask(2, 2).tolist() == [[True, False], [False, True]]


def test_memory_does_not_grow_with_the_objects(tmp_path: Path) -> None:
    """All masks at once would take forty times the picture's pixels; a picture of three bytes each is one of three."""
    height, width = 1500, 2000
    mask_HW = np.zeros((height, width), bool)
    mask_HW[300:900, 400:1000] = True
    made_small(tmp_path, [mask_HW[:60, :60]], 30)  # what is loaded once
    tracemalloc.start()
    small = made_small(tmp_path, [mask_HW] * 40, 500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(small.annotations[1]) == 40
    assert peak < 12 * height * width, f"{peak / 2**20:.0f} MiB"
