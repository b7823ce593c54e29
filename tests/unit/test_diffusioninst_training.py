"""A small DiffusionInst learns four scenes: all its losses fall, and the masks of matched proposals become those of their objects."""

import torch

from methods.common.segmenters.diffusioninst.model import DiffusionInst
from methods.common.segmenters.diffusioninst.presets import diffusioninst_miniature, miniature_recipe
from tests.unit.test_fastinst_training import scenes

ITERATIONS = 120


def test_it_learns_four_scenes() -> None:
    config = diffusioninst_miniature(2).model_copy(update={"num_proposals": 20, "num_heads": 2})
    model, (image, targets) = DiffusionInst(config, torch.Generator().manual_seed(0)).train(), scenes()
    recipe = miniature_recipe(ITERATIONS)
    optimizer = recipe.build_optimizer(model)
    history: dict[str, list[float]] = {}
    for iteration in range(ITERATIONS):
        losses = model.losses(image, targets, torch.Generator().manual_seed(iteration))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        recipe.set_rates(optimizer, iteration)
        recipe.clip_gradients(model.parameters())
        optimizer.step()
        for name, value in losses.items():
            history.setdefault(name, []).append(float(value.detach()))
    assert set(history) == {
        *("class", "box", "giou", "mask"),
        *("earlier_class", "earlier_box", "earlier_giou", "earlier_mask"),
    }
    for name, values in history.items():
        assert sum(values[-20:]) < sum(values[:20]), name
    assert sum(history["mask"][-20:]) < 0.4 * sum(
        history["mask"][:20]
    )  # 0.01 to 0.14 with four seeds; processors differ
    model.eval()
    for found, target in zip(model.detect(image), targets, strict=True):
        kinds, counts = target.classes_N.unique(return_counts=True)
        assert int(found.classes_N[0]) in kinds.tolist(), counts
