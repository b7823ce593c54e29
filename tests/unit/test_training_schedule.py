"""Learning rates of the specification, and the recipe that carries them."""

import csv
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.common.segmenters.centernet2.presets import (
    miniature_training_recipe,
    r50_training_recipe,
    swinl_training_recipe,
)
from methods.common.training.recipe import TrainingRecipe
from methods.common.training.repeat_factor import category_repeat_factor
from methods.common.training.schedule import warmup_cosine


def test_golden_values(shared: Path) -> None:
    with (shared / "papers" / "mrca" / "golden_values.csv").open() as file:
        rows = list(csv.DictReader(file))
    rates = [row for row in rows if row["quantity"] == "lr"]
    factors = [row for row in rows if row["quantity"] == "rfs_category_factor"]
    assert len(rates) == 6
    assert len(factors) == 3
    recipe = r50_training_recipe()
    for row in rates:
        iteration = int(row["input"].removeprefix("iteration="))
        assert recipe.rate_at(iteration) == pytest.approx(float(row["expected"]), rel=1e-6)
    for row in factors:
        values = dict(part.split("=") for part in row["input"].split(","))
        found = category_repeat_factor(int(values["image_count"]), int(values["N"]), float(values["t"]))
        assert found == pytest.approx(float(row["expected"]), rel=1e-6)


def test_by_hand() -> None:
    assert warmup_cosine(0, 1.0, 100) == 1.0
    assert warmup_cosine(50, 1.0, 100) == pytest.approx(0.5)
    assert warmup_cosine(100, 1.0, 100) == warmup_cosine(500, 1.0, 100) == 0.0
    assert warmup_cosine(5, 1.0, 100, 10, 0.0) == pytest.approx(warmup_cosine(10, 1.0, 100) / 2)


@given(st.integers(1, 1000), st.integers(0, 300), st.floats(0, 1))
def test_rises_then_falls(total: int, warmup: int, factor: float) -> None:
    warmup = min(warmup, total)
    rates = [warmup_cosine(step, 1.0, total, warmup, factor) for step in range(total + 1)]
    assert all(0 <= rate <= 1 for rate in rates)
    falling = rates[warmup:]
    assert all(later <= earlier for earlier, later in pairwise(falling))


def test_paper_recipes() -> None:
    for recipe in (r50_training_recipe(), swinl_training_recipe()):
        assert (recipe.iterations, recipe.batch_size, recipe.base_lr) == (90_000, 16, 1e-4)
        assert (recipe.weight_decay, recipe.clip_value, recipe.ema_decay) == (1e-4, 1.0, 0.999)
        assert recipe.backbone_autocast == "float16"


def test_optimizer_follows_the_recipe() -> None:
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    recipe = TrainingRecipe(base_lr=0.5, weight_decay=0.25, warmup_iterations=0)
    (group,) = recipe.build_optimizer(model).param_groups
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.5, 0.25, (0.9, 0.999))
    assert [parameter is model.weight for parameter in group["params"]] == [True]


def test_autocast_type() -> None:
    assert r50_training_recipe().autocast_dtype(torch.device("cuda")) is torch.float16
    assert r50_training_recipe().autocast_dtype(torch.device("cpu")) is None
    assert miniature_training_recipe().autocast_dtype(torch.device("cuda")) is None
