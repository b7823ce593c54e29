"""A small FastInst learns a few scenes by heart: what it finds first are the objects, each with its class and mask."""

import torch
from torch import Tensor

from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import fastinst_miniature, miniature_recipe
from methods.common.segmenters.instance.interface import InstanceTarget

ITERATIONS = 180
COLOURS = torch.tensor([[220.0, 40, 40], [40, 60, 220]])
SCENES = (
    [(4, 6, 24, 28, 0), (34, 30, 60, 56, 1)],
    [(36, 4, 60, 22, 0), (6, 36, 26, 60, 0)],
    [(10, 10, 40, 34, 1)],
    [(2, 2, 22, 22, 1), (28, 2, 48, 26, 0), (20, 36, 52, 60, 1)],
)
"""Rectangles x0, y0, x1, y1 of two classes, each class in its colour."""


def scenes() -> tuple[Tensor, list[InstanceTarget]]:
    image = torch.rand(len(SCENES), 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 60 + 90
    targets = []
    for row, rectangles in enumerate(SCENES):
        masks = torch.zeros(len(rectangles), 64, 64, dtype=torch.bool)
        for mask, (x0, y0, x1, y1, kind) in zip(masks, rectangles, strict=True):
            mask[y0:y1, x0:x1] = True
            image[row, :, mask] = COLOURS[kind][:, None]
        boxes = torch.tensor([rectangle[:4] for rectangle in rectangles], dtype=torch.float32)
        targets.append(InstanceTarget(boxes, torch.tensor([rectangle[4] for rectangle in rectangles]), masks))
    return image, targets


def overlap(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_it_learns_four_scenes_by_heart() -> None:
    config = fastinst_miniature(2).model_copy(update={"decoder_layers": 1, "num_auxiliary": 2})
    model, (image, targets) = FastInst(config, torch.Generator().manual_seed(0)).train(), scenes()
    recipe = miniature_recipe(ITERATIONS)
    optimizer = recipe.build_optimizer(model)
    totals = []
    for iteration in range(ITERATIONS):
        losses = model.losses(image, targets, torch.Generator().manual_seed(iteration))
        optimizer.zero_grad()
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        recipe.set_rates(optimizer, iteration)
        recipe.clip_gradients(model.parameters())
        optimizer.step()
        totals.append(float(total.detach()))
    assert sum(totals[-10:]) < 0.2 * sum(totals[:10])
    for found, target in zip(model.eval().detect(image), targets, strict=True):
        count = len(target.classes_N)
        assert found.masks_NHW is not None
        assert float(found.scores_N[count - 1]) > float(found.scores_N[count])
        for kind, mask in zip(target.classes_N, target.masks_NHW, strict=True):
            best = max(
                overlap(mask, other)
                for other, label in zip(found.masks_NHW[:count], found.classes_N[:count], strict=True)
                if label == kind
            )
            assert best > 0.9
