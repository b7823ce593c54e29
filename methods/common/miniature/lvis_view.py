"""The miniature world as an LVIS v1 data set: long tail, federated labels, official keys.

``train.json``, ``val.json`` and the folders ``train2017`` and ``val2017`` lie in one root, as they do for real LVIS.
Imports nothing heavy, so that plans can be made from it; ``lvis_drawing.py`` draws.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from methods.common.miniature.categories import CATEGORIES
from methods.common.seeds import Seeds
from methods.common.stage import Config, Context, Inputs, Record, Stage


class DrawLvisConfig(Config):
    """Size and statistics of the data set."""

    num_train_images: int = Field(default=600, ge=4)
    """Images of the long-tailed split."""
    num_val_images: int = Field(default=300, ge=1)
    """Images of the split with about equally many images for each class."""
    num_categories: int = Field(default=36, ge=2, le=len(CATEGORIES))
    """How many of the world's categories occur, the first ones of its list."""
    image_size_px: int = Field(default=80, ge=32)
    """Longer side of an image."""
    shortest_side: float = Field(default=0.75, gt=0, le=1)
    """The other side is at least this share of the longer one."""
    min_radius_px: float = Field(default=5.0, ge=3)
    """Half the extent of the smallest object."""
    max_radius_px: float = Field(default=20.0, ge=3)
    """Half the extent of the largest object."""
    commonest_share: float = Field(default=0.45, gt=0, le=1)
    """Share of the training images that show the commonest class."""
    tail_power: float = Field(default=0.75, gt=0)
    """Class k of C has n^(1 - (k/(C-1))^power) images, n those of the commonest; smaller powers make more rare classes."""
    val_classes_per_image: float = Field(default=2.0, ge=1, le=4)
    """Mean number of different classes in a validation image."""
    repeat_share: float = Field(default=0.25, ge=0, le=1)
    """Probability that an image shows one of its classes once more."""
    num_train_negatives: int = Field(default=4, ge=0)
    """Classes marked as verified absent in a training image, at most."""
    num_val_negatives: int = Field(default=10, ge=0)
    """Classes marked as verified absent in a validation image, at most."""
    not_exhaustive_share: float = Field(default=0.3, ge=0, le=1)
    """Share of the images with a repeated class in which one of its instances is left unmarked and the class listed."""


def long_tail_counts(num_images: int, num_categories: int, commonest_share: float, power: float) -> list[int]:
    """Return the number of training images for each class, most to fewest, from the commonest down to 1.

    Source: our choice; a stretched geometric decay, which resembles LVIS v1's tail.
    """
    top = max(1.0, commonest_share * num_images)
    ranks = np.arange(num_categories) / max(1, num_categories - 1)
    return [max(1, round(float(top ** (1.0 - rank**power)))) for rank in ranks]


def assign_classes(counts: Sequence[int], num_images: int, rng: np.random.Generator) -> list[list[int]]:
    """Spread classes over images: class k in ``counts[k]`` images, one to four classes in an image.

    Images without a class get the one with the largest count, and counts beyond the room of all images are cut.
    """
    room = rng.integers(1, 5, size=num_images)
    chosen: list[list[int]] = [[] for _ in range(num_images)]
    for category in np.argsort(counts, kind="stable"):
        # Empty images first when the last, commonest classes are spread: every image shows something.
        key = rng.uniform(size=num_images) ** (1.0 / np.maximum(room, 1e-3))
        for image in np.argsort(-key, kind="stable")[: counts[category]]:
            if room[image] > 0:
                chosen[image].append(int(category))
                room[image] -= 1
    commonest = int(np.argmax(counts))
    return [classes or [commonest] for classes in chosen]


def class_plans(config: DrawLvisConfig, seeds: Seeds) -> dict[Literal["train", "val"], list[list[int]]]:
    """Decide which classes every image of both splits shows; the data seed says which class is rare."""
    rng = seeds.numpy("data", "lvis", "classes")
    order = rng.permutation(config.num_categories)
    tail = long_tail_counts(config.num_train_images, config.num_categories, config.commonest_share, config.tail_power)
    counts = [0] * config.num_categories
    for rank, category in enumerate(order):
        counts[int(category)] = min(tail[rank], config.num_train_images)
    each = max(1, round(config.num_val_images * config.val_classes_per_image / config.num_categories))
    level = [min(each, config.num_val_images)] * config.num_categories
    return {
        "train": assign_classes(counts, config.num_train_images, rng),
        "val": assign_classes(level, config.num_val_images, rng),
    }


def draw_lvis(inputs: Inputs, config: DrawLvisConfig, context: Context) -> Record:
    """Draw both splits below ``context.out``; which world it is depends on the data seed alone.

    Returns:
        counts of images, instances, and classes by frequency group.
    """
    from methods.common.miniature.lvis_drawing import draw_splits

    return draw_splits(config, class_plans(config, context.seeds), context)


DRAW_LVIS: Stage[DrawLvisConfig] = Stage("draw_lvis", 1, DrawLvisConfig, draw_lvis, ("data",))
