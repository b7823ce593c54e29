"""Guided against unguided sampling: images a second, and what a guided step costs.

    pytest benchmarks/bench_guidance.py --benchmark-only

A tiny Stable Diffusion pipeline with random weights at the miniature's size (64 px, 30 steps, 6 of them guided) and a
small convolutional classifier; the ratio between the rows is what counts, not the images a second.
"""

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

from methods.mrca.guidance import EntropyGuidance, GuidanceConfig, entropy_criterion

NUM_STEPS = 30
BATCH = 4


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    made = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(16, 32, 64),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=4,
            mid_block_add_attention=False,
            sample_size=64,
        ).eval(),
        text_encoder=None,
        tokenizer=None,
        unet=UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(32, 64, 96),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=96,
            attention_head_dim=4,
            norm_num_groups=8,
        ).eval(),
        scheduler=DDIMScheduler(clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(1)
    layers = [torch.nn.Conv2d(3, 16, 3, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, 2, 1), torch.nn.ReLU()]
    return torch.nn.Sequential(
        *layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 37)
    ).eval()


def sample(pipeline):
    text = torch.randn(2, BATCH, 8, 96, generator=torch.Generator().manual_seed(0))
    return pipeline(
        prompt_embeds=text[0],
        negative_prompt_embeds=text[1],
        num_inference_steps=NUM_STEPS,
        guidance_scale=5.0,
        height=64,
        width=64,
        generator=[torch.Generator().manual_seed(seed) for seed in range(BATCH)],
        output_type="np",
    ).images


@pytest.mark.parametrize("relative_step", [0.0, 0.03], ids=["unguided", "guided"])
def test_sampling(benchmark, pipeline, classifier, relative_step):
    guidance = EntropyGuidance(GuidanceConfig(relative_step=relative_step), entropy_criterion(classifier))

    def run():
        with guidance.attached(pipeline) as trace:
            sample(pipeline)
        return trace

    trace = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    assert trace.extra_denoiser_calls == (6 if relative_step else 0)
    benchmark.extra_info["images_per_s"] = round(BATCH / benchmark.stats["min"], 2)
    benchmark.extra_info["denoiser_images"] = trace.denoiser_images + trace.extra_denoiser_images
