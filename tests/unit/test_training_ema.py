"""Averaged weights, by hand."""

import pytest
import torch
from torch import nn

from methods.common.training.ema import ExponentialMovingAverage


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("steps", torch.tensor(0))


def change(model: Counter, value: float) -> None:
    with torch.no_grad():
        model.weight.fill_(value)
        model.get_buffer("mean").fill_(2 * value)
        model.get_buffer("steps").fill_(int(value))


def test_parameters_and_buffers_follow() -> None:
    model = Counter()
    average = ExponentialMovingAverage(model, decay=0.9)
    change(model, 1.0)
    average.update()
    assert average.model.weight.tolist() == pytest.approx([0.1, 0.1])
    assert average.model.get_buffer("mean").item() == pytest.approx(0.2)
    assert average.model.get_buffer("steps").item() == 1
    average.update()
    assert average.model.weight.tolist() == pytest.approx([0.19, 0.19])
    assert model.weight.tolist() == [1.0, 1.0]
    assert not average.model.training
    assert not average.model.weight.requires_grad


def test_warmup_of_the_decay() -> None:
    average = ExponentialMovingAverage(Counter(), decay=0.5, warmup=True)
    assert [average.decay_at(step) for step in (1, 2, 8, 100)] == pytest.approx([2 / 11, 3 / 12, 0.5, 0.5])
    assert ExponentialMovingAverage(Counter(), decay=0.5).decay_at(1) == 0.5


@pytest.mark.parametrize(("first_step", "kept"), [(0, [1 / 10, 2 / 11]), (1, [2 / 11, 3 / 12])])
def test_the_first_step_of_the_warmup(first_step: int, kept: list[float]) -> None:
    model, expected = Counter(), 1.0
    average = ExponentialMovingAverage(model, decay=0.5, warmup=True, first_step=first_step)
    change(model, 1.0)
    for decay in kept:
        average.update()
        expected *= decay
        assert average.model.weight.tolist() == pytest.approx([1 - expected] * 2)


def test_state_goes_on_exactly() -> None:
    model = Counter()
    whole = ExponentialMovingAverage(model, decay=0.9, warmup=True)
    resumed = ExponentialMovingAverage(model, decay=0.9, warmup=True)
    change(model, 1.0)
    whole.update()
    resumed.load_state_dict(whole.state_dict())
    change(model, 5.0)
    whole.update()
    resumed.update()
    assert torch.equal(whole.model.weight, resumed.model.weight)
    assert resumed.steps == 2
