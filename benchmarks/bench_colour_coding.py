"""Masks of SegGen in colours and back, beside plain NumPy in the same run.

    pytest benchmarks/bench_colour_coding.py --benchmark-only

Plain encoding looks the colours up by indexing, plain decoding compares every pixel with every colour, a block of pixels at a time, so that
memory is not what it waits for. Both sides do the same checks and return the same arrays. Pictures are those of ADE20K's 150 classes with
noise of 10 units, another one each round; `first_s` is what the first picture of a palette takes, whose colours the table does not know yet.
Ratios are of processor seconds.
"""

import time
from collections.abc import Callable
from itertools import cycle

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from benchmarks.whole_program import load_before
from methods.seggen.clean_up import clean_up, smallest_region_px
from methods.seggen.colour_coding import decode, encode
from methods.seggen.nearest_colour import nearest_colours
from methods.seggen.palette_survival import mosaics
from methods.seggen.palettes import Palette, PaletteConfig, build_palette

PIXELS_AT_ONCE = 4_096
ROUNDS = size(5, 10)


def plain_encode(label_HW: np.ndarray, palette: Palette) -> np.ndarray:
    if (label_HW[label_HW != 255] >= palette.num_classes).any():
        raise ValueError("a class beyond the palette")
    colour_3 = np.zeros((256, 3), np.uint8)
    colour_3[: palette.num_classes] = palette.colours_K3
    return colour_3[label_HW]


def plain_decode(image_HW3: np.ndarray, palette: Palette) -> np.ndarray:
    colour_E3 = np.vstack([palette.colours_K3, [palette.void]]).astype(np.float32)
    pixel_P3 = image_HW3.reshape(-1, 3).astype(np.float32)
    found = [
        ((pixel_P3[start : start + PIXELS_AT_ONCE, None] - colour_E3) ** 2).sum(-1).argmin(-1)
        for start in range(0, len(pixel_P3), PIXELS_AT_ONCE)
    ]
    nearest_P = np.concatenate(found)
    return np.where(nearest_P == palette.num_classes, 255, nearest_P).astype(np.uint8).reshape(image_HW3.shape[:2])


def processor_s(work: Callable[[], object], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


@pytest.mark.benchmark(group="colour coding")
@pytest.mark.parametrize("side", [512, *([768] if size(0, 1) else [])])
@pytest.mark.parametrize("what", ["encode", "decode", "decode and clean up"])
def test_colours(benchmark: BenchmarkFixture, what: str, side: int) -> None:
    palette = build_palette(PaletteConfig(), 150)
    maps = mosaics(150, 4, side, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    pictures = [
        np.clip(encode(one, palette) + rng.normal(0, 10, (side, side, 3)), 0, 255).astype(np.uint8) for one in maps
    ]
    if what == "encode":
        given, ours, plain = cycle(maps), encode, plain_encode
        assert (ours(maps[0], palette) == plain(maps[0], palette)).all()
    else:
        given, plain = cycle(pictures), plain_decode
        nearest_colours.cache_clear()
        benchmark.extra_info["first_s"] = round(processor_s(lambda: decode(pictures[0], palette), 1), 4)
        assert (decode(pictures[0], palette).label_HW == plain(pictures[0], palette)).all()

        def ours(image_HW3: np.ndarray, palette: Palette) -> np.ndarray:
            label_HW = decode(image_HW3, palette).label_HW
            return label_HW if what == "decode" else clean_up(label_HW, smallest_region_px(side, side))

        for picture in pictures:
            decode(picture, palette)
    benchmark.extra_info["load_before"] = load_before()
    benchmark.pedantic(lambda: ours(next(given), palette), rounds=ROUNDS, warmup_rounds=1)
    ours_s = processor_s(lambda: ours(next(given), palette), ROUNDS)
    plain_s = processor_s(lambda: plain(next(given), palette), size(1, 2) if plain is plain_decode else ROUNDS)
    benchmark.extra_info["images_per_s"] = round(1 / ours_s, 1)
    benchmark.extra_info["plain_images_per_s"] = round(1 / plain_s, 2)
    benchmark.extra_info["ratio"] = round(plain_s / ours_s, 1)
