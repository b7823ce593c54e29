"""Stage ``mrca_split``: check the data once, and hold out training images for the feedback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from methods.common.datasets.lvis import LvisDataset

FIT_FILE = "fit.json"
FEEDBACK_FILE = "feedback.json"


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


def split(inputs: Inputs, config: SplitConfig, context: Context) -> Record:
    """Read and check ``train.json`` and ``val.json`` of the data folder; write both parts and the class statistics.

    ``classes.json`` counts each class in the fitting part (``image_count``, ``instance_count``) and in the images that give
    the feedback (``feedback_image_count``, ``feedback_instance_count``). Every arm trains on the fitting part, so that arms differ by their augmentation alone.

    Raises:
        InputError: a file, record or image is not what it should be, or a split has no object.
    """
    from methods.common.datasets.lvis import read_lvis, write_lvis
    from methods.common.datasets.lvis_split import class_statistics, split_heldout

    data = inputs.folder("data")
    train = read_lvis(data / "train.json", data, config.check_images)
    context.progress(1, 3, "splits")
    val = read_lvis(data / "val.json", data, config.check_images)
    context.progress(2, 3, "splits")
    _check_same_classes(train, val)
    if config.feedback_split == "val":
        fit, feedback = train, val
    else:
        generator = context.seeds.numpy("data", "heldout")
        parts = split_heldout(train, generator, config.heldout_fraction, config.min_images, config.max_class_share)
        fit, feedback = parts.fit, parts.heldout
    write_lvis(fit, context.out / FIT_FILE)
    write_lvis(feedback, context.out / FEEDBACK_FILE)
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
    return {
        "num_fit_images": len(fit.images),
        "num_feedback_images": len(feedback.images),
        "num_val_images": len(val.images),
        "num_classes": len(classes),
        "num_fit_instances": fit.num_annotations,
        "feedback_split": config.feedback_split,
    }


def _check_same_classes(train: LvisDataset, val: LvisDataset) -> None:
    from methods.common.errors import InputError

    if train.class_ids != val.class_ids:
        odd = sorted(set(train.class_ids) ^ set(val.class_ids))[0]
        raise InputError(
            f"{train.annotation_file} and {val.annotation_file} list different categories (first: id {odd}); give both the same list"
        )


SPLIT = Stage("mrca_split", 2, SplitConfig, split, ("data",))
