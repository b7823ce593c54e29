"""Features of a generator: computed, and read from disk.

    pytest benchmarks/bench_generative.py --benchmark-only

The miniature's Stable Diffusion on frames of its street, 96 x 192 px, one thread, batches of 8. `extra_info` holds images a second by
processor time of both ways in the same run, and their ratio.
"""

from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.processor_time import processor_s
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.segmenters.backbones.generative.backbone import GenerativeBackbone
from methods.common.segmenters.backbones.generative.cache import FeatureWriter, image_key
from methods.common.segmenters.backbones.generative.loading import backbone_of, load_generator

BATCH, HEIGHT, WIDTH = 8, 96, 192

torch.set_num_threads(1)


@pytest.mark.benchmark(group="features of 8 images of 96 x 192, one thread")
@pytest.mark.parametrize("way", ["computed", "read"])
@torch.no_grad()
def test_features(benchmark: BenchmarkFixture, tmp_path: Path, way: str) -> None:
    backbone = GenerativeBackbone(backbone_of(CHECKPOINTS / "stable_diffusion", width=64))
    load_generator(backbone, CHECKPOINTS / "stable_diffusion")
    image = torch.rand(BATCH, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) * 2 - 1
    computed_s = processor_s(lambda: backbone.features(image), 3)
    writer = FeatureWriter(tmp_path, backbone.extractor, "float32")
    writer.write(0, [image_key(one) for one in image], backbone.features(image))
    cache = backbone.use_cache([tmp_path])
    read_s = processor_s(lambda: backbone.features(image), 5)
    assert cache.misses == 0
    if way == "computed":
        backbone.cache = None
    benchmark.pedantic(lambda: backbone.features(image), rounds=5)
    benchmark.extra_info["computed_images_a_second"] = round(BATCH / computed_s, 1)
    benchmark.extra_info["read_images_a_second"] = round(BATCH / read_s, 1)
    benchmark.extra_info["times_faster"] = round(computed_s / read_s, 1)
