"""Training samples a second from repainted crops at Cityscapes' size, ours beside plain PIL; and blended sampling beside diffusers' own.

    pytest benchmarks/bench_instance_synthesis.py --benchmark-only

The plain version is what one would write first, and gives the same bytes: PIL for pasting, cropping and resizing, NumPy for the offset, all
of the image touched each time, every map resized before its instances are counted.
"""

import math
import time

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline
from PIL import Image

from methods.common.generators.repainting.blended import BlendedLatent
from methods.common.generators.repainting.configs import BlendedLatentConfig
from methods.common.generators.repainting.interface import RepaintOrder
from methods.common.generators.repainting.parts import load_parts
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.opencv import one_opencv_thread
from methods.instance_synthesis.crop import crop_instance
from methods.instance_synthesis.focus import FocusConfig, draw_focus, draw_window, resize_nearest
from methods.instance_synthesis.frames import Frame, FrameInstance, box_of
from methods.instance_synthesis.integrate import IntegrateConfig, make_sample
from methods.instance_synthesis.manifest import InstanceRow
from methods.instance_synthesis.paste import PasteConfig, fit_to_window, paste_instance
from methods.instance_synthesis.select import WindowConfig, square_window

HEIGHT, WIDTH, GENERATED = 1024, 2048, 512
FOCUS = FocusConfig()


def street_frame():
    """A frame with 24 instances from 12 to 300 pixels, noise that compresses like nothing, and labels."""
    rng = np.random.default_rng(0)
    id_HW = np.full((HEIGHT, WIDTH), 7, np.uint16)
    for number in range(24):
        height, width = np.exp(rng.uniform(math.log(12), math.log(300), 2)).astype(int)
        y, x = rng.integers(0, HEIGHT - height), rng.integers(0, WIDTH - width)
        rows, columns = np.mgrid[:height, :width]
        disc = ((rows / height - 0.5) ** 2 + (columns / width - 0.5) ** 2) < 0.25
        id_HW[y : y + height, x : x + width][disc] = 26000 + number
    ids, counts = np.unique(id_HW, return_counts=True)
    instances = tuple(FrameInstance(int(id), 0, "car") for id in ids if id > 1000)
    label_HW = np.where(id_HW < 1000, id_HW, id_HW // 1000).astype(np.uint8)
    image_HW3 = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    return Frame("a", image_HW3, (id_HW,), instances, label_HW), ids[np.argsort(-counts)][1:4].tolist()


@pytest.fixture(scope="module")
def work():
    frame, largest = street_frame()
    rng = np.random.default_rng(1)
    rows = []
    for number, id in enumerate(largest):
        box = box_of(frame.mask(frame.instance(id, 0)))
        window = square_window(box, HEIGHT, WIDTH, WindowConfig())
        sides = {"window_x0": window.x0, "window_y0": window.y0, "window_side": window.width}
        seeds = rng.integers(2**62, size=8).tolist()
        rows.append(InstanceRow(number, "a", 0, id, "car", 1, *box, **sides, prompt="", seeds=seeds, focus_seeds=seeds))
    return frame, rows, rng.integers(0, 256, (GENERATED, GENERATED, 3), np.uint8)


# -- pasting -----------------------------------------------------------------------------------------------------------------


def paste_ours(frame, row, picture):
    crop = crop_instance(frame, frame.instance(row.instance_id, 0), row.window)
    fitted, _ = fit_to_window(picture, crop, PasteConfig())
    return paste_instance(frame.image_HW3, fitted, crop, row.window)


def paste_pil(frame, row, picture):
    image, window = Image.fromarray(frame.image_HW3), tuple(row.window)
    real = np.asarray(image.crop(window)).astype(np.float64)
    mask = Image.fromarray((frame.id_LHW[0] == row.instance_id).astype(np.uint8) * 255).crop(window)
    outside = np.asarray(mask) == 0
    generated = np.asarray(
        Image.fromarray(picture).resize((row.window_side, row.window_side), Image.Resampling.NEAREST)
    )
    differences = np.abs(generated.astype(np.float64) - real)[outside]
    offset = math.ceil(differences.mean()) if outside.any() else 0
    darker = np.clip(np.abs(generated.astype(np.float64) - offset), 0, 255).astype(np.uint8)
    image.paste(Image.fromarray(darker), window[:2], mask)
    return np.asarray(image)


# -- focused crops of a pasted image -----------------------------------------------------------------------------------------


def focus_ours(frame, row, variant, image):
    focus = draw_focus(frame, row.box, np.random.default_rng(row.focus_seeds[variant]), FOCUS)
    x0, y0, x1, y1 = focus.window
    part = np.s_[y0:y1, x0:x1]
    maps = (image, frame.id_LHW[0], frame.label_HW)
    return [resize_nearest(one[part], HEIGHT, WIDTH) for one in maps]


def focus_pil(frame, row, variant, image):
    rng = np.random.default_rng(row.focus_seeds[variant])
    layers = [Image.fromarray(one) for one in (image, frame.id_LHW[0].astype(np.int32), frame.label_HW)]
    while True:
        window = draw_window(row.box, HEIGHT, WIDTH, rng, FOCUS).window
        resized = [
            np.asarray(layer.crop(tuple(window)).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)) for layer in layers
        ]
        ids, counts = np.unique(resized[1], return_counts=True)
        if not (counts[ids >= 1000] < FOCUS.min_instance_px).any():
            return resized


# -- both, as the stage does -------------------------------------------------------------------------------------------------


def sample_ours(frame, row, variant, picture):
    sample = make_sample(frame, row, variant + 1, picture, IntegrateConfig())
    return [sample.image_HW3, sample.id_LHW[0], sample.label_HW]


def sample_pil(frame, row, variant, picture):
    return focus_pil(frame, row, variant, paste_pil(frame, row, picture))


def nearly_equal(one, other):
    """PIL and OpenCV may take the other of two pixels where a centre lies between them."""
    return all(np.mean(a != b) < 0.02 for a, b in zip(one, other, strict=True))


STEPS = {
    "paste": (
        lambda f, r, v, p: [paste_ours(f, r, p)],
        lambda f, r, v, p: [paste_pil(f, r, p)],
    ),
    "focus": (
        lambda f, r, v, p: focus_ours(f, r, v, f.image_HW3),
        lambda f, r, v, p: focus_pil(f, r, v, f.image_HW3),
    ),
    "paste_and_focus": (sample_ours, sample_pil),
}


@pytest.mark.parametrize("step", STEPS)
def test_samples_of_cityscapes_size(benchmark, work, step):
    frame, rows, picture = work
    ours, plain = STEPS[step]
    tasks = [(row, variant) for row in rows for variant in range(2)]
    with one_opencv_thread():
        for row, variant in tasks:
            assert nearly_equal(ours(frame, row, variant, picture), plain(frame, row, variant, picture))

        def cpu_s(version):
            """Processor seconds of all samples, made one by one and let go, as the stage does."""
            began = time.process_time()
            for row, variant in tasks:
                version(frame, row, variant, picture)
            return time.process_time() - began

        ours_s, plain_s = [], [cpu_s(plain) for _ in range(3)]
        benchmark.pedantic(lambda: ours_s.append(cpu_s(ours)), rounds=7, warmup_rounds=1)
    benchmark.extra_info["samples_per_cpu_s"] = round(len(tasks) / min(ours_s), 1)
    benchmark.extra_info["plain_samples_per_cpu_s"] = round(len(tasks) / min(plain_s), 1)
    benchmark.extra_info["times_faster_than_plain"] = round(min(plain_s) / min(ours_s), 1)


# -- sampling ----------------------------------------------------------------------------------------------------------------

NUM_STEPS, BATCH, SIDE = 12, 8, 64


def orders():
    rng = np.random.default_rng(0)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[16:48, 8:56] = True
    return [
        RepaintOrder(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8), mask, "a photo of a crate", "crate", seed)
        for seed in range(BATCH)
    ]


def test_blended_sampling(benchmark):
    """Both with the miniature text-to-image U-Net and its four input channels, which the stock pipeline blends, too."""
    cpu = torch.device("cpu")
    config = BlendedLatentConfig(
        num_steps=NUM_STEPS, size_px=SIDE, skip=0.0, start="noise", guidance_scale=3.5, precision="float32"
    )
    ours = BlendedLatent.load(CHECKPOINTS / "stable_diffusion", config, cpu)
    stock = load_parts(CHECKPOINTS / "stable_diffusion", cpu, torch.float32).pipeline(StableDiffusionInpaintPipeline)
    batch = orders()
    images = torch.from_numpy(np.stack([order.crop_SS3 for order in batch])).permute(0, 3, 1, 2) / 255
    masks = torch.from_numpy(np.stack([order.mask_SS for order in batch]))[:, None].float()

    def with_stock():
        return stock(
            [order.prompt for order in batch],
            image=images,
            mask_image=masks,
            height=SIDE,
            width=SIDE,
            strength=1.0,
            num_inference_steps=NUM_STEPS,
            guidance_scale=3.5,
            generator=[torch.Generator().manual_seed(order.seed) for order in batch],
            output_type="np",
        ).images

    with_stock()
    stock_s = []
    for _ in range(3):
        began = time.process_time()
        with_stock()
        stock_s.append(time.process_time() - began)
    own_s = []

    def run():
        began = time.process_time()
        painted = ours.paint(batch)
        own_s.append(time.process_time() - began)
        return painted

    pictures = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    assert np.stack(pictures).shape == (BATCH, SIDE, SIDE, 3)
    benchmark.extra_info["images_per_s"] = round(BATCH / benchmark.stats["min"], 2)
    benchmark.extra_info["cpu_ratio_to_stock"] = round(min(own_s) / min(stock_s), 3)
