"""Drawing the VOC view: images, label maps and lists below one folder. ``voc_view.py`` holds what is asked for.

Shape legend: H, W pixels. Source: our choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED
from methods.common.datasets.voc import CLASSES, IMAGES, LABELS, LISTS, encode_labels
from methods.common.files import write_atomic
from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.renderer import Scene, render_scene
from methods.common.seeds import Seeds
from methods.common.stage import Context, Record

if TYPE_CHECKING:
    from methods.common.miniature.voc_view import DrawVocConfig

Split = Literal["train", "val", "train-semi", "validation"]
"""The last two are those of ImageNet-S' layout."""
BACKGROUND = "background"
_SCENE_ATTEMPTS = 30


def draw_image(config: DrawVocConfig, split: Split, index: int, seeds: Seeds) -> Scene:
    """Draw one image; first classes take turns, so that all occur about equally often in any number of images."""
    rng = seeds.numpy("data", "voc", split, index)
    first = int(_turns(config, split, index, seeds)[index % config.num_categories])
    wanted = _categories(first, config, rng)
    for _ in range(_SCENE_ATTEMPTS):
        background = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
        scene = render_scene(wanted, background, config.scene(len(wanted)), rng)
        if len(scene.instances) == len(wanted):
            return scene
    raise AssertionError(f"no scene of {config.image_size_px} px holds {wanted}; make the objects smaller")


def _turns(config: DrawVocConfig, split: Split, index: int, seeds: Seeds) -> NDArray[np.int64]:
    """Return the order of first classes in the round of images that ``index`` belongs to."""
    rng = seeds.numpy("data", "voc", split, "turn", index // config.num_categories)
    return rng.permutation(config.num_categories)


def _categories(first: int, config: DrawVocConfig, rng: np.random.Generator) -> list[int]:
    single = config.max_objects == 1 or rng.uniform() < config.single_share
    count = 1 if single else int(rng.integers(2, config.max_objects + 1))
    others = [k for k in range(config.num_categories) if k != first]
    return [first] + [
        first if rng.uniform() < config.repeat_share else others[int(rng.integers(len(others)))]
        for _ in range(count - 1)
    ]


def label_map(scene: Scene, border_px: int) -> NDArray[np.uint8]:
    """Return labels, uint8 [H, W]: 0 background, 1 + category, 255 on a border.

    The border lies outside of each object, on what is behind it: thin parts stay rated.
    """
    label_HW = np.zeros(scene.image_HW3.shape[:2], np.uint8)
    for instance in scene.instances:
        mask_HW = instance.mask_HW.astype(np.uint8)
        if border_px:
            wide_HW = cv2.dilate(mask_HW, np.ones((3, 3), np.uint8), iterations=border_px)
            label_HW[wide_HW > mask_HW] = IGNORED
        label_HW[instance.mask_HW] = instance.category + 1
    return label_HW


def _draw_split(config: DrawVocConfig, split: Split, count: int, context: Context) -> tuple[list[str], int]:
    """Draw one split; returns the images' names and the number of objects."""
    images, labels = context.out / IMAGES, context.out / LABELS[0]
    names, num_objects = [], 0
    for index in range(count):
        scene = draw_image(config, split, index, context.seeds)
        names.append(f"{split}_{index:06d}")
        file = images / f"{names[-1]}.png"
        written = cv2.imwrite(str(file), scene.image_HW3[..., ::-1])
        assert written, f"could not write {file}"
        (labels / f"{names[-1]}.png").write_bytes(encode_labels(label_map(scene, config.border_px)))
        num_objects += len(scene.instances)
        context.progress(index + 1, count, f"{split} images")
    return names, num_objects


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    write_atomic(path, "".join(f"{line}\n" for line in lines).encode())


def draw_splits(config: DrawVocConfig, context: Context) -> Record:
    """Draw both splits below ``context.out``.

    Returns:
        numbers of images and objects.
    """
    for folder in (IMAGES, LABELS[0]):
        (context.out / folder).mkdir(parents=True, exist_ok=True)
    train, num_train_objects = _draw_split(config, "train", config.num_train, context)
    val, num_val_objects = _draw_split(config, "val", config.num_val, context)
    lists = {"train": train, "trainaug": train, "val": val, "trainval": [*train, *val]}
    for name, lines in lists.items():
        _write_lines(context.out / LISTS / f"{name}.txt", lines)
    _write_lines(context.out / CLASSES, [BACKGROUND, *CATEGORY_NAMES[: config.num_categories]])
    return {
        "num_train_images": len(train),
        "num_val_images": len(val),
        "num_train_objects": num_train_objects,
        "num_val_objects": num_val_objects,
    }
