"""Stage ``mrca_split``: check the data once, complete and shrink them where they need it, and hold out training images for the feedback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from methods.common.growth import Added
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np

    from methods.common.datasets.lvis import LvisDataset
    from methods.common.datasets.lvis_split import HeldoutSplit
    from methods.common.datasets.own.reading import OwnData

FIT_FILE = "fit.json"
FEEDBACK_FILE = "feedback.json"
VAL_FILE = "val.json"
"""Written where the data's own file would say something else: it was completed, its images lie elsewhere, or they were shrunk."""
IMAGES = "images"
"""Written where images were shrunk: all of them, as they are worked with."""


class SplitConfig(Config):
    """How training images are divided between fitting and feedback."""

    feedback_split: Literal["heldout_train", "val"] = "heldout_train"
    """Which images give the per-class accuracies that steer MRCA: held-out training images [C D4], or ``val`` as the
    release has it [R], which leaks evaluation labels into training."""
    heldout_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the training images that is held out. [C D32]"""
    min_images: int = Field(default=3, ge=1)
    """Each class with at least so many training images gets one into the held-out part, if the other rules allow. [C D32]"""
    max_class_share: float = Field(default=1 / 3, gt=0, le=1)
    """No class gives up more than this share of its training images, rounded down. [C D32]"""
    check_images: Literal["exists", "decode"] = "exists"
    """Whether every image is looked for, with its size and end, or also decoded before anything starts."""
    long_side_px: Annotated[int, Added(neutral=0)] = Field(default=0, ge=0)
    """Images with a longer side are shrunk to it once, with their outlines, and trained and rated on so; 0 leaves every image as it is.
    For own photographs that are many times larger than what the network sees."""


def hold_out(train: LvisDataset, config: SplitConfig, generator: np.random.Generator) -> HeldoutSplit:
    """Divide the training images.

    Raises:
        InputError: there are too few to hold one out.
    """
    from methods.common.datasets.lvis_split import split_heldout

    return split_heldout(train, generator, config.heldout_fraction, config.min_images, config.max_class_share)


def val_file(inputs: Inputs) -> Path:
    """Return the annotations to rate on (roles ``data``, ``split``)."""
    written = inputs.folder("split") / VAL_FILE
    return written if written.is_file() else inputs.folder("data") / VAL_FILE


def image_folder(inputs: Inputs) -> Path:
    """Return the folder from which images are named (roles ``data``, ``split``)."""
    written = inputs.folder("split") / IMAGES
    return written if written.is_dir() else inputs.folder("data")


def read_classes(inputs: Inputs) -> list[dict[str, Any]]:
    """Read the classes that a training knows: those of role ``split``, or of ``classes`` where some exist in training alone."""
    folder = inputs.folder("classes") if inputs.folders("classes") else inputs.folder("split")
    classes: list[dict[str, Any]] = json.loads((folder / "classes.json").read_text())
    return classes


def split(inputs: Inputs, config: SplitConfig, context: Context) -> Record:
    """Read and check both splits of the data folder; write both parts and the class statistics.

    ``classes.json`` counts each class in the fitting part (``image_count``, ``instance_count``) and in the images that give
    the feedback (``feedback_image_count``, ``feedback_instance_count``). Every arm trains on the fitting part, so that arms differ by their augmentation alone.

    Raises:
        InputError: a file, record or image is not what it should be, or a split has no object.
    """
    from methods.common.datasets.lvis import write_lvis
    from methods.common.datasets.lvis_split import class_statistics
    from methods.common.datasets.own.reading import read_own

    data = read_own(inputs.folder("data"), config.check_images)
    context.progress(1, 3, "splits")
    train, val, num_lost = _shrunk(data, config.long_side_px, context)
    context.progress(2, 3, "splits")
    fit, feedback = train, val
    if config.feedback_split == "heldout_train":
        parts = hold_out(train, config, context.seeds.numpy("data", "heldout"))
        fit, feedback = parts.fit, parts.heldout
    write_lvis(fit, context.out / FIT_FILE)
    write_lvis(feedback, context.out / FEEDBACK_FILE)
    if data.val.changed or val is not data.val.dataset:
        write_lvis(val, context.out / VAL_FILE)
    statistics, of_feedback = class_statistics(fit), class_statistics(feedback)
    classes = [
        {
            "id": category.id,
            "name": category.plain_name,
            "folder_name": category.name,
            "group": category.frequency,
            "image_count": int(statistics.image_count[index]),
            "instance_count": int(statistics.instance_count[index]),
            "feedback_image_count": int(of_feedback.image_count[index]),
            "feedback_instance_count": int(of_feedback.instance_count[index]),
        }
        for index, category in enumerate(train.classes)
    ]
    (context.out / "classes.json").write_text(json.dumps(classes, indent=1))
    context.progress(3, 3, "splits")
    record: Record = {
        "num_fit_images": len(fit.images),
        "num_feedback_images": len(feedback.images),
        "num_val_images": len(val.images),
        "num_classes": len(classes),
        "num_fit_instances": fit.num_annotations,
        "feedback_split": config.feedback_split,
    }
    return record | ({"num_lost_by_shrinking": num_lost} if num_lost else {})


def _shrunk(data: OwnData, long_side_px: int, context: Context) -> tuple[LvisDataset, LvisDataset, int]:
    """Return both splits at the size that is worked with, and how many instances are too small for it."""
    from methods.common.datasets.own.shrinking import is_large, shrink

    train, val = data.train.dataset, data.val.dataset
    if not long_side_px or not (is_large(train, long_side_px) or is_large(val, long_side_px)):
        return train, val, 0
    folder, total = context.out / IMAGES, len(train.images) + len(val.images)
    small_train, few = shrink(
        train, folder, "train", long_side_px, lambda done: context.progress(done, total, "images shrunk")
    )
    small_val, more = shrink(
        val,
        folder,
        "val",
        long_side_px,
        lambda done: context.progress(len(train.images) + done, total, "images shrunk"),
    )
    return small_train, small_val, few + more


SPLIT = Stage("mrca_split", 2, SplitConfig, split, ("data",))
