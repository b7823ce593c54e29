"""Large photographs made small once: images and outlines at the size that is worked with, so that nothing behind needs their full size.

Shape legend: H, W image in pixels.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from methods.common.datasets.lvis_records import LvisAnnotation, LvisDataset, LvisImage
from methods.common.datasets.own.rules import covers_no_pixel
from methods.common.datasets.pictures import read_shrunk
from methods.common.datasets.rle import decode_mask, encode_mask

_QUALITY = 95
_THREADS = 4
_BLOCK = 64


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
    import cv2

    step = np.array([small.width / image.width, small.height / image.height])
    x, y, width, height = (np.array(annotation.bbox_xywh).reshape(2, 2) * step).ravel().tolist()
    box = (x, y, width, height)
    area = annotation.area * float(step.prod())
    shape = annotation.segmentation
    if isinstance(shape, tuple):
        outlines = tuple((outline.reshape(-1, 2) * step).ravel() for outline in shape)
        return replace(annotation, segmentation=outlines, bbox_xywh=box, area=area)
    whole_HW = decode_mask(shape).view(np.uint8) * np.uint8(255)
    mask_HW = cv2.resize(whole_HW, (small.width, small.height), interpolation=cv2.INTER_AREA) >= 128
    if not mask_HW.any():
        return None
    return replace(annotation, segmentation=encode_mask(mask_HW), bbox_xywh=box, area=area)
