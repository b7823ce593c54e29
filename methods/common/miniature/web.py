"""The "web" split: a balanced, unlimited stream of captioned pictures that only the miniature pretrained parts see.

Sample ``index`` of stream ``seed`` is a pure function of the two, so that any worker can draw any part of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.common.miniature.backgrounds import BACKGROUNDS, Background
from methods.common.miniature.captions import caption
from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.faults import draw_fault, faulty_scene
from methods.common.miniature.renderer import Scene, render_scene
from methods.common.miniature.world_config import WebConfig


@dataclass(frozen=True)
class WebSample:
    """One picture of the stream."""

    scene: Scene
    caption: str


def _background(white_share: float, rng: np.random.Generator) -> Background:
    if rng.uniform() < white_share:
        return "white"
    return BACKGROUNDS[1 + int(rng.integers(len(BACKGROUNDS) - 1))]


def web_sample(seed: int, index: int, config: WebConfig) -> WebSample:
    """Return sample ``index`` of stream ``seed``."""
    rng = np.random.default_rng([seed, index])
    background = _background(config.white_share, rng)
    if rng.uniform() < config.single_share:
        chosen, scene_config = rng.integers(len(CATEGORIES), size=1), config.single_scene()
        fault = draw_fault(int(chosen[0]), rng) if config.faults else None
        if fault is not None:
            scene = faulty_scene(fault, int(chosen[0]), background, scene_config, rng)
            return WebSample(scene, caption(scene, rng))
    else:
        chosen, scene_config = rng.integers(len(CATEGORIES), size=int(rng.integers(2, 4))), config.crowded_scene()
    scene = render_scene([int(category) for category in chosen], background, scene_config, rng)
    return WebSample(scene, caption(scene, rng))


def single_object(seed: int, index: int, category: int, background: Background, config: WebConfig) -> Scene:
    """Return a picture with one object of a given category, by the stream's own rules; for evaluation."""
    rng = np.random.default_rng([seed, index, category])
    return render_scene([category], background, config.single_scene(), rng)


@dataclass(frozen=True)
class WebPool:
    """The first ``len(captions)`` samples of a stream, as arrays; networks see them many times."""

    images_NHW3: NDArray[np.uint8]
    semantic_NHW: NDArray[np.uint8]
    captions: tuple[str, ...]
    categories: tuple[tuple[int, ...], ...]
    """Visible categories of each picture, sorted."""
    backgrounds: tuple[Background, ...]


def draw_pool(seed: int, count: int, config: WebConfig) -> WebPool:
    """Draw samples 0..count-1 of a stream."""
    side = config.image_size_px
    images_NHW3 = np.empty((count, side, side, 3), np.uint8)
    semantic_NHW = np.empty((count, side, side), np.uint8)
    captions, categories, backgrounds = [], [], []
    for index in range(count):
        sample = web_sample(seed, index, config)
        images_NHW3[index], semantic_NHW[index] = sample.scene.image_HW3, sample.scene.semantic_HW
        captions.append(sample.caption)
        categories.append(tuple(sorted(instance.category for instance in sample.scene.instances)))
        backgrounds.append(sample.scene.background)
    return WebPool(images_NHW3, semantic_NHW, tuple(captions), tuple(categories), tuple(backgrounds))
