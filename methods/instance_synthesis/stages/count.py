"""Stage ``instance_synthesis_count``: how many instances of each class a training set shows, as the companion's Table I counts them."""

from __future__ import annotations

from typing import Literal

from methods.common.stage import Config, Context, Inputs, Record, Stage


class CountConfig(Config):
    """What is counted."""

    layout: Literal["cityscapes", "coco"] = "cityscapes"
    """Layout of the data set."""
    split: str = "train"
    """Split of the real frames."""


def count(inputs: Inputs, config: CountConfig, context: Context) -> Record:
    """Count the instances of the evaluated classes; groups are none.

    Roles: ``data``, ``samples`` (integration cells; without them only real frames are counted).

    Returns:
        ``num_images`` and ``instances``, by class name in the order of the class indices, and ``total``.

    Raises:
        InputError: a file is missing or faulty.
    """
    from methods.instance_synthesis.training_set import Shares, instances_by_class, read_training_set

    samples = inputs.folders("samples")
    found = read_training_set(inputs.folder("data"), config.layout, config.split, samples, Shares(), context.seeds)
    counts = instances_by_class(found)
    return {"num_images": len(found.images), "instances": {**counts, "total": sum(counts.values())}}


COUNT = Stage("instance_synthesis_count", 1, CountConfig, count)
