"""Attention capture against plain sampling: processor time of both, in turn, and their ratio.

    pytest benchmarks/bench_attention.py --benchmark-only

The shipped miniature generator, all four maps that it has (self- and cross-attention at 8 and 4 cells a side). Plain and captured calls
alternate in each round, so that the ratio holds on a noisy machine; it is the median over the rounds. Last row: from maps to the label maps
of all eight variants.
"""

import statistics
import time

import pytest
import torch

from benchmarks.sizes import size
from methods.common.generators.attention_capture import AttentionCapture, encode_class_prompts
from methods.common.generators.attention_masks import Thresholds, label_maps
from methods.common.generators.class_prompts import append_classes, find_tokens
from methods.common.generators.text_to_image import generate_images, load_text_to_image
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.shipped import CHECKPOINTS

NUM_STEPS, GUIDANCE, BATCH, ROUNDS = 10, 3.5, size(8, 24), size(3, 5)
SIDES = (8, 4)
NAMES = [CATEGORY_NAMES[index % 9] for index in range(BATCH)]
STEPS = {
    "every_step": lambda call: True,
    "every_second_step": lambda call: call % 2 == 0,
    "one_step": lambda call: call == 5,
}


@pytest.fixture(scope="module")
def pipeline():
    torch.set_num_threads(1)
    return load_text_to_image(CHECKPOINTS / "stable_diffusion", "cpu", torch.float32)


def sample(pipeline):
    prompts = [append_classes(f"a photo of a {name} on grass", [name]) for name in NAMES]
    return generate_images(pipeline, prompts, range(BATCH), NUM_STEPS, GUIDANCE)


def capture(pipeline, steps):
    text_NTC = encode_class_prompts(pipeline, NAMES)
    with AttentionCapture(pipeline, text_NTC, SIDES, SIDES, steps) as captured:
        sample(pipeline)
    return captured


@pytest.mark.parametrize("steps", STEPS)
def test_capture(benchmark, pipeline, steps):
    plain_s, captured_s = [], []

    def plain_before():
        start = time.process_time()
        sample(pipeline)
        plain_s.append(time.process_time() - start)

    def run():
        start = time.process_time()
        captured = capture(pipeline, STEPS[steps])
        captured_s.append(time.process_time() - start)
        return captured

    captured = benchmark.pedantic(run, setup=plain_before, rounds=ROUNDS, warmup_rounds=1)
    assert captured.num_captured == sum(STEPS[steps](call) for call in range(NUM_STEPS))
    ratios = [ours / plain for ours, plain in zip(captured_s[1:], plain_s[1:], strict=True)]
    benchmark.extra_info["cpu_ratio_to_plain_median"] = round(statistics.median(ratios), 3)
    benchmark.extra_info["cpu_ratio_of_minima"] = round(min(captured_s[1:]) / min(plain_s[1:]), 3)
    benchmark.extra_info["plain_images_per_cpu_s"] = round(BATCH / min(plain_s[1:]), 2)
    benchmark.extra_info["captured_images_per_cpu_s"] = round(BATCH / min(captured_s[1:]), 2)


def test_label_maps(benchmark, pipeline):
    captured = capture(pipeline, STEPS["every_step"])
    own = {side: captured.self_attention(side)[0] for side in SIDES}
    cross = {side: captured.cross_attention(side)[0] for side in SIDES}
    tokens = find_tokens(NAMES[:2], pipeline.tokenizer, "benchmark")
    labels = {name: number + 1 for number, name in enumerate(NAMES[:2])}
    made = benchmark(label_maps, own, cross, (4, 1), tokens, labels, (64, 64), Thresholds())
    assert len(made) == 8
