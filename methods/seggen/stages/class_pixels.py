"""Stage ``seggen_class_pixels``: count the pixels of each class, which says which classes are frequent and which are rare."""

from __future__ import annotations

import json
from typing import Literal

from methods.common.stage import Config, Context, Inputs, Record, Stage

PIXELS_FILE = "class_pixels.json"
Frequency = Literal["frequent", "common", "rare"]


class ClassPixelsConfig(Config):
    """Which masks are counted."""

    split: str = "training"
    """Of the data."""


def count_pixels(inputs: Inputs, config: ClassPixelsConfig, context: Context) -> Record:
    """Write ``class_pixels.json``: the pixels of each class in the masks of a split, by name in the order of the labels. Role: ``data``.

    Returns:
        ``num_images``, ``void_share`` of all pixels, and ``pixels`` by class.

    Raises:
        InputError: the data are unreadable.
    """
    import numpy as np

    from methods.common.datasets.labelled_images import IGNORED
    from methods.common.datasets.open_labelled import open_labelled_images
    from methods.common.files import write_atomic

    images = open_labelled_images(inputs.folder("data"), config.split)
    pixel_L = np.zeros(IGNORED + 1, np.int64)
    for index in range(len(images)):
        pixel_L += np.bincount(images[index][1].ravel(), minlength=len(pixel_L))
        context.progress(index + 1, len(images), "images")
    pixels = dict(zip(images.class_names, pixel_L.tolist(), strict=False))
    write_atomic(context.out / PIXELS_FILE, json.dumps(pixels).encode())
    return {"num_images": len(images), "void_share": float(pixel_L[IGNORED] / pixel_L.sum()), "pixels": pixels}


def thirds(pixels: dict[str, int]) -> dict[Frequency, list[str]]:
    """Part classes into thirds by their pixels; what is left over of the division goes to the rare ones [C D24].

    Args:
        pixels: number by class, at least 3 classes.
    """
    ordered = sorted(pixels, key=lambda name: (-pixels[name], name))
    third = len(ordered) // 3
    return {"frequent": ordered[:third], "common": ordered[third : 2 * third], "rare": ordered[2 * third :]}


CLASS_PIXELS = Stage("seggen_class_pixels", 1, ClassPixelsConfig, count_pixels)
