"""Stage ``freemask_class_losses``: how hard each class is for a segmenter that was trained on real images (section 9, step 1)."""

from __future__ import annotations

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage


class ClassLossesConfig(Config):
    """Which real images the losses are taken of; those that the segmenter was trained on."""

    split: str = "training"
    """Of the real images."""
    max_images: int | None = Field(default=None, ge=1)
    """So many of its images, as in :class:`methods.common.stages.training_sources.RealSource`."""


def class_losses(inputs: Inputs, config: ClassLossesConfig, context: Context) -> Record:
    """Write ``class_losses.json``: the mean cross-entropy of all pixels of each class, None for a class without a pixel.

    Images go through the network one by one, at their own size. Roles: ``data``, ``model``.

    Returns:
        ``num_images``, and ``class_losses`` by name.

    Raises:
        InputError: data or network are unreadable, or have different numbers of classes.
    Source: section 9 [code]: the sum over all pixels of a class in all images, over their number; void pixels are none.
    """
    import json

    from methods.common.files import write_atomic
    from methods.common.stages.training_sources import RealSource
    from methods.seggen.freemask.losses import ClassLosses
    from methods.seggen.freemask.segmenter import LOSSES_FILE, load_judge, losses_of_pixels

    images = RealSource(split=config.split, max_images=config.max_images).open(inputs, context.seeds)
    model = load_judge(inputs.folder("model") / "model", images.class_names, context.device)
    totals = ClassLosses(len(images.class_names))
    for index in range(len(images)):
        image_HW3, label_HW = images[index]
        totals.add(losses_of_pixels(model, image_HW3, label_HW), label_HW)
        context.progress(index + 1, len(images), "images")
    by_name = dict(zip(images.class_names, totals.means(), strict=True))
    write_atomic(context.out / LOSSES_FILE, json.dumps(by_name).encode())
    return {"num_images": len(images), "class_losses": by_name}


CLASS_LOSSES = Stage("freemask_class_losses", 1, ClassLossesConfig, class_losses, uses_gpu=True, kind="evaluate")
