"""Margins, reliability, mixing, losses and schedule of the robust training against stored outputs of BECO's code."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust.boundary import paste_boundary
from methods.diffumask_robust.co_training_config import MixingConfig, RobustLossConfig
from methods.diffumask_robust.losses import online_labels, robust_losses
from methods.diffumask_robust.margins import score_margins
from methods.diffumask_robust.mixing import Labels, MixedBatch, mix_batch
from methods.diffumask_robust.reliability import trust_best_of_each_class
from methods.diffumask_robust.schedule import RobustRecipe

RELEASED = MixingConfig(order="as_released")
LOSS_NOISE, GRADIENT_NOISE = 5e-7, 1e-9
"""As the reference data's README states them; losses here are up to 10, whose float32 neighbours are 9.5e-7 apart."""


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray]:
    return dict(np.load(shared / "parity" / "beco_pieces_public.npz"))


class ReleasedDraws:
    """Python's and NumPy's global generators, each seeded, as the release draws; notes what was chosen."""

    def __init__(self, seed: int) -> None:
        self._python, self._numpy = random.Random(seed), np.random.RandomState(seed)
        self.values: list[float] = []
        self.chosen: list[list[int]] = []
        self.candidates: list[list[int]] = []

    def random(self) -> float:
        self.values.append(self._python.random())
        return self.values[-1]

    def choice(self, a: Any, size: Any, replace: Any, /) -> Any:
        self.candidates.append(list(a))
        self.chosen.append(self._numpy.choice(a, size, replace).tolist())
        return self.chosen[-1]


def rows(table: np.ndarray) -> list[list[int]]:
    return [[int(one) for one in row if one >= 0] for row in table]


def labels(golden: dict[str, np.ndarray], label: str, mask: str) -> Labels:
    trusted = torch.from_numpy(golden[mask]).bool()
    return Labels(torch.from_numpy(golden[label]), trusted[:, 0] if trusted.ndim == 4 else trusted)


def check_mixed(golden: dict[str, np.ndarray], prefix: str, mixed: MixedBatch) -> None:
    assert np.array_equal(mixed.image_N3HW.numpy(), golden[f"{prefix}images"])
    assert np.array_equal(mixed.labels.label_NHW.numpy(), golden[f"{prefix}labels"])
    assert np.array_equal(mixed.labels.trusted_NHW.numpy(), golden[f"{prefix}masks"] == 1)
    assert np.array_equal(mixed.boundary_NHW.numpy(), golden[f"{prefix}bdry"] == 1)


@pytest.mark.parametrize("case", ["a", "b", "ties"])
def test_margins_and_reliability(golden: dict[str, np.ndarray], case: str) -> None:
    score, label, keys = (golden[f"rel_{case}_{name}"] for name in ("score", "pred", "keys"))
    place = np.searchsorted(keys, label)
    margin = score_margins(score, place, "as_released")
    assert margin.dtype == np.float32
    assert np.array_equal(margin, golden[f"rel_{case}_margin"])
    assert np.array_equal(trust_best_of_each_class(margin, label), golden[f"rel_{case}_mask"] == 1)
    sorted_margin = score_margins(score, place)
    tied = np.sort(score, 0)[-1] == np.sort(score, 0)[-2]
    assert tied.any() == (case == "ties")
    assert np.array_equal(sorted_margin[~tied], margin[~tied])
    assert not sorted_margin[tied].any()


def test_boundaries(golden: dict[str, np.ndarray]) -> None:
    region = torch.from_numpy(golden["bdry_region"])[None].bool()
    for radius in (1, 2):
        assert np.array_equal(paste_boundary(region, radius).numpy(), golden[f"bdry_size{radius}"] == 1)


@pytest.mark.parametrize("case", ["online", "offline", "noconf"])
def test_two_images_mixed(golden: dict[str, np.ndarray], case: str) -> None:
    image, offline = torch.from_numpy(golden["mix_images"]), labels(golden, "mix_labels", "mix_masks")
    online = labels(golden, "mix_online_labels", "mix_online_masks")
    if case == "noconf":
        online = Labels(online.label_NHW, torch.zeros_like(online.trusted_NHW))
    draws = ReleasedDraws(int(golden.get(f"mix_{case}_out_random_seed", 0)))
    always = RELEASED.model_copy(update={"probability": 1.0})
    mixed = mix_batch(image, offline, None if case == "offline" else online, always, draws)
    check_mixed(golden, f"mix_{case}_out_", mixed)
    if case != "noconf":
        assert draws.candidates == rows(golden[f"mix_{case}_out_candidate_classes"])
        assert draws.chosen == rows(golden[f"mix_{case}_out_chosen_classes"])


def test_online_labels(golden: dict[str, np.ndarray]) -> None:
    label, confident = online_labels(teachers(golden))
    assert np.array_equal(label.numpy(), golden["step_ep1_online_label"])
    assert np.array_equal(confident.numpy(), golden["step_ep1_online_mask"][:, 0] == 1)


def teachers(golden: dict[str, np.ndarray]) -> tuple[Tensor, Tensor]:
    one, two = (torch.from_numpy(golden[f"step_teacher_logits{number}"]) for number in (1, 2))
    return one, two


@pytest.mark.parametrize("epoch", ["ep0", "ep1"])
def test_a_whole_step(golden: dict[str, np.ndarray], epoch: str) -> None:
    prefix = f"step_{epoch}_"
    offline = labels(golden, "step_labels", "step_masks")
    online = None if epoch == "ep0" else Labels(*online_labels(teachers(golden)))
    draws = ReleasedDraws(int(golden[f"{prefix}random_seed"]))
    mixed = mix_batch(torch.from_numpy(golden["step_images"]), offline, online, RELEASED, draws)
    assert draws.values == golden[f"{prefix}random_values"].tolist()
    assert draws.candidates == rows(golden[f"{prefix}candidate_classes"])
    assert draws.chosen == rows(golden[f"{prefix}chosen_classes"])
    check_mixed(golden, prefix, mixed)

    one, two = (torch.from_numpy(golden[f"step_student_logits{number}"]).requires_grad_() for number in (1, 2))
    losses = robust_losses(
        (one, two),
        mixed.labels.label_NHW,
        mixed.labels.trusted_NHW,
        mixed.boundary_NHW,
        RobustLossConfig(),
        BatchShare(0, 4, 4),
    )
    names = {"supervised1": "ce1", "supervised2": "ce2", "co1": "cot1", "co2": "cot2"}
    for ours, theirs in names.items():
        assert abs(losses[ours].item() - float(golden[f"{prefix}loss_{theirs}"])) <= LOSS_NOISE, ours
    total = torch.stack(list(losses.values())).sum()
    assert abs(total.item() - float(golden[f"{prefix}loss"])) <= 2 * LOSS_NOISE
    total.backward()
    for number, logits in enumerate((one, two), 1):
        assert logits.grad is not None
        assert np.abs(logits.grad.numpy() - golden[f"{prefix}grad_logits{number}"]).max() <= GRADIENT_NOISE


def test_the_rate(golden: dict[str, np.ndarray]) -> None:
    recipe = RobustRecipe(iterations=int(golden["lr_max_iters"]))
    rates = [recipe.rate_at(int(iteration)) for iteration in golden["lr_iter"]]
    assert np.allclose(rates, golden["lr_value"], rtol=1e-12, atol=0)
