"""Drawn data sets, images a second on one core, against a renderer that walks through vertices and lines one at a time.

The plain renderer does what the published scripts do: every vertex in Python, every line a call, picture and mask apart. `extra_info`
holds images a second of both from the same run, by the clock and by processor time, which a busy machine disturbs less.
Ours draws 50 images (`--full-size`: 100), the plain one 2 (4).
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from methods.sam_filter.drawn_folders import DrawnFolder, write_drawn_folder
from methods.sam_filter.perlin import noise_table
from methods.sam_filter.rings import ShapeCategory
from methods.sam_filter.semseg_fdsl import SemSegFdsl, SemSegFdslConfig
from methods.sam_filter.visual_atoms import VisualAtoms, VisualAtomsConfig

NUM_IMAGES, NUM_PLAIN = size(50, 100), size(2, 4)
SIZE_PX = 512

cv2.setNumThreads(1)


def plain_shape(category: ShapeCategory, canvases: list[ImageDraw.ImageDraw], rng: np.random.Generator) -> None:
    """Grow and draw one shape, vertex by vertex and line by line."""
    centre = ((SIZE_PX + rng.integers(-SIZE_PX, SIZE_PX + 1, 2)) / 2).tolist()
    count, p = category.num_vertices, category.noise_strength
    angles = [2 * math.pi * j / count for j in range(count)]
    x = [category.start_radius * category.stretch_x * math.cos(t) + centre[0] for t in angles]
    y = [category.start_radius * category.stretch_y * math.sin(t) + centre[1] for t in angles]
    waves = category.frequencies
    for _ in range(category.num_rings):
        noise = noise_table()[rng.integers(0, 65536, (count, 2))].tolist()
        for j, t in enumerate(angles):
            if waves is None:
                delta_x, delta_y = p * (2 * noise[j][0] - 1), p * (2 * noise[j][1] - 1)
            else:
                wave = 0.5 * math.sin(waves[0] * t) + 0.5 * math.sin(waves[1] * t)
                delta_x, delta_y = p * (noise[j][0] - 1) - wave, p * (noise[j][1] - 1) - wave
            x[j] -= math.cos(t) * (delta_x - category.spacing)
            y[j] -= math.sin(t) * (delta_y - category.spacing)
        for canvas, ink in zip(canvases, (int(rng.integers(256)), category.label), strict=False):
            for j in range(count):
                canvas.line((x[j - 1], y[j - 1], x[j], y[j]), fill=(ink, ink, ink), width=1)


def plain_image(categories: list[ShapeCategory], num_canvases: int, seed: int) -> list[Image.Image]:
    """Draw a picture, and its mask if two canvases are asked for."""
    pictures = [Image.new("RGB", (SIZE_PX, SIZE_PX)) for _ in range(num_canvases)]
    rng = np.random.default_rng(seed)
    for category in categories:
        plain_shape(category, [ImageDraw.Draw(picture) for picture in pictures], rng)
    return pictures


def measure(benchmark: BenchmarkFixture, draw: Callable[[], object], plain: Callable[[int], object]) -> None:
    """Run both and put their rates into `extra_info`."""
    clock, processor = time.perf_counter(), time.process_time()
    for index in range(NUM_PLAIN):
        plain(index)
    plain_rates = NUM_PLAIN / (time.perf_counter() - clock), NUM_PLAIN / (time.process_time() - processor)
    spent: list[float] = []

    def timed() -> None:
        start = time.process_time()
        draw()
        spent.append(time.process_time() - start)

    benchmark.pedantic(timed, rounds=size(3, 5), warmup_rounds=1)
    rates = NUM_IMAGES / benchmark.stats.stats.median, NUM_IMAGES / float(np.median(spent[1:]))
    benchmark.extra_info |= {
        "images_per_s": rates[0],
        "images_per_processor_s": rates[1],
        "plain_images_per_s": plain_rates[0],
        "plain_images_per_processor_s": plain_rates[1],
        "ratio": rates[1] / plain_rates[1],
    }


def shapes_config(**changes: object) -> SemSegFdslConfig:
    return SemSegFdslConfig.model_validate(changes)


CONFIGS = {
    "SegRCDB M1": shapes_config(),
    "SegRCDB M2": shapes_config(mask_mode="M2"),
    "SegRCDB M3": shapes_config(mask_mode="M3"),
    "SemSegFDSL VA": shapes_config(contour="VA"),
    "SemSegFDSL RC+VA": shapes_config(contour="RC+VA"),
    "SemSegFDSL VA N1": shapes_config(contour="VA", mask_noise="N1"),
}


def plain_shapes(drawn: SemSegFdsl) -> Callable[[int], object]:
    """Draw the same kind of picture and M1 mask plainly."""

    def draw(index: int) -> object:
        chosen = np.random.default_rng(index).integers(0, 254, drawn.config.shapes_per_image)
        return plain_image([drawn.categories[number] for number in chosen], 2, index)

    return draw


@pytest.mark.parametrize("name", list(CONFIGS))
def test_shapes_in_memory(benchmark: BenchmarkFixture, name: str) -> None:
    drawn = SemSegFdsl(CONFIGS[name], NUM_IMAGES)
    measure(benchmark, lambda: [drawn[index] for index in range(NUM_IMAGES)], plain_shapes(drawn))


def test_shapes_to_disk(benchmark: BenchmarkFixture, tmp_path_factory: pytest.TempPathFactory) -> None:
    drawn = SemSegFdsl(CONFIGS["SegRCDB M1"], NUM_IMAGES)
    plain = plain_shapes(drawn)
    aside = tmp_path_factory.mktemp("plain")

    def draw() -> None:
        folder: Path = tmp_path_factory.mktemp("drawn")
        write_drawn_folder(DrawnFolder("segrcdb", drawn.config, 0, NUM_IMAGES, folder))

    def save(index: int) -> None:
        for picture, name in zip(plain(index), ("image", "mask"), strict=True):  # type: ignore[call-overload]
            picture.save(aside / f"{name}{index}.png")

    measure(benchmark, draw, save)


def test_atoms_in_memory(benchmark: BenchmarkFixture) -> None:
    drawn = VisualAtoms(VisualAtomsConfig(), 1000)
    chosen = np.random.default_rng(0).permutation(1000)

    def plain(index: int) -> object:
        return plain_image([drawn.categories[int(chosen[index])]], 1, index)

    measure(benchmark, lambda: [drawn[int(index)] for index in chosen[:NUM_IMAGES]], plain)
