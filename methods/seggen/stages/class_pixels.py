"""Stage ``seggen_class_pixels``: count the pixels of each class, which says which classes are frequent and which are rare."""

from __future__ import annotations

from methods.common.stage import Config, Context, Inputs, Record, Stage


class ClassPixelsConfig(Config):
    """Which masks are counted."""

    split: str = "training"
    """Of the data."""


def count_pixels(inputs: Inputs, config: ClassPixelsConfig, context: Context) -> Record:
    """Count the pixels of the masks of a split. Role: ``data``.

    Returns:
        ``num_images``, ``pixels`` by class name, in the order of the labels, and ``void_pixels``.

    Raises:
        InputError: the data are unreadable.
    """
    import numpy as np

    from methods.common.datasets.labelled_images import IGNORED
    from methods.common.datasets.open_labelled import open_labelled_images

    images = open_labelled_images(inputs.folder("data"), config.split)
    pixel_L = np.zeros(IGNORED + 1, np.int64)
    for index in range(len(images)):
        pixel_L += np.bincount(images[index][1].ravel(), minlength=len(pixel_L))
        context.progress(index + 1, len(images), "images")
    pixels = dict(zip(images.class_names, pixel_L.tolist(), strict=False))
    return {"num_images": len(images), "pixels": pixels, "void_pixels": int(pixel_L[IGNORED])}


CLASS_PIXELS = Stage("seggen_class_pixels", 1, ClassPixelsConfig, count_pixels, kind="evaluate")
