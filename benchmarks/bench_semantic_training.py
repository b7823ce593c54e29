"""Training of semantic segmentation: crops a second, ours beside the same pipeline on Pillow and torchvision; and a training step.

    pytest benchmarks/bench_semantic_training.py --benchmark-only

The other pipeline is what one would write first: Pillow scales and crops, torchvision's v2 transforms change the colours,
with the same random numbers of scale, crop and mirror. `extra_info` holds how many times longer it takes in the same run.
"""

import time

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from torchvision.transforms import v2

from methods.common.segmenters.semantic.augmentation import augment, choose_crop, scaled_size
from methods.common.segmenters.semantic.augmentation_config import PhotometricConfig, SemanticAugmentConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter
from methods.common.segmenters.semantic.training import begin_training
from methods.common.stage import LocalContext
from methods.common.training.poly_recipe import PolyRecipe

NUM_IMAGES = 24
CASES = {
    # name: (height, width of the image, crop)
    "voc_512px": (375, 500, SemanticAugmentConfig()),
    "miniature_64px": (64, 64, SemanticAugmentConfig(crop_px=64, min_scale_tenths=8, max_scale_tenths=13)),
}
COLOURS = PhotometricConfig()
CHANGES = (
    v2.ColorJitter(brightness=COLOURS.brightness / 255),
    v2.ColorJitter(contrast=COLOURS.contrast),
    v2.ColorJitter(saturation=COLOURS.saturation),
    v2.ColorJitter(hue=COLOURS.hue / 180),
)
JITTER = v2.Compose([v2.RandomApply([change], p=0.5) for change in CHANGES])


def make_images(height: int, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(8):
        coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        label_HW = np.zeros((height, width), np.uint8)
        for label in range(1, 4):
            centre = int(rng.integers(width)), int(rng.integers(height))
            cv2.ellipse(label_HW, centre, (width // 5, height // 4), 0, 0, 360, label, -1)
        pairs.append((cv2.resize(coarse, (width, height)), label_HW))
    return pairs


def with_pillow(
    image_HW3: np.ndarray, label_HW: np.ndarray, config: SemanticAugmentConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The same pipeline, written with Pillow and torchvision."""
    image, label = Image.fromarray(image_HW3), Image.fromarray(label_HW)
    height, width = scaled_size(*label_HW.shape, int(rng.choice(config.short_sides_px)), config)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    label = label.resize((width, height), Image.Resampling.NEAREST)
    side = config.crop_px
    for _ in range(config.crop_retries + 1):
        top, left = rng.integers(0, max(height - side, 0) + 1), rng.integers(0, max(width - side, 0) + 1)
        box = (int(left), int(top), int(left) + min(side, width), int(top) + min(side, height))
        cropped = label.crop(box)
        values, counts = np.unique(np.asarray(cropped), return_counts=True)
        counts = counts[values != 255]
        if len(counts) > 1 and counts.max() / counts.sum() < config.max_class_share:
            break
    image, label = image.crop(box), cropped
    if rng.random() < 0.5:
        image, label = (picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in (image, label))
    padded, padded_label = np.zeros((side, side, 3), np.uint8), np.full((side, side), 255, np.uint8)
    padded[: image.height, : image.width] = np.asarray(JITTER(image))
    padded_label[: label.height, : label.width] = np.asarray(label)
    return padded, padded_label


@pytest.mark.parametrize("name", CASES)
def test_training_crops(benchmark: BenchmarkFixture, name: str) -> None:
    height, width, config = CASES[name]
    pairs = make_images(height, width)
    cv2.setNumThreads(1)
    torch.manual_seed(0)

    def make(version) -> float:
        start = time.process_time()
        for number in range(NUM_IMAGES):
            crop_SS3, crop_SS = version(*pairs[number % len(pairs)], config, np.random.default_rng(number))
            assert crop_SS3.shape == (*crop_SS.shape, 3) == (config.crop_px, config.crop_px, 3)
        return time.process_time() - start

    both = [(make(augment), make(with_pillow)) for _ in range(6)][1:]
    ours, theirs = (float(np.median(times)) for times in zip(*both, strict=True))
    benchmark.pedantic(make, args=(augment,), rounds=5, warmup_rounds=1)
    benchmark.extra_info["crops_per_cpu_s"] = round(NUM_IMAGES / ours, 1)
    benchmark.extra_info["pillow_takes_times"] = round(theirs / ours, 2)


def test_choosing_crops_of_one_class(benchmark: BenchmarkFixture) -> None:
    """The worst case: every crop is refused, so eleven are looked at."""
    label_HW = np.zeros((375, 500), np.uint8)
    config, rng = SemanticAugmentConfig(), np.random.default_rng(0)
    benchmark.pedantic(lambda: choose_crop(label_HW, (1024, 1365), config, rng), rounds=10, warmup_rounds=1)


def test_training_step_of_the_miniature(benchmark: BenchmarkFixture, tmp_path) -> None:
    """Sixteen pictures of 64 pixels, ten classes; the bar is 35 ms of processor time on an idle core."""
    model = ConvolutionalSegmenter(ConvolutionalConfig(num_classes=10), torch.Generator().manual_seed(0))
    training = begin_training(model, PolyRecipe(iterations=1000), LocalContext(tmp_path))
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (16, 3, 64, 64), dtype=torch.uint8, generator=generator)
    label = torch.randint(0, 10, (16, 64, 64), dtype=torch.uint8, generator=generator)
    times: list[float] = []

    def step() -> None:
        start = time.process_time()
        training.step((image, label), 0)
        times.append(time.process_time() - start)

    benchmark.pedantic(step, rounds=15, warmup_rounds=3)
    benchmark.extra_info["cpu_ms"] = round(1e3 * float(np.median(times[3:])), 1)
