"""DiffusionInst at 640 pixels and at the miniature size, beside the same network as one would write it first.

    pytest benchmarks/bench_diffusioninst.py --benchmark-only

The plain version has the same weights: norms after convolutions, maps with channels first, every mask made on the whole map, enlarged
and resized as a picture, and then cut to its box. `extra_info` holds processor seconds of both in the same run.
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn import functional

from benchmarks.processor_time import processor_s
from benchmarks.sizes import size
from methods.common.segmenters.diffusioninst import masks
from methods.common.segmenters.diffusioninst.model import DiffusionInst, ImageFeatures
from methods.common.segmenters.diffusioninst.presets import (
    diffusioninst_miniature,
    diffusioninst_r50,
    miniature_recipe,
)
from methods.common.segmenters.instance.interface import InstanceTarget

HEIGHT, WIDTH = 640, 853
"""A COCO image of 3:4 at test time."""

torch.set_num_threads(1)


def plain_masks(
    model: DiffusionInst,
    features: ImageFeatures,
    row: int,
    filters: torch.Tensor,
    boxes: torch.Tensor,
    output: tuple[int, int],
) -> torch.Tensor:
    y, x = torch.arange(output[0])[:, None], torch.arange(output[1])
    found = []
    for one, (x0, y0, x1, y1) in zip(filters, boxes, strict=True):
        logit = masks.masks_by_filters(features.map_NCHW[row], one[None], model.config)
        whole = masks.aligned_upsample(logit.sigmoid()[None], 4)[
            ..., : features.sizes[row][0], : features.sizes[row][1]
        ]
        resized = functional.interpolate(whole, output, mode="bilinear")[0, 0]
        found.append((resized > 0.5) & (x >= x0) & (x < x1) & (y >= y0) & (y < y1))
    return torch.stack(found)


@pytest.mark.benchmark(group="detection in one image of 640 x 853, one thread")
@torch.no_grad()
def test_detect(benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    model = DiffusionInst(diffusioninst_r50(80), torch.Generator().manual_seed(0)).eval()
    image = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) * 255
    ours = processor_s(lambda: model.detect(image), size(1, 2))
    benchmark.pedantic(lambda: model.detect(image), rounds=size(1, 2))
    with monkeypatch.context() as patch:
        for module in model.backbone.modules():
            if getattr(module, "folds", False):
                patch.setattr(module, "folds", False)
        patch.setattr(masks, "normalised", lambda conv, norm, x, folds: norm(conv(x)))
        patch.setattr(masks, "rectified", lambda x, folds: x.relu())
        patch.setattr(torch.Tensor, "contiguous", lambda self, **_: self)
        patch.setattr(model, "_masks", lambda *given: plain_masks(model, *given))
        plain = processor_s(lambda: model.detect(image), size(1, 2))
    benchmark.extra_info["processor_s"] = round(ours, 2)
    benchmark.extra_info["plain_takes_times"] = round(plain / ours, 2)


@pytest.mark.benchmark(group="a training step of eight images of 96 x 96")
def test_training_step(benchmark: BenchmarkFixture) -> None:
    """How much of a step the matching takes is told beside it."""
    model = DiffusionInst(diffusioninst_miniature(8), torch.Generator().manual_seed(0)).train()
    image = torch.rand(8, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 255
    boxes = torch.tensor([[8.0, 10, 40, 50], [50, 20, 90, 60], [20, 60, 70, 90]])
    grid = torch.arange(96)
    inside = [
        (grid >= low) & (grid < high) for low, high in ((boxes[:, :1], boxes[:, 2:3]), (boxes[:, 1:2], boxes[:, 3:]))
    ]
    target = InstanceTarget(boxes, torch.tensor([0, 3, 5]), inside[1][:, :, None] & inside[0][:, None, :])
    optimizer = miniature_recipe().build_optimizer(model)

    def step() -> None:
        losses = model.losses(image, [target] * 8, torch.Generator().manual_seed(1))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()

    step()
    benchmark.pedantic(step, rounds=5)
    with torch.no_grad():
        forward = processor_s(lambda: model.features(image), 3)
    benchmark.extra_info["processor_s"] = round(processor_s(step, 3), 3)
    benchmark.extra_info["features_alone_processor_s"] = round(forward, 3)
