"""Scoring of generated masks against named masks, against a straightforward reference in the same run.

Masks are 512x512 with two classes, as a full-size run has them: label maps from palette PNG, named masks from run lengths. Both sides
get the same decoded arrays, so that what is compared is the scoring; `extra_info` also holds images per second of the whole stage's
work on one image, decoding included. The reference follows the formulas of the specification class by class on boolean sets.
"""

import io
import time

import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from methods.common.datasets.rle import decode_mask, encode_mask
from methods.sam_filter.stages.score import agreement_of_pair

NAMES = ("background", *(f"class {number}" for number in range(1, 21)))
NUM_IMAGES, SIDE = 40, 512


def disc(rng: np.random.Generator, side: int) -> np.ndarray:
    rows, columns = np.ogrid[:side, :side]
    centre, radius = rng.integers(side // 4, 3 * side // 4, 2), int(rng.integers(side // 10, side // 4))
    return np.asarray((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2)


def draw(rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    first, second = rng.choice(np.arange(1, len(NAMES)), 2, replace=False)
    label_HW = np.zeros((SIDE, SIDE), np.uint8)
    masks = {}
    for label in (int(first), int(second)):
        mask_HW = disc(rng, SIDE)
        masks[NAMES[label]] = mask_HW
        label_HW[np.roll(mask_HW, int(rng.integers(-20, 20)), 1)] = label
    label_HW[disc(rng, SIDE) & disc(rng, SIDE)] = 255
    return label_HW, masks


def score_straightforwardly(label_HW: np.ndarray, masks: dict[str, np.ndarray]) -> dict[str, float]:
    """Follow SAM filter section 4.3 set by set."""
    valid_HW = label_HW != 255
    generated = {name: (label_HW == NAMES.index(name)) & valid_HW for name in masks}
    found = {name: mask_HW & valid_HW for name, mask_HW in masks.items()}
    covered_HW = np.zeros_like(valid_HW)
    for mask_HW in masks.values():
        covered_HW |= mask_HW
    generated["background"], found["background"] = (label_HW == 0) & valid_HW, ~covered_HW & valid_HW
    both = {name: float((generated[name] & found[name]).sum()) for name in generated}
    either = {name: float((generated[name] | found[name]).sum()) for name in generated}

    def mean(names: list[str]) -> float:
        ious = [both[name] / either[name] for name in names if either[name]]
        return sum(ious) / len(ious) if ious else 0.0

    pooled = sum(either[name] for name in masks)
    foreground_HW, other_HW = (label_HW != 0) & valid_HW, covered_HW & valid_HW
    union = float((foreground_HW | other_HW).sum())
    return {
        "S1": mean(list(masks)),
        "S2": sum(both[name] for name in masks) / pooled if pooled else 0.0,
        "S3": mean([*masks, "background"]),
        "S4": float((foreground_HW & other_HW).sum()) / union if union else 0.0,
    }


@pytest.mark.benchmark(group="sam filter")
def test_scoring(benchmark: BenchmarkFixture) -> None:
    rng = np.random.default_rng(0)
    pairs = [draw(rng) for _ in range(NUM_IMAGES)]

    def score_all() -> list[dict[str, float]]:
        return [
            {name: float(value) for name, value in agreement_of_pair(label_HW, masks, NAMES, "ignore").scores().items()}
            for label_HW, masks in pairs
        ]

    ours = benchmark.pedantic(score_all, rounds=5, warmup_rounds=1)
    started = time.process_time()
    theirs = [score_straightforwardly(label_HW, masks) for label_HW, masks in pairs]
    reference_s = time.process_time() - started
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-12)
    started = time.process_time()
    score_all()
    ours_s = time.process_time() - started
    benchmark.extra_info["images_per_s"] = round(NUM_IMAGES / ours_s, 1)
    benchmark.extra_info["reference_images_per_s"] = round(NUM_IMAGES / reference_s, 1)
    benchmark.extra_info["images_per_s_with_decoding"] = round(NUM_IMAGES / _with_decoding_s(pairs), 1)


def _with_decoding_s(pairs: list[tuple[np.ndarray, dict[str, np.ndarray]]]) -> float:
    files = []
    for label_HW, masks in pairs:
        buffer = io.BytesIO()
        Image.fromarray(label_HW).save(buffer, "PNG")
        files.append((buffer.getvalue(), {name: encode_mask(mask_HW) for name, mask_HW in masks.items()}))
    started = time.process_time()
    for data, named in files:
        label_HW = np.array(Image.open(io.BytesIO(data)))
        agreement_of_pair(label_HW, {name: decode_mask(rle) for name, rle in named.items()}, NAMES, "ignore").scores()
    return time.process_time() - started
