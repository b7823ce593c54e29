"""Attention capture in the whole U-Net of Stable Diffusion 1.5 at 512 px: processor time of a denoiser call with capture and without, and their ratio.

    pytest benchmarks/bench_attention_real.py --benchmark-only

The published configuration, 860 million weights, float32, 64 x 64 latents, 77 tokens, one latent without guidance: with it capture reads
half of what is denoised, so that its share is smaller than here. One call without capture, one that is captured and one that is not take
turns; ``other_call`` is the last, of which nothing may be left. Weights are a short random pattern over and over, as nothing depends on them and
860 million draws take longer than the calls.
"""

import statistics
import time
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel

from benchmarks.sizes import size
from methods.common.generators.attention_capture import AttentionCapture, Reading

ROUNDS = 2
READING = Reading(blocks=("down", "up"), positions=((5, 8, 9),))
CASES = {"attn2mask": True, "other_call": False}


@pytest.fixture(scope="module")
def denoiser():
    torch.set_num_threads(1)
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8).eval()
    assert sum(weight.numel() for weight in unet.parameters()) == 859_520_964
    pattern = 0.02 * torch.randn(1 << 16, generator=torch.Generator().manual_seed(0))
    for weight in unet.to_empty(device="cpu").parameters():
        for part in weight.data.view(-1).split(len(pattern)):
            part.copy_(pattern[: len(part)])
    return SimpleNamespace(unet=unet)


@torch.no_grad()
def call(denoiser):
    start = time.process_time()
    denoiser.unet(torch.ones(1, 4, 64, 64), 500, torch.ones(1, 77, 768))
    return time.process_time() - start


def captured_call(denoiser, is_captured):
    capture = AttentionCapture(denoiser, None, (), None, lambda number: is_captured, 1, READING)
    capture.__enter__()
    seconds = call(denoiser)
    capture.__exit__(KeyboardInterrupt)  # no maps are asked for, as `other_call` has none
    assert capture.num_captured == is_captured
    return seconds


@pytest.mark.skipif(not size(0, 1), reason="a minute of one network; --full-size takes it")
def test_capture(benchmark, denoiser):
    seconds = {"plain": [], **{case: [] for case in CASES}}

    def run():
        seconds["plain"].append(call(denoiser))
        for case, is_captured in CASES.items():
            seconds[case].append(captured_call(denoiser, is_captured))

    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=0)
    for case in CASES:
        ratios = [ours / plain for ours, plain in zip(seconds[case], seconds["plain"], strict=True)]
        benchmark.extra_info[f"{case}_cpu_ratio_to_plain_median"] = round(statistics.median(ratios), 3)
        benchmark.extra_info[f"{case}_cpu_ratio_of_minima"] = round(min(seconds[case]) / min(seconds["plain"]), 3)
    benchmark.extra_info["plain_cpu_s"] = round(min(seconds["plain"]), 2)
