"""SegGen's generators at the miniature size: a training step of the ControlNet, and pictures sampled by the stage, beside plain diffusers.

    pytest benchmarks/bench_seggen_sampling.py --benchmark-only

``step_over_plain`` is the processor time of a ControlNet step over that of a step that trains the U-Net alone, as one would write it with
diffusers, on the same latents and texts. ``images_per_s`` are pictures a processor second through ``seggen_images``, files and labels
included, and ``plain_over_stage`` how many times that is what the plain pipeline call makes in batches of the same size.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, DDPMScheduler, EulerDiscreteScheduler, StableDiffusionControlNetPipeline
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn.functional import mse_loss

from benchmarks.sizes import size
from benchmarks.whole_program import load_before
from methods.common.generators.text_to_image import load_text_to_image
from methods.common.miniature.ade20k_view import DRAW_ADE20K, DrawAde20kConfig
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.stage import Inputs, LocalContext
from methods.common.training.batch_shard import BatchShare
from methods.common.training.loop import Training
from methods.seggen.diffusion.batches import CaptionedMasks, Texted
from methods.seggen.diffusion.coding_file import ColourCoding
from methods.seggen.diffusion.config import DiffusionRecipe
from methods.seggen.diffusion.denoising import Condition, DenoisingStep, encode_texts, load_generator
from methods.seggen.diffusion.frames import Frames
from methods.seggen.diffusion.pictures import open_pictures, read_captions
from methods.seggen.mask2img.config import Mask2ImgTrainingConfig
from methods.seggen.mask2img.controlnet import build_controlnet, controlled
from methods.seggen.palettes import PaletteConfig
from methods.seggen.sampling.config import PaintImagesConfig
from methods.seggen.stages.images import paint_images

FRAMES = Frames(size_px=64, step_px=16)
GENERATOR = CHECKPOINTS / "stable_diffusion"
NUM_PICTURES, BATCH, STEPS, ROUNDS = 16, 8, 10, size(2, 3)

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data with captions, and a ControlNet as training leaves it."""
    root = tmp_path_factory.mktemp("seggen")
    DRAW_ADE20K.run(Inputs(), DrawAde20kConfig(num_train=NUM_PICTURES, num_val=1), LocalContext(root))
    pipeline = load_generator(GENERATOR, (), torch.device("cpu"), "float32")
    made = build_controlnet(pipeline.unet, pipeline.vae_scale_factor, torch.Generator().manual_seed(0))
    made.save_pretrained(root / "controlnet")
    names = open_pictures(root, "training", False).class_names
    ColourCoding(palette=PaletteConfig(), class_names=names).write(root)
    return root


def processor_s(run: Callable[[], object]) -> float:
    """Processor time of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


@pytest.mark.benchmark(group="a training step on 8 pictures of 64 px, one thread")
def test_step(benchmark: BenchmarkFixture, folder: Path) -> None:
    config = Mask2ImgTrainingConfig(recipe=DiffusionRecipe(batch_size=BATCH, iterations=2), frames=FRAMES)
    pictures, context = open_pictures(folder, "training", False), LocalContext(folder / "out")
    palette = ColourCoding.read(folder).build()
    drawn = CaptionedMasks(pictures, read_captions(folder, pictures), palette, config, context)
    batch = next(iter(drawn.batches(0, BatchShare(0, BATCH, BATCH))))
    pipeline, plain = (load_generator(GENERATOR, (), torch.device("cpu"), "float32") for _ in range(2))
    controlnet = build_controlnet(pipeline.unet, pipeline.vae_scale_factor, torch.Generator().manual_seed(0)).train()

    def denoise(noisy: torch.Tensor, when: torch.Tensor, condition: Condition, seen: Texted) -> torch.Tensor:
        return controlled(pipeline.unet, controlnet, noisy, when, condition, seen.colour_N3HW)

    share = BatchShare(0, BATCH, BATCH)
    step = DenoisingStep(pipeline, denoise, "image", drawn, config, share, context)
    training = Training(controlnet, config.recipe.build_optimizer(controlnet), config.recipe, step)
    unet = plain.unet.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)
    noise_schedule = DDPMScheduler.from_config(plain.scheduler.config)

    def plain_step() -> None:
        with torch.no_grad():
            latent = plain.vae.encode(batch.image_N3HW / 127.5 - 1).latent_dist.sample()
            text = encode_texts(plain, batch.captions, batch.times_N6).text_NTD
        noise, when = torch.randn_like(latent), torch.randint(1000, (BATCH,))
        said = unet(noise_schedule.add_noise(latent, noise, when), when, text).sample
        mse_loss(said, noise_schedule.get_velocity(latent, noise, when)).backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    ratios = [processor_s(lambda: training.step(batch, 0)) / processor_s(plain_step) for _ in range(ROUNDS + 1)][1:]
    benchmark.extra_info["load_before"] = load_before()
    benchmark.pedantic(lambda: training.step(batch, 1), rounds=ROUNDS)
    benchmark.extra_info["step_over_plain"] = round(statistics.median(ratios), 2)


@pytest.mark.benchmark(group="16 pictures of 64 px in 10 Euler steps, one thread")
def test_sampling(benchmark: BenchmarkFixture, folder: Path) -> None:
    config = PaintImagesConfig(num_steps=STEPS, variants=1, frames=FRAMES, batch_size=BATCH)
    inputs = Inputs({"data": [folder], "captions": [folder], "generator": [GENERATOR], "controlnet": [folder]})
    captions = [json.loads(line)["caption"] for line in (folder / "captions.jsonl").read_text().splitlines()]
    rounds = iter(range(100))

    def stage() -> None:
        out = folder / f"pairs{next(rounds)}"
        out.mkdir()
        paint_images(inputs, config, LocalContext(out))

    def plain() -> None:
        base = load_text_to_image(GENERATOR, "cpu", torch.float32)
        base.scheduler = EulerDiscreteScheduler.from_config(base.scheduler.config)
        controlnet = ControlNetModel.from_pretrained(folder / "controlnet")
        pipeline = StableDiffusionControlNetPipeline(
            **base.components, controlnet=controlnet, requires_safety_checker=False
        )
        pipeline.set_progress_bar_config(disable=True)
        for first in range(0, NUM_PICTURES, BATCH):
            condition = torch.rand(BATCH, 3, 64, 64)
            prompts = captions[first : first + BATCH]
            pipeline(prompts, condition, num_inference_steps=STEPS, guidance_scale=5.0, output_type="np")

    times = [(processor_s(stage), processor_s(plain)) for _ in range(ROUNDS)]
    benchmark.extra_info["load_before"] = load_before()
    benchmark.pedantic(stage, rounds=1)
    benchmark.extra_info["images_per_s"] = round(NUM_PICTURES / min(ours for ours, _ in times), 2)
    benchmark.extra_info["plain_over_stage"] = round(statistics.median(other / ours for ours, other in times), 2)
