import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reproductions.verdicts.statistics import (
    against_zero,
    mean_interval,
    one_more_run,
    paired_difference,
    slope,
    spearman,
)

NUMBERS = st.lists(st.integers(-1000, 1000).map(lambda number: number / 8), min_size=2, max_size=8)


def test_interval_of_three_seeds_by_hand():
    interval = mean_interval([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.30265, s = 1: half = 4.30265 / sqrt(3)
    assert (interval.mean, interval.n) == (2.0, 3)
    assert interval.low == pytest.approx(2 - 2.48414, abs=1e-5)
    assert interval.high == pytest.approx(2 + 2.48414, abs=1e-5)


def test_one_seed_has_a_mean_and_no_interval():
    interval = mean_interval([28.2])
    assert (interval.mean, interval.low, interval.high, interval.n) == (28.2, None, None, 1)
    assert one_more_run([28.2]) is None


def test_one_more_run_is_wider_than_the_mean_by_the_square_root_of_n_plus_one():
    low, high = one_more_run([1.0, 2.0, 3.0])
    assert (low, high) == (pytest.approx(2 - 4.96828, abs=1e-5), pytest.approx(2 + 4.96828, abs=1e-5))


def test_one_more_run_covers_a_further_draw_as_often_as_it_says():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4000, 4))
    ranges = [one_more_run(row[:3].tolist()) for row in draws]
    covered = np.mean([low <= row[3] <= high for (low, high), row in zip(ranges, draws, strict=True)])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_paired_difference_by_hand_and_only_over_shared_seeds():
    found = paired_difference({0: 3.0, 1: 5.0, 2: 9.0, 7: 100.0}, {2: 4.0, 1: 2.0, 0: 1.0, 8: 0.0})
    assert found.seeds == (0, 1, 2)
    assert found.differences == (2.0, 3.0, 5.0)
    assert found.interval.mean == pytest.approx(10 / 3)
    # two degrees of freedom: p = 1 - t / sqrt(t^2 + 2)
    t = (10 / 3) / (math.sqrt(7 / 3) / math.sqrt(3))
    assert found.p_value == pytest.approx(1 - t / math.sqrt(t * t + 2))


def test_paired_difference_without_a_shared_seed_is_none():
    assert paired_difference({0: 1.0}, {1: 1.0}) is None
    assert against_zero({}) is None


def test_paired_difference_of_one_seed_has_no_test():
    found = paired_difference({4: 2.0}, {4: 1.5})
    assert (found.interval.mean, found.interval.low, found.p_value) == (0.5, None, None)


@pytest.mark.parametrize(("difference", "p_value"), [(0.0, 1.0), (2.0, 0.0)])
def test_differences_without_any_spread(difference, p_value):
    found = paired_difference({0: difference, 1: difference}, {0: 0.0, 1: 0.0})
    assert (found.interval.low, found.interval.high, found.p_value) == (difference, difference, p_value)


@given(NUMBERS, st.integers(0, 100))
def test_paired_test_equals_scipys(left, salt):
    right = np.random.default_rng(salt).normal(size=len(left))
    found = paired_difference(dict(enumerate(left)), dict(enumerate(right.tolist())))
    expected = stats.ttest_rel(left, right)
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-9)


def test_slope_by_hand():
    assert slope([1, 2, 3], [2.0, 2.5, 4.0]) == pytest.approx(1.0)


@given(NUMBERS)
def test_slope_and_rank_correlation_equal_scipys(values):
    rounds = list(range(1, len(values) + 1))
    assert slope(rounds, values) == pytest.approx(stats.linregress(rounds, values).slope, abs=1e-9)
    if len(set(values)) > 1:
        assert spearman(rounds, values) == pytest.approx(stats.spearmanr(rounds, values).statistic, abs=1e-9)


def test_rank_correlation_of_a_constant_is_zero():
    assert spearman([1, 2, 3], [5.0, 5.0, 5.0]) == 0.0


@pytest.mark.parametrize(("x", "y"), [([1.0], [1.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0])])
def test_slope_needs_two_different_rounds(x, y):
    with pytest.raises(ValueError, match="a slope needs"):
        slope(x, y)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_missing_or_broken_numbers_are_refused(values):
    with pytest.raises(ValueError, match="finite number"):
        mean_interval(values)
