"""The miniature world as an LVIS v1 data set: long tail, federated labels, official keys.

``train.json``, ``val.json`` and the folders ``train2017`` and ``val2017`` lie in one root, as they do for real LVIS.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from methods.common.datasets.lvis import write_lvis
from methods.common.datasets.lvis_records import (
    LvisAnnotation,
    LvisCategory,
    LvisDataset,
    LvisImage,
    annotation_from_mask,
    frequency_group,
)
from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.categories import CATEGORIES, CATEGORY_NAMES
from methods.common.miniature.renderer import Instance, Scene, SceneConfig, render_scene
from methods.common.seeds import Seeds
from methods.common.stage import Config, Context, Inputs, Record, Stage

Split = Literal["train", "val"]
_HOST = "http://images.miniature.world"
_SCENE_ATTEMPTS = 30


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


def _image_sides(config: DrawLvisConfig, rng: np.random.Generator) -> tuple[int, int]:
    """Return height and width; the longer side is fixed, portrait and landscape are equally likely."""
    short = round(config.image_size_px * float(rng.uniform(config.shortest_side, 1.0)))
    return (short, config.image_size_px) if rng.uniform() < 0.5 else (config.image_size_px, short)


def draw_image(classes: Sequence[int], config: DrawLvisConfig, rng: np.random.Generator) -> Scene:
    """Draw one scene that shows all of ``classes``, and now and then one of them twice."""
    wanted = list(classes)
    if rng.uniform() < config.repeat_share:
        wanted.append(wanted[int(rng.integers(len(wanted)))])
    height, width = _image_sides(config, rng)
    scene_config = SceneConfig(
        height_px=height, width_px=width, min_radius_px=config.min_radius_px, max_radius_px=config.max_radius_px
    )
    for _ in range(_SCENE_ATTEMPTS):
        background = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
        scene = render_scene(wanted, background, scene_config, rng)
        if {instance.category for instance in scene.instances} == set(classes):
            return scene
    raise AssertionError(f"no scene of {height} x {width} px holds {wanted}; enlarge the images")


@dataclass
class _Split:
    """One split in the making; class numbers are the world's, ids the file's."""

    name: Split
    config: DrawLvisConfig
    category_ids: dict[int, int]
    images: list[LvisImage]
    annotations: dict[int, list[LvisAnnotation]]

    def add(self, scene: Scene, folder: Path, rng: np.random.Generator) -> None:
        """Write one picture and its records."""
        image_id = len(self.images) + 1
        marked, listed = self._marked(scene, rng)
        place = f"{self.name}2017/{image_id:012d}.png"
        written = cv2.imwrite(str(folder / place), scene.image_HW3[..., ::-1])
        assert written, f"could not write {folder / place}"
        height, width = scene.image_HW3.shape[:2]
        absent = self._negatives(scene, rng)
        self.images.append(LvisImage(image_id, width, height, f"{_HOST}/{place}", None, absent, listed))
        first = sum(map(len, self.annotations.values())) + 1
        self.annotations[image_id] = [
            annotation_from_mask(first + k, image_id, self.category_ids[instance.category], instance.mask_HW)
            for k, instance in enumerate(marked)
        ]

    def _marked(self, scene: Scene, rng: np.random.Generator) -> tuple[list[Instance], tuple[int, ...]]:
        """Return the instances to mark, and the classes of which one was left out."""
        instances = list(scene.instances)
        counts = Counter(instance.category for instance in instances)
        repeated = sorted(category for category, count in counts.items() if count > 1)
        if not repeated or rng.uniform() >= self.config.not_exhaustive_share:
            return instances, ()
        unmarked = next(k for k, instance in enumerate(instances) if instance.category == repeated[0])
        del instances[unmarked]
        return instances, (self.category_ids[repeated[0]],)

    def _negatives(self, scene: Scene, rng: np.random.Generator) -> tuple[int, ...]:
        present = {instance.category for instance in scene.instances}
        absent = [file_id for category, file_id in self.category_ids.items() if category not in present]
        limit = self.config.num_train_negatives if self.name == "train" else self.config.num_val_negatives
        return tuple(sorted(int(k) for k in rng.permutation(absent)[:limit]))


def _draw_split(split: _Split, plan: Sequence[Sequence[int]], seeds: Seeds, context: Context) -> None:
    (context.out / f"{split.name}2017").mkdir(exist_ok=True)
    for index, classes in enumerate(plan):
        rng = seeds.numpy("data", "lvis", split.name, index)
        split.add(draw_image(classes, split.config, rng), context.out, rng)
        context.progress(index + 1, len(plan), f"{split.name} images")


def _count_training(category: LvisCategory, annotations: dict[int, list[LvisAnnotation]]) -> LvisCategory:
    """Fill in counts and frequency group."""
    own = [a.image_id for listed in annotations.values() for a in listed if a.category_id == category.id]
    return replace(
        category, image_count=len(set(own)), instance_count=len(own), frequency=frequency_group(len(set(own)))
    )


def _describe(index: int, category_id: int) -> LvisCategory:
    category = CATEGORIES[index]
    return LvisCategory(category_id, category.name, "r", 0, 0, category.synonyms, category.synset, category.definition)


def _plans(config: DrawLvisConfig, seeds: Seeds) -> dict[Split, list[list[int]]]:
    """Decide which classes every image shows; which class is rare is drawn from the data seed."""
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
    by_name = sorted(range(config.num_categories), key=CATEGORY_NAMES.__getitem__)
    category_ids = {category: position + 1 for position, category in enumerate(by_name)}
    splits: dict[Split, _Split] = {name: _Split(name, config, category_ids, [], {}) for name in ("train", "val")}
    plans = _plans(config, context.seeds)
    for name, split in splits.items():
        _draw_split(split, plans[name], context.seeds, context)
    described = [_describe(category, category_ids[category]) for category in by_name]
    categories = [_count_training(category, splits["train"].annotations) for category in described]
    for name, split in splits.items():
        write_lvis(LvisDataset(categories, split.images, split.annotations), context.out / f"{name}.json")
    groups = Counter(category.frequency for category in categories)
    return {
        **{f"num_{name}_images": len(split.images) for name, split in splits.items()},
        **{f"num_{name}_instances": sum(map(len, split.annotations.values())) for name, split in splits.items()},
        **{f"num_classes_{group}": groups[group] for group in ("r", "c", "f")},
    }


DRAW_LVIS: Stage[DrawLvisConfig] = Stage("draw_lvis", 1, DrawLvisConfig, draw_lvis, ("data",))
