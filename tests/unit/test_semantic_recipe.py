"""The recipe of semantic segmenters: iterations by the paper's rule, polynomial decay, groups of parameters."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.common.segmenters.mask2former.presets import mask2former_miniature
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.segmenters import build_segmenter
from methods.common.training.poly_recipe import PolyRecipe, polynomial_decay


def test_the_defaults_are_the_specifications() -> None:
    recipe = PolyRecipe(iterations=160_000)
    assert (recipe.base_lr, recipe.weight_decay, recipe.betas) == (1e-4, 0.05, (0.9, 0.999))
    assert (recipe.backbone_lr_factor, recipe.max_gradient_norm, recipe.power) == (0.1, 0.01, 0.9)
    assert (recipe.batch_size, recipe.warmup_iterations, recipe.autocast) == (16, 0, "none")


def test_the_rate_decays_from_the_base_to_nothing() -> None:
    recipe = PolyRecipe(iterations=1000, base_lr=1.0)
    assert recipe.rate_at(0) == 1.0
    assert recipe.rate_at(500) == pytest.approx(0.5**0.9)
    assert recipe.rate_at(999) == pytest.approx(0.001**0.9)
    assert recipe.rate_at(1000) == recipe.rate_at(2000) == 0.0


@given(st.integers(1, 500), st.floats(0.1, 3), st.integers(0, 50))
def test_after_the_warm_up_the_rate_only_falls(iterations: int, power: float, warmup: int) -> None:
    rates = [polynomial_decay(i, 0.5, iterations, power, warmup) for i in range(iterations + 1)]
    assert rates[-1] == 0.0
    assert rates[0] == pytest.approx(0.5 / (warmup + 1))
    assert all(later <= earlier for earlier, later in zip(rates[warmup:], rates[warmup + 1 :], strict=False))


def options_by_name(model: torch.nn.Module, recipe: PolyRecipe) -> dict[str, tuple[float, float]]:
    """Learning-rate factor and weight decay of each parameter."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr_factor"], group["weight_decay"])
        for group in recipe.build_optimizer(model).param_groups
        for parameter in group["params"]
    }


def test_parameters_of_the_backbone_are_slower_and_those_of_norms_not_decayed() -> None:
    model = build_segmenter(ConvolutionalConfig(num_classes=3, widths=(4, 8)))
    found = options_by_name(model, PolyRecipe(iterations=10))
    assert set(found) == {name for name, _ in model.named_parameters()}
    assert found["encoder.levels.0.0.weight"] == (0.1, 0.05)
    assert found["encoder.levels.0.1.weight"] == found["encoder.levels.0.1.bias"] == (0.1, 0.0)
    assert found["smooth.0.1.weight"] == (1.0, 0.0)
    assert found["classifier.weight"] == found["classifier.bias"] == (1.0, 0.05)


def test_queries_and_embeddings_of_mask2former_are_not_decayed() -> None:
    found = options_by_name(build_segmenter(mask2former_miniature(num_classes=3)), PolyRecipe(iterations=10))
    undecayed = {name for name, (_, decay) in found.items() if decay == 0.0}
    for part in ("queries_embedder", "queries_features", "level_embed"):
        names = {name for name in found if part in name}
        assert names
        assert names <= undecayed
    assert "head.class_predictor.weight" not in undecayed


def test_set_rates_follows_schedule_and_factor() -> None:
    model, recipe = build_segmenter(ConvolutionalConfig(num_classes=3, widths=(4, 8))), PolyRecipe(iterations=10)
    optimizer = recipe.build_optimizer(model)
    recipe.set_rates(optimizer, 5)
    assert {group["lr"] for group in optimizer.param_groups} == {
        recipe.rate_at(5),
        0.1 * recipe.rate_at(5),
    }


def test_precision_is_lowered_on_cuda_only() -> None:
    recipe = PolyRecipe(iterations=10, autocast="bfloat16")
    assert recipe.autocast_dtype(torch.device("cpu")) is None
    assert recipe.autocast_dtype(torch.device("cuda")) is torch.bfloat16
    assert PolyRecipe(iterations=10).autocast_dtype(torch.device("cuda")) is None


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"base_lr": 0.0}, {"max_gradient_norm": -1.0}])
def test_impossible_recipes_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PolyRecipe.model_validate({"iterations": 10} | wrong)
