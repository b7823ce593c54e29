"""Drawing scenes in which the background is a class too. ``stuff_scenes.py`` holds what is asked for.

Shape legend: H, W pixels; 3 colours. Source: our choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.files import write_atomic
from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.captions import caption
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.renderer import Instance, Scene, render_scene
from methods.common.seeds import Seeds

if TYPE_CHECKING:
    from methods.common.miniature.stuff_scenes import StuffScenesConfig

Split = Literal["train", "val"]
CAPTIONS = "captions.jsonl"
_SCENE_ATTEMPTS = 30
_DUSK = np.array((0.74, 0.56, 0.50), np.float32)
_DUSK_FALL = 0.45
_DUSK_NOISE = 0.05


@dataclass(frozen=True)
class StuffScene:
    """A scene, what is written of it, and which objects have a class."""

    scene: Scene
    caption: str
    num_things: int

    @property
    def things(self) -> list[Instance]:
        """Objects with a class, back to front."""
        return [instance for instance in self.scene.instances if instance.category < self.num_things]

    @property
    def stuff_class(self) -> int:
        """Class of the background, among the backgrounds."""
        return BACKGROUNDS.index(self.scene.background)

    @property
    def class_HW(self) -> NDArray[np.uint8]:  # noqa: N802 - a shape suffix
        """0 where nothing has a class, then backgrounds from 1, then things, uint8 [H, W]."""
        label_HW = np.full(self.scene.image_HW3.shape[:2], 1 + self.stuff_class, np.uint8)
        for instance in self.scene.instances:
            is_thing = instance.category < self.num_things
            label_HW[instance.mask_HW] = 1 + len(BACKGROUNDS) + instance.category if is_thing else 0
        return label_HW


def class_names(config: StuffScenesConfig) -> list[str]:
    """Return the names of the classes: backgrounds first, then things."""
    return [*BACKGROUNDS, *CATEGORY_NAMES[: config.num_things]]


def draw_scene(
    things: Sequence[int],
    config: StuffScenesConfig,
    rng: np.random.Generator,
    repaint: np.random.Generator | None = None,
) -> StuffScene:
    """Draw one scene that shows all of ``things``, now and then one of them twice, now and then something without a class.

    ``repaint`` decides how it looks in place of ``rng``, which then decides what it shows where.
    """
    wanted = list(things)
    if rng.uniform() < config.repeat_share:
        wanted.append(wanted[int(rng.integers(len(wanted)))])
    if rng.uniform() < config.unlabelled_share:
        wanted.append(int(rng.choice(config.unlabelled_categories)))
    for _ in range(_SCENE_ATTEMPTS):
        background = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
        scene = render_scene(wanted, background, config.scene(), rng, repaint=repaint)
        if set(things) <= {instance.category for instance in scene.instances}:
            break
    else:
        raise AssertionError(f"no scene of {config.image_size_px} px holds {wanted}; make the objects smaller")
    told = caption(scene, rng)
    if config.light == "dusk":
        scene = replace(scene, image_HW3=dimmed(scene.image_HW3, rng))
    return StuffScene(scene, told, config.num_things)


def dimmed(image_HW3: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture as it looks at dusk: warm, darker towards one side, with coarse noise, uint8 [H, W, 3]."""
    height, width = image_HW3.shape[:2]
    fall_W = 1 - _DUSK_FALL * np.linspace(0, 1, width, dtype=np.float32)
    light_W = fall_W if rng.uniform() < 0.5 else fall_W[::-1]
    noise_HW1 = rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(_DUSK_NOISE)
    dim_HW3 = image_HW3.astype(np.float32) / 255 * _DUSK * light_W[:, None] + noise_HW1
    return np.asarray(np.clip(dim_HW3 * 255 + 0.5, 0, 255), np.uint8)


def draw_scenes(
    split: Split, plan: Sequence[Sequence[int]], config: StuffScenesConfig, seeds: Seeds
) -> Iterator[StuffScene]:
    """Draw the scenes of a split, which do not depend on how many there are after them."""
    for index, things in enumerate(plan):
        repaint = seeds.numpy("data", "stuff scenes", "look", config.look, split, index) if config.look else None
        yield draw_scene(things, config, seeds.numpy("data", "stuff scenes", split, index), repaint)


def write_image(path: Path, image_HW3: NDArray[np.uint8]) -> None:
    """Write a picture as PNG, whatever its folder's data set has: at this size JPEG would blur what tells classes apart."""
    written = cv2.imwrite(str(path), image_HW3[..., ::-1])
    assert written, f"could not write {path}"


def write_captions(folder: Path, captions: Iterable[tuple[str, str]]) -> None:
    """Write the true captions of all images: ``captions.jsonl`` with ``id``, the image's name, and ``caption``."""
    lines = (json.dumps({"id": name, "caption": text}) for name, text in captions)
    write_atomic(folder / CAPTIONS, "".join(f"{line}\n" for line in lines).encode())
