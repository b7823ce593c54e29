"""Drawing the LVIS view: pictures and records below one folder. ``lvis_view.py`` holds what is asked for.

Source: our choice; keys and federated labels as in LVIS v1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

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
from methods.common.miniature.renderer import Instance, Scene, render_scene
from methods.common.miniature.world_config import SceneConfig
from methods.common.seeds import Seeds
from methods.common.stage import Context, Record

if TYPE_CHECKING:
    from methods.common.miniature.lvis_view import DrawLvisConfig

Split = Literal["train", "val"]
_HOST = "http://images.miniature.world"
_SCENE_ATTEMPTS = 30


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


def draw_splits(config: DrawLvisConfig, plans: Mapping[Split, Sequence[Sequence[int]]], context: Context) -> Record:
    """Draw both splits below ``context.out``; which world it is depends on the data seed alone.

    Args:
        config: sizes and statistics.
        plans: the classes that each image of a split shows.
        context: folder, data seed and progress.

    Returns:
        counts of images, instances, and classes by frequency group.
    """
    by_name = sorted(range(config.num_categories), key=CATEGORY_NAMES.__getitem__)
    category_ids = {category: position + 1 for position, category in enumerate(by_name)}
    splits: dict[Split, _Split] = {name: _Split(name, config, category_ids, [], {}) for name in ("train", "val")}
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
