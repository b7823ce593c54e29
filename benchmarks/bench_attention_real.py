"""Attention capture in the whole U-Net of Stable Diffusion 1.5 at 512 px: processor time of a denoiser call with capture and without, and their ratio.

    pytest benchmarks/bench_attention_real.py --benchmark-only

The published configuration, 860 million random weights, float32, 64 x 64 latents, 77 tokens, one latent without guidance: with it capture reads
half of what is denoised, so that its share is smaller than here. Plain and captured calls alternate. ``other_call`` is a call that is not
captured, of which nothing may be left.
"""

import statistics
import time
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel

from methods.common.generators.attention_capture import AttentionCapture, Reading

ROUNDS = 2
READING = Reading(blocks=("down", "up"), positions=((5, 8, 9),))
CASES = {"attn2mask": True, "other_call": False}


@pytest.fixture(scope="module")
def denoiser():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8).eval()
    assert sum(weight.numel() for weight in unet.parameters()) == 859_520_964
    return SimpleNamespace(unet=unet)


@torch.no_grad()
def call(denoiser):
    start = time.process_time()
    denoiser.unet(torch.ones(1, 4, 64, 64), 500, torch.ones(1, 77, 768))
    return time.process_time() - start


@pytest.mark.parametrize("case", CASES)
def test_capture(benchmark, denoiser, case):
    plain_s, captured_s = [], []

    def run():
        capture = AttentionCapture(denoiser, None, (), None, lambda number: CASES[case], 1, READING)
        capture.__enter__()
        captured_s.append(call(denoiser))
        capture.__exit__(KeyboardInterrupt)  # no maps are asked for, as `other_call` has none
        assert capture.num_captured == CASES[case]

    benchmark.pedantic(run, setup=lambda: plain_s.append(call(denoiser)), rounds=ROUNDS)
    ratios = [ours / plain for ours, plain in zip(captured_s, plain_s, strict=True)]
    benchmark.extra_info["cpu_ratio_to_plain_median"] = round(statistics.median(ratios), 3)
    benchmark.extra_info["cpu_ratio_of_minima"] = round(min(captured_s) / min(plain_s), 3)
    benchmark.extra_info["plain_cpu_s"] = round(min(plain_s), 2)
