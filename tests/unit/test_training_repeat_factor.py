"""Repeat factors and the stateless order made of them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.training.repeat_factor import RepeatFactorSampler, repeat_factors


def test_factors_by_hand() -> None:
    images = [{1}] * 96 + [{1, 2}, {2}, {2, 3}, set()]
    factors = repeat_factors(images, threshold=0.09)
    assert factors[0] == 1.0
    assert factors[96] == pytest.approx((0.09 / 0.03) ** 0.5)
    assert factors[98] == pytest.approx((0.09 / 0.01) ** 0.5)
    assert factors[99] == 1.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(1, 4), min_size=1, max_size=12), st.integers(0, 2**40), st.integers(0, 5))
def test_each_epoch_rounds_up_or_down(factors: list[float], seed: int, epoch: int) -> None:
    counts = Counter(RepeatFactorSampler(factors, seed).epoch_order(epoch).tolist())
    assert all(np.floor(factor) <= counts[image] <= np.ceil(factor) for image, factor in enumerate(factors))


def test_rounding_is_right_on_average() -> None:
    sampler = RepeatFactorSampler([1.0, 2.25], seed=3)
    counts = Counter(int(index) for epoch in range(2000) for index in sampler.epoch_order(epoch))
    assert counts[0] == 2000
    assert counts[1] / 2000 == pytest.approx(2.25, abs=0.05)


def test_position_is_a_pure_function() -> None:
    factors = np.linspace(1, 3, 17)
    sampler = RepeatFactorSampler(factors, 5)
    forwards = [sampler.image_index(position) for position in range(200)]
    backwards = RepeatFactorSampler(factors, 5)
    assert [backwards.image_index(position) for position in reversed(range(200))] == forwards[::-1]
    first = sampler.epoch_order(0).tolist()
    assert forwards[: len(first)] == first
    assert forwards[len(first)] == sampler.epoch_order(1)[0]
    assert [RepeatFactorSampler(factors, 6).image_index(position) for position in range(200)] != forwards
