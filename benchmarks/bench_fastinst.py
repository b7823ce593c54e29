"""FastInst at 640 pixels and at the miniature size, beside the same network as one would write it first.

    pytest benchmarks/bench_fastinst.py --benchmark-only

The plain version has the same weights: norms after convolutions, maps with channels first, all tokens at once, every query's mask
resized to the image. `extra_info` holds how many times longer it takes in the same run.
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.processor_time import processor_s
from benchmarks.sizes import size
from methods.common.segmenters.backbones.resnet import ResNet
from methods.common.segmenters.fastinst import layers
from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import (
    fastinst_miniature,
    fastinst_r50_d1,
    fastinst_r50_d3,
    fastinst_r50_d_dcn,
    miniature_recipe,
)
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.segmenters.mask_queries.postprocess import full_size_masks
from tests.unit.plain_instances import best_instances

CALLS = size(1, 3)
HEIGHT, WIDTH = 640, 853
"""A COCO image of 3:4 at test time."""
SIZES: dict[str, FastInstConfig] = {
    "r50_d1": fastinst_r50_d1(80),
    "r50_d3": fastinst_r50_d3(80),
    "r50_d_dcn": fastinst_r50_d_dcn(80),
}

torch.set_num_threads(1)


def plain_detect(model: FastInst, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> object:
    with monkeypatch.context() as patch:
        for module in model.backbone.modules():
            if getattr(module, "folds", False):
                patch.setattr(module, "folds", False)
        patch.setattr(layers, "_TOKENS_AT_ONCE", 10**9)
        prepared, _ = model.prepare(image)
        decoded = model.decoder(model.pixel_decoder(model.backbone(prepared.contiguous())))
        last = decoded.predictions[-1]
        masks = full_size_masks(last.mask_logit_NQhw[0], (640, 864), (HEIGHT, WIDTH))
        return best_instances(last.class_logit_NQK[0], masks)


@pytest.mark.benchmark(group="detection in one image of 640 x 853, one thread")
@pytest.mark.parametrize("name", list(SIZES)[size(1, 0) :])
@torch.no_grad()
def test_detect(benchmark: BenchmarkFixture, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FastInst(SIZES[name], torch.Generator().manual_seed(0)).eval()
    assert isinstance(model.backbone, ResNet)
    image = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) * 255
    plain = processor_s(lambda: plain_detect(model, image, monkeypatch), CALLS)
    ours = processor_s(lambda: model.detect(image), CALLS)
    benchmark.pedantic(lambda: model.detect(image), rounds=CALLS, warmup_rounds=1)
    benchmark.extra_info["processor_s"] = round(ours, 3)
    benchmark.extra_info["forward_alone_processor_s"] = round(processor_s(lambda: model(image), CALLS), 3)
    benchmark.extra_info["plain_takes_times"] = round(plain / ours, 2)


def targets(count: int, height: int, width: int) -> list[InstanceTarget]:
    made = []
    for image in range(count):
        corners = torch.tensor([[4.0, 6, 20, 24], [30, 10, 50, 40], [10, 40, 24, 60]]) / 64
        boxes = corners * torch.tensor([width, height] * 2)
        masks = torch.zeros(3, height, width, dtype=torch.bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.long().tolist(), strict=True):
            mask[y0:y1, x0:x1] = True
        made.append(InstanceTarget(boxes, torch.tensor([image % 8, 1, 2]), masks))
    return made


@pytest.mark.benchmark(group="FastInst, a training step")
@pytest.mark.parametrize(
    ("config", "images", "side"),
    [
        pytest.param(fastinst_miniature(8), 8, 64, id="miniature, 8 images of 64 px"),
        pytest.param(fastinst_r50_d3(8), 1, 320, id="r50_d3, 1 image of 320 px"),
    ],
)
def test_training_step(benchmark: BenchmarkFixture, config: FastInstConfig, images: int, side: int) -> None:
    model = FastInst(config, torch.Generator().manual_seed(0)).train()
    image = torch.rand(images, 3, side, side, generator=torch.Generator().manual_seed(0)) * 255
    truth, optimizer = targets(images, side, side), miniature_recipe().build_optimizer(model)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        optimizer.zero_grad()
        torch.stack(list(model.losses(image, truth, generator).values())).sum().backward()
        optimizer.step()

    benchmark.pedantic(step, rounds=size(2, 4), warmup_rounds=1)
    benchmark.extra_info["processor_s"] = round(processor_s(step, CALLS), 3)
