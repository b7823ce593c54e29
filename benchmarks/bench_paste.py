"""Pasted training images a second: load a photograph and objects from disk, augment, paste; ours beside plain PIL.

    pytest benchmarks/bench_paste.py --benchmark-only

The other version is what one would write first: PIL for every resize, each object on a canvas as large as the image,
each mask updated over its whole area.

Pasting alone, from pixels in memory and with the same placements, is also measured beside the public package `cap-augmentation`
where that is installed. It shrinks without antialiasing and knows nothing of the objects that are there already: their masks and
boxes are updated around it, as a user would have to. `peak_mb` is what one image after another takes at most, results included.
"""

import tracemalloc
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from methods.common.objects.pool import ObjectPool, PooledObject, write_pool_shard
from methods.common.segmenters.instance.augmentation import AugmentConfig, augment_image
from methods.common.segmenters.instance.instances import Instances, box_of_mask, real_instances
from methods.mrca.augment import make_training_image
from methods.mrca.mapping import UniqueMapping
from methods.mrca.paste import PasteConfig, Placement, draw_placement, paste_objects
from methods.mrca.size_model import PasteSizeConfig, SizeModel, draw_size
from methods.mrca.xpaste import XPasteSampler

NUM_CLASSES = 20
SIZES = SizeModel(np.full(NUM_CLASSES, 0.12), np.full(NUM_CLASSES, 0.06))  # LVIS' median mean
CASES = {
    # name: (image height, width, instances, object side, training size, pixel limits)
    "lvis_640px": (480, 640, 12, 300, 640, PasteSizeConfig()),
    "miniature_96px": (96, 96, 4, 32, 96, PasteSizeConfig(min_length_px=4, min_side_px=3)),
}


def disc(height, width, rng):
    y, x = np.mgrid[:height, :width]
    cy, cx = rng.uniform(0, height), rng.uniform(0, width)
    return ((y - cy) / (0.15 * height)) ** 2 + ((x - cx) / (0.1 * width)) ** 2 < 1


def smooth_noise(height, width, channels, rng):
    """Something that compresses roughly like a photograph."""
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, channels), dtype=np.uint8)
    layers = [
        Image.fromarray(coarse[..., c]).resize((width, height), Image.Resampling.BICUBIC) for c in range(channels)
    ]
    return np.dstack([np.asarray(layer) for layer in layers])


@pytest.fixture(scope="module", params=CASES)
def world(request, tmp_path_factory):
    height, width, num_instances, side, size_px, size_config = CASES[request.param]
    folder, rng = tmp_path_factory.mktemp("paste"), np.random.default_rng(0)
    images = []
    for number in range(8):
        path = folder / f"{number}.jpg"
        Image.fromarray(smooth_noise(height, width, 3, rng)).save(path, quality=90)
        masks = np.stack([disc(height, width, rng) for _ in range(num_instances)])
        masks = masks[masks.any(axis=(1, 2))]
        images.append((path, real_instances(rng.integers(0, NUM_CLASSES, len(masks)), masks)))
    objects = []
    for number in range(200):
        rgba = smooth_noise(side, side, 4, rng)
        y, x = np.mgrid[:side, :side] / side - 0.5
        rgba[..., 3] = np.where(y**2 + x**2 < 0.25, 255, 0)
        objects.append(PooledObject(rgba, number % NUM_CLASSES, 1, "", number, 30.0))
    write_pool_shard(folder / "pool.parquet", objects)
    pool = ObjectPool.open(folder / "pool.parquet")
    return images, pool, AugmentConfig(size_px=size_px), size_config


def sampler(name, pool):
    return UniqueMapping(len(pool), 1) if name == "mrca" else XPasteSampler(pool.category_id.astype(np.int64), 1)


def ours(world, mapping, number):
    images, pool, augment, size_config = world
    path, instances = images[number % len(images)]
    image = np.asarray(Image.open(path))
    picked = [pool[index] for index in mapping.objects_of_image(number)]
    objects = [(item.rgba_HW4, item.category_id) for item in picked]
    rng = np.random.default_rng(number)
    factors = np.ones(NUM_CLASSES)
    return make_training_image(image, instances, objects, SIZES, factors, rng, augment, size_config, PasteConfig())


def with_pil(world, mapping, number):
    images, pool, augment, size_config = world
    path, instances = images[number % len(images)]
    rng = np.random.default_rng(number)
    image = Image.open(path).convert("RGB")
    u, place_y, place_x, mirror = rng.random(4)
    scale = (augment.min_scale + u * (augment.max_scale - augment.min_scale)) * augment.size_px / max(image.size)
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    crop_w, crop_h = min(width, augment.size_px), min(height, augment.size_px)
    left, top = int(place_x * (width - crop_w + 1)), int(place_y * (height - crop_h + 1))

    def follow(layer):
        layer = layer.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + crop_w, top + crop_h))
        return layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirror < 0.5 else layer

    image = follow(image)
    masks = [np.asarray(follow(Image.fromarray(mask.astype(np.uint8) * 255))) > 127 for mask in instances.mask_NHW]
    masks = [mask for mask in masks if mask.any()]
    boxes = [box_of_mask(mask) for mask in masks]
    num_real = len(masks)
    for index in mapping.objects_of_image(number):
        item = pool[index]
        size = draw_size(item.rgba_HW4.shape[:2], (crop_h, crop_w), 0.12, 0.06, 1.0, size_config, rng)
        y, x, flip = rng.uniform(0, crop_h), rng.uniform(0, crop_w), rng.random()
        if size is None:
            continue
        cutout = Image.fromarray(item.rgba_HW4).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        if flip < 0.5:
            cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        canvas = Image.new("RGBA", image.size)
        canvas.paste(cutout, (round(x - size[1] / 2), round(y - size[0] / 2)))
        visible = np.asarray(canvas)[..., 3] > 127
        image = Image.composite(canvas.convert("RGB"), image, Image.fromarray(visible))
        masks = [mask & ~visible for mask in masks] + [visible]
    kept = []
    for row, mask in enumerate(masks):
        box = box_of_mask(mask)
        near = row >= num_real or max(abs(a - b) for a, b in zip(box, boxes[row], strict=True)) <= 10
        if mask.any() and (near or mask.sum() > 300):
            kept.append((mask, box))
    return np.asarray(image), kept


@pytest.mark.parametrize("mapping_name", ["mrca", "xpaste"])
@pytest.mark.parametrize("version", [ours, with_pil], ids=["ours", "pil"])
def test_pasted_training_images(benchmark, world, mapping_name, version):
    mapping = sampler(mapping_name, world[1])
    num_images = 16

    def run():
        return [version(world, mapping, number) for number in range(num_images)]

    results = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    assert len(results) == num_images
    benchmark.extra_info["images_per_s"] = round(num_images / benchmark.stats["min"], 1)


def test_pool_random_access(benchmark, world):
    pool = world[1]
    order = np.random.default_rng(0).integers(0, len(pool), 100)
    benchmark.pedantic(lambda: [pool[int(index)] for index in order], rounds=3, warmup_rounds=1)
    benchmark.extra_info["objects_per_s"] = round(100 / benchmark.stats["min"], 1)


@dataclass
class Task:
    """One image to paste into, with decoded objects and their placements."""

    image: np.ndarray
    instances: Instances
    objects: list
    placements: list[Placement]
    files: list


@pytest.fixture(scope="module")
def tasks(world, tmp_path_factory):
    images, pool, augment, size_config = world
    folder, mapping, found = tmp_path_factory.mktemp("objects"), sampler("xpaste", pool), []
    for number in range(16):
        path, instances = images[number % len(images)]
        rng = np.random.default_rng(number)
        image, instances = augment_image(np.asarray(Image.open(path)), instances, rng, augment)
        task = Task(image, instances, [], [], [])
        for index in mapping.objects_of_image(number).tolist():
            item, factors = pool[index], np.ones(NUM_CLASSES)
            size = item.rgba_HW4.shape[:2]
            placement = draw_placement(size, image.shape[:2], item.category_id, SIZES, factors, rng, size_config)
            if placement is not None:
                task.objects.append((item.rgba_HW4, item.category_id))
                task.placements.append(placement)
                task.files.append(str(folder / f"{index}.png"))
                Image.fromarray(item.rgba_HW4).save(task.files[-1])
        found.append(task)
    return found


def kept_of(masks, boxes):
    """Which of the masks stay, the first ``len(boxes)`` of them those of real objects."""
    kept = []
    for row, mask in enumerate(masks):
        box = box_of_mask(mask)
        near = row >= len(boxes) or max(abs(a - b) for a, b in zip(box, boxes[row], strict=True)) <= 10
        if mask.any() and (near or mask.sum() > 300):
            kept.append((mask, box))
    return kept


def paste_with_pil(task):
    image, masks = Image.fromarray(task.image), list(task.instances.mask_NHW)
    boxes = [box_of_mask(mask) for mask in masks]
    for (rgba, _), place in zip(task.objects, task.placements, strict=True):
        cutout = Image.fromarray(rgba).resize((place.width, place.height), Image.Resampling.BILINEAR)
        if place.flip:
            cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        canvas = Image.new("RGBA", image.size)
        canvas.paste(cutout, (round(place.centre_x - place.width / 2), round(place.centre_y - place.height / 2)))
        visible = np.asarray(canvas)[..., 3] > 127
        image = Image.composite(canvas.convert("RGB"), image, Image.fromarray(visible))
        masks = [mask & ~visible for mask in masks] + [visible]
    return np.asarray(image), kept_of(masks, boxes)


def paste_with_cap_augmentation(task):
    package = import_module("cap_augmentation")
    height, width = task.image.shape[:2]
    masks = list(task.instances.mask_NHW)
    if not task.files:
        return task.image, kept_of(masks, [box_of_mask(mask) for mask in masks])
    if not hasattr(paste_with_cap_augmentation, "paster"):  # it keeps decoded objects
        paste_with_cap_augmentation.paster = package.CapAug(
            task.files, image_format="rgb", normalized_range=True, rng=0
        )
    paster = paste_with_cap_augmentation.paster
    paster.source_images, paster.objects_idxs = task.files, list(range(len(task.files)))
    feet = [(place.centre_x / width, (place.centre_y + place.height / 2) / height) for place in task.placements]
    sides = np.array([place.height / height for place in task.placements])
    image, _, _, number = paster.generate_objects_coord(task.image, np.array(feet), sides, None)
    nothing = number == 0
    pasted = [number == index for index in range(1, len(feet) + 1)]
    return image, kept_of([mask & nothing for mask in masks] + pasted, [box_of_mask(mask) for mask in masks])


def paste_ours(task):
    return paste_objects(task.image, task.instances, task.objects, task.placements, PasteConfig())


@pytest.mark.parametrize(
    "version", [paste_ours, paste_with_pil, paste_with_cap_augmentation], ids=["ours", "pil", "cap_augmentation"]
)
def test_pasting_alone(benchmark, tasks, version):
    if (
        version is paste_with_cap_augmentation
    ):  # before anything is timed: a benchmark without a time cannot be written down
        pytest.importorskip("cap_augmentation", reason="cap-augmentation is not installed")

    def run():
        for task in tasks:
            version(task)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    benchmark.extra_info["objects_per_s"] = round(sum(len(task.objects) for task in tasks) / benchmark.stats["min"])
    tracemalloc.start()
    run()
    benchmark.extra_info["peak_mb"] = round(tracemalloc.get_traced_memory()[1] / 1e6, 1)
    tracemalloc.stop()
