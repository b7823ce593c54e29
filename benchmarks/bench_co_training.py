"""A step of two networks that train each other against a plain step of one: processor time, in turn, and their ratio.

    pytest benchmarks/bench_co_training.py --benchmark-only

After the warm-up: two networks forward and backward, and one more pass of both without a gradient for the online labels, about 2.7 plain
steps by counting passes. The paper's network is measured on small crops, as a processor would take minutes for whole ones.
"""

import statistics
import time

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from methods.common.seeds import Seeds
from methods.common.segmenters.deeplab.model import DeepLab
from methods.common.segmenters.deeplab.presets import deeplab_miniature, deeplabv3plus_r101d
from methods.common.stage import LocalContext
from methods.diffumask_robust.co_training import begin_co_training, begin_plain_training, build_pair
from methods.diffumask_robust.co_training_config import CoTrainingConfig
from methods.diffumask_robust.schedule import RobustRecipe

CASES = {
    "miniature": (deeplab_miniature(6), 8, 32, 12),
    "deeplabv3plus_r101d_64px": (deeplabv3plus_r101d(21), 2, 64, 2),
}
"""Network, images, side of a crop and rounds."""


@pytest.mark.parametrize("name", CASES)
def test_co_training(benchmark: BenchmarkFixture, tmp_path, name: str) -> None:
    torch.set_num_threads(1)
    network, batch_size, side, rounds = CASES[name]
    config = CoTrainingConfig(recipe=RobustRecipe(iterations=1000, batch_size=batch_size), warm_up=1, colours=None)
    context, generator = LocalContext(tmp_path, Seeds()), torch.Generator().manual_seed(0)
    pair = begin_co_training(build_pair(network, Seeds()).train(), 100, config, context)
    plain = begin_plain_training(DeepLab(network, generator).train(), config.recipe, context)
    image = torch.randint(0, 256, (batch_size, 3, side, side), dtype=torch.uint8, generator=generator)
    label = torch.randint(0, network.num_classes, (batch_size, side, side), dtype=torch.uint8, generator=generator)
    batch = image, label, label % 2 == 0
    plain_s, pair_s = [], []

    def timed(training, times) -> None:
        start = time.process_time()
        training.step(batch, 500)
        times.append(time.process_time() - start)

    benchmark.pedantic(lambda: timed(pair, pair_s), setup=lambda: timed(plain, plain_s), rounds=rounds, warmup_rounds=1)
    ratios = [ours / one for ours, one in zip(pair_s[1:], plain_s[1:], strict=True)]
    benchmark.extra_info["cpu_ratio_to_plain_median"] = round(statistics.median(ratios), 2)
    benchmark.extra_info["plain_cpu_s"] = round(statistics.median(plain_s[1:]), 3)
