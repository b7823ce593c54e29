"""Attention capture at the token counts of Stable Diffusion 1.x: processor time of a denoiser call with capture and without, and their ratio.

    pytest benchmarks/bench_attention_presets.py --benchmark-only

A U-Net of three transformer blocks and two resolutions, 320 channels, 8 heads, 77 tokens, both halves of guidance, random weights, with
`--full-size` of 64 and 32 cells a side, else half of that. Plain and captured calls alternate. ``other_call`` is a call that is not captured, of which nothing may be left.
"""

import statistics
import time
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel

from benchmarks.sizes import size
from methods.common.generators.attention_capture import AttentionCapture, Reading

ROUNDS = size(2, 3)
SIDE = size(32, 64)
"""Cells a side of the latents."""
PLACES = ((5, 8, 9),)
CASES = {
    "attn2mask": ((), Reading(blocks=("down", "up"), positions=PLACES), True),
    "ovam": ((), Reading("unconditional", ("down", "up"), num_tokens=(11,), positions=PLACES), True),
    "daam": ((), Reading(blocks=("down", "up"), apart=True, positions=PLACES), True),
    "dataset_diffusion": ((SIDE // 2,), Reading(positions=PLACES), True),
    "self_attention_finest": ((SIDE,), Reading(positions=PLACES), True),
    "other_call": ((SIDE // 2,), Reading(positions=PLACES), False),
}


@pytest.fixture(scope="module")
def denoiser():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=SIDE,
        block_out_channels=(320, 320),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=768,
        attention_head_dim=8,
    ).eval()
    return SimpleNamespace(unet=unet)


@torch.no_grad()
def call(denoiser):
    start = time.process_time()
    denoiser.unet(torch.ones(2, 4, SIDE, SIDE), 500, torch.ones(2, 77, 768))
    return time.process_time() - start


@pytest.mark.parametrize("case", CASES)
def test_capture(benchmark, denoiser, case):
    self_sides, reading, is_captured = CASES[case]
    text_NTC = torch.ones(1, 77, 768) if reading.half == "unconditional" else None
    plain_s, captured_s = [], []

    def run():
        capture = AttentionCapture(
            denoiser, text_NTC, self_sides, None, lambda number: is_captured or number == 0, 1, reading
        )
        with capture:
            if not is_captured:  # something has to be captured at all
                call(denoiser)
            captured_s.append(call(denoiser))
        return capture

    capture = benchmark.pedantic(run, setup=lambda: plain_s.append(call(denoiser)), rounds=ROUNDS, warmup_rounds=1)
    assert capture.num_captured == 1
    ratios = [ours / plain for ours, plain in zip(captured_s[1:], plain_s[1:], strict=True)]
    benchmark.extra_info["cpu_ratio_to_plain_median"] = round(statistics.median(ratios), 3)
    benchmark.extra_info["plain_cpu_s"] = round(min(plain_s[1:]), 3)
