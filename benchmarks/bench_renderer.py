"""The renderer against a straightforward one that tests every supersampled pixel of the whole picture in NumPy.

Both draw the same kind of scene (three objects, 64x64, masks included). `extra_info` holds images a second of both and
their ratio, measured in the same run.
"""

import time

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.miniature.renderer import render_scene
from methods.common.miniature.shapes import Polygon, draw_outline
from methods.common.miniature.web import web_sample
from methods.common.miniature.world_config import SceneConfig, WebConfig
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext

NUM_SCENES = 100
SIDE_PX = 64


def inside(polygon: Polygon, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Even-odd rule, edge by edge, for every point."""
    odd = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return odd


def naive_scene(seed: int) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """Three plain objects on noise, with visible masks."""
    rng = np.random.default_rng(seed)
    grid = (np.arange(2 * SIDE_PX) + 0.5) / 2
    image = rng.uniform(0.3, 0.6, 3) + rng.normal(0, 0.05, (2 * SIDE_PX, 2 * SIDE_PX, 3))
    masks: list[NDArray[np.bool_]] = []
    for category in rng.integers(len(CATEGORIES), size=3):
        outline = draw_outline(CATEGORIES[category].shape, rng)
        centre, radius = rng.uniform(10, SIDE_PX - 10, 2), rng.uniform(5, 18)
        x, y = np.meshgrid((grid - centre[0]) / radius, (grid - centre[1]) / radius)
        mask = np.any([inside(part, x, y) for part in outline.parts], axis=0)
        for hole in outline.holes:
            mask &= ~inside(hole, x, y)
        image[mask] = rng.uniform(0, 1, 3)
        masks = [other & ~mask for other in masks] + [mask]
    small = cv2.resize(np.clip(image * 255, 0, 255).astype(np.uint8), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return small, [mask[::2, ::2] for mask in masks]


def draw_scenes() -> int:
    config = SceneConfig(height_px=SIDE_PX, width_px=SIDE_PX)
    masks = 0
    for seed in range(NUM_SCENES):
        rng = np.random.default_rng(seed)
        scene = render_scene(rng.integers(len(CATEGORIES), size=3).tolist(), "grass", config, rng)
        masks += len(scene.instances)
    return masks


def test_scenes_with_three_objects(benchmark: BenchmarkFixture) -> None:
    start = time.perf_counter()
    for seed in range(NUM_SCENES // 5):
        naive_scene(seed)
    naive_rate = NUM_SCENES // 5 / (time.perf_counter() - start)
    assert benchmark.pedantic(draw_scenes, rounds=5, warmup_rounds=1) > 2 * NUM_SCENES
    rate = NUM_SCENES / benchmark.stats.stats.median
    benchmark.extra_info |= {"images_per_s": rate, "naive_images_per_s": naive_rate, "ratio": rate / naive_rate}


def test_web_samples_with_captions(benchmark: BenchmarkFixture) -> None:
    config = WebConfig()
    benchmark.pedantic(lambda: [web_sample(0, index, config) for index in range(NUM_SCENES)], rounds=5, warmup_rounds=1)
    benchmark.extra_info["images_per_s"] = NUM_SCENES / benchmark.stats.stats.median


@pytest.mark.parametrize("num_images", [90])
def test_lvis_data_set_on_disk(
    benchmark: BenchmarkFixture, tmp_path_factory: pytest.TempPathFactory, num_images: int
) -> None:
    config = DrawLvisConfig(num_train_images=num_images * 2 // 3, num_val_images=num_images // 3)

    def draw() -> None:
        draw_lvis(Inputs(), config, LocalContext(tmp_path_factory.mktemp("lvis"), Seeds()))

    benchmark.pedantic(draw, rounds=3, warmup_rounds=1)
    benchmark.extra_info["images_per_s"] = num_images / benchmark.stats.stats.median
