"""Large photographs made small once: images and outlines at the size that is worked with, so that nothing behind needs their full size.

Shape legend: H, W image in pixels.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.lvis_records import LvisAnnotation, LvisDataset, LvisImage
from methods.common.datasets.own.rules import covers_no_pixel
from methods.common.datasets.pictures import read_shrunk
from methods.common.datasets.rle import encode_mask

_QUALITY = 95
_THREADS = 4
_BLOCK = 64
_HALF = 0.5 - 1e-5
"""Of a pixel, but for rounding."""


def is_large(dataset: LvisDataset, long_side_px: int) -> bool:
    """Whether some image has a longer side than this."""
    return any(max(image.height, image.width) > long_side_px for image in dataset.images)


def shrink(
    dataset: LvisDataset, folder: Path, beginning: str, long_side_px: int, progress: Callable[[int], None]
) -> tuple[LvisDataset, int]:
    """Write every image of a split at most so large, and return the data at that size.

    Outlines are scaled and run lengths resized (half of a pixel must be covered). What covers no pixel any more is left out, and its
    class listed as not exhaustive in its image. One image and one mask at a time are in memory at full size, in each of four threads.

    Args:
        dataset: the split; its images are checked.
        folder: where the images go; the returned data have it as image root.
        beginning: of the written names, such as ``train``.
        long_side_px: larger images are shrunk to it, others are copied.
        progress: told how many images are done.

    Returns:
        The data, and how many instances were left out.
    """
    (folder / beginning).mkdir(parents=True, exist_ok=True)
    images: list[LvisImage] = []
    annotations: dict[int, list[LvisAnnotation]] = {}

    def one(image: LvisImage) -> tuple[LvisImage, list[LvisAnnotation]]:
        return _shrink_image(dataset, image, folder, beginning, long_side_px)

    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        for start in range(0, len(dataset.images), _BLOCK):
            for image, inside in pool.map(one, dataset.images[start : start + _BLOCK]):
                images.append(image)
                annotations[image.id] = inside
            progress(len(images))
    small = LvisDataset(dataset.categories, images, annotations, folder, dataset.annotation_file)
    return small, dataset.num_annotations - small.num_annotations


def _shrink_image(
    dataset: LvisDataset, image: LvisImage, folder: Path, beginning: str, long_side_px: int
) -> tuple[LvisImage, list[LvisAnnotation]]:
    source, inside = dataset.image_path(image), dataset.annotations[image.id]
    scale = long_side_px / max(image.height, image.width)
    if scale >= 1:
        name = f"{beginning}/{image.id}{source.suffix}"
        shutil.copyfile(source, folder / name)
        return replace(image, file_name=name, coco_url=""), inside
    height, width = max(1, round(image.height * scale)), max(1, round(image.width * scale))
    name = f"{beginning}/{image.id}.jpg"
    _write(folder / name, source, image, (height, width))
    small = replace(image, file_name=name, coco_url="", height=height, width=width)
    scaled = [_shrink_annotation(annotation, image, small) for annotation in inside]
    kept = [annotation for annotation in scaled if annotation is not None and not covers_no_pixel(annotation, small)]
    gone = {annotation.category_id for annotation in inside} if len(kept) < len(inside) else set()
    listed = dict.fromkeys((*small.not_exhaustive_category_ids, *sorted(gone)))
    return replace(
        small,
        neg_category_ids=tuple(k for k in small.neg_category_ids if k not in gone),
        not_exhaustive_category_ids=tuple(listed),
    ), kept


def _write(place: Path, source: Path, image: LvisImage, size: tuple[int, int]) -> None:
    from PIL import Image

    small_HW3 = read_shrunk(source, (image.height, image.width), size)
    Image.fromarray(small_HW3).save(place, quality=_QUALITY, subsampling=0)


def _shrink_annotation(annotation: LvisAnnotation, image: LvisImage, small: LvisImage) -> LvisAnnotation | None:
    """Scale an instance; None where its mask covers no pixel any more."""
    step = np.array([small.width / image.width, small.height / image.height])
    x, y, width, height = (np.array(annotation.bbox_xywh).reshape(2, 2) * step).ravel().tolist()
    box = (x, y, width, height)
    area = annotation.area * float(step.prod())
    shape = annotation.segmentation
    if isinstance(shape, tuple):
        outlines = tuple((outline.reshape(-1, 2) * step).ravel() for outline in shape)
        return replace(annotation, segmentation=outlines, bbox_xywh=box, area=area)
    mask_HW = _shrink_mask(shape, (small.height, small.width))
    if not mask_HW.any():
        return None
    return replace(annotation, segmentation=encode_mask(mask_HW), bbox_xywh=box, area=area)


def _shrink_mask(rle: Mapping[str, Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask at a smaller size, bool [H, W]: True where half of a pixel is covered. Only what its box holds is computed."""
    from pycocotools import mask as coco_mask

    x, y, width, height = (int(side) for side in coco_mask.toBbox(dict(rle)).tolist())
    inside_HW = coco_mask.decode(dict(rle))[y : y + height, x : x + width].astype(np.float32)
    first_row, row_share = _shares(rle["size"][0], size[0], y, y + height)
    first_column, column_share = _shares(rle["size"][1], size[1], x, x + width)
    covered_HW = row_share @ inside_HW @ column_share.T
    mask_HW = np.zeros(size, bool)
    rows, columns = covered_HW.shape
    mask_HW[first_row : first_row + rows, first_column : first_column + columns] = covered_HW >= _HALF
    return mask_HW


def _shares(length: int, new_length: int, start: int, stop: int) -> tuple[int, NDArray[np.float32]]:
    """Return which pixels of a shorter line those from ``start`` to ``stop`` fall into.

    Returns:
        The first of them, and how much of each is covered by each of the long line's, float32 [new, old].
    """
    step = length / new_length
    first, last = int(start / step), min(new_length, math.ceil(stop / step))
    low = np.arange(first, last)[:, None] * step
    old = np.arange(start, stop)[None, :]
    shared = np.minimum(low + step, old + 1) - np.maximum(low, old)
    return first, (np.maximum(shared, 0) / step).astype(np.float32)
