"""Intervals, moderated variances, correction and needed seeds, against numbers worked out by hand and against scipy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reproductions.verdicts.statistics import (
    MOST_SEEDS,
    holm,
    mean_interval,
    seed_mean,
    seeds_needed,
    slope,
    spearman,
)
from reproductions.verdicts.variance import PRIOR_DEGREES, Variance, moderated, one_more_run, paired_difference

NUMBERS = st.lists(st.integers(-1000, 1000).map(lambda number: number / 8), min_size=2, max_size=8)
SEVERAL_ARMS = st.lists(st.lists(st.integers(-200, 200), min_size=3, max_size=3), min_size=2, max_size=5)


def by_seed(values) -> dict[int, float]:
    return dict(enumerate(values))


# --- means over seeds


def test_interval_of_three_seeds_by_hand():
    interval = mean_interval([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.30265, s = 1: half = 4.30265 / sqrt(3)
    assert (interval.mean, interval.n) == (2.0, 3)
    assert interval.low == pytest.approx(2 - 2.48414, abs=1e-5)
    assert interval.high == pytest.approx(2 + 2.48414, abs=1e-5)


def test_one_seed_has_a_mean_and_no_interval():
    interval = mean_interval([28.2])
    assert (interval.mean, interval.low, interval.high, interval.n) == (28.2, None, None, 1)
    assert one_more_run({0: 28.2}) is None
    assert one_more_run({0: 28.2}, [{0: 1.0, 1: 2.0, 2: 3.0}]) is None


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_missing_or_broken_numbers_are_refused(values):
    with pytest.raises(ValueError, match="finite number"):
        mean_interval(values)


def test_tails_and_the_two_sided_p_agree_with_the_interval():
    found = seed_mean([0, 1, 2, 3], [1.0, 2.0, 4.0, 3.0], variance=1.5, degrees=5)
    low = found.interval.low
    assert found.p_above(low) == pytest.approx(0.025)
    assert found.p_below(found.interval.high) == pytest.approx(0.025)
    assert found.p_value == pytest.approx(2 * found.p_above(0.0))
    assert found.p_above(2.0) + found.p_below(2.0) == pytest.approx(1)


# --- the variance of a paired difference


def test_a_variance_is_mixed_by_degrees_and_never_below_its_own():
    assert moderated(Variance(1.0, 2), Variance(4.0, 10)) == Variance((2 * 1 + PRIOR_DEGREES * 4) / 6, 6)
    assert moderated(Variance(1.0, 2), Variance(4.0, 3)) == Variance((2 * 1 + 3 * 4) / 5, 5)
    assert moderated(Variance(4.0, 2), Variance(1.0, 10)) == Variance(4.0, 6)
    assert moderated(Variance(4.0, 2), Variance(0.0, 0)) == Variance(4.0, 2)


def test_two_arms_alone_are_the_paired_t_test():
    found = paired_difference(
        {"a": {0: 3.0, 1: 5.0, 2: 9.0, 7: 100.0}, "b": {2: 4.0, 1: 2.0, 0: 1.0, 8: 0.0}}, "a", "b"
    )
    assert (found.seeds, found.values, found.degrees) == ((0, 1, 2), (2.0, 3.0, 5.0), 2)
    # two degrees of freedom: p = 1 - t / sqrt(t^2 + 2)
    t = (10 / 3) / (math.sqrt(7 / 3) / math.sqrt(3))
    assert found.p_value == pytest.approx(1 - t / math.sqrt(t * t + 2))
    assert (found.interval.low, found.interval.high) == pytest.approx((found.plain.low, found.plain.high))


@given(NUMBERS, st.integers(0, 100))
def test_paired_test_of_two_arms_equals_scipys(left, salt):
    right = np.random.default_rng(salt).normal(size=len(left))
    found = paired_difference({"a": by_seed(left), "b": by_seed(right.tolist())}, "a", "b")
    expected = stats.ttest_rel(left, right)
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-9)


def test_without_a_shared_seed_there_is_nothing_to_compare():
    assert paired_difference({"a": {0: 1.0}, "b": {1: 1.0}}, "a", "b") is None
    assert paired_difference({"a": {0: 1.0}}, "a", "b") is None


def test_one_shared_seed_decides_nothing_however_many_arms_there_are():
    arms = {name: by_seed([1.0, 2.0, 4.0]) for name in "cdefg"} | {"a": {4: 2.0}, "b": {4: 1.5}}
    found = paired_difference(arms, "a", "b")
    assert (found.plain.mean, found.interval.low, found.p_value, found.degrees) == (0.5, None, None, 0)


@pytest.mark.parametrize("difference", [0.0, 2.0, 0.3])
def test_equal_differences_have_no_p_value_of_their_own(difference):
    left = {seed: value + difference for seed, value in by_seed([0.1, 0.7, 0.2]).items()}
    found = paired_difference({"a": left, "b": by_seed([0.1, 0.7, 0.2])}, "a", "b")
    assert (found.standard_error, found.interval.low, found.p_value) == (None, None, None)


def test_equal_differences_beside_other_arms_take_their_noise():
    arms = {"a": by_seed([2.0, 3.0, 4.0]), "b": by_seed([1.0, 2.0, 3.0]), "c": by_seed([1.0, 5.0, 0.0])}
    found = paired_difference(arms, "a", "b")
    assert 0 < found.p_value < 1
    assert found.degrees == 4  # two of the pair, two that the third arm adds


def pooled_by_scipy(arms: dict[str, dict[int, float]], left: str, right: str) -> tuple[float, int]:
    """Variance of a difference from the contrasts of a complete table that are orthogonal to left minus right."""
    table_AS = np.array(
        [[arms[arm][seed] for seed in sorted(arms[left])] for arm in (left, right, *arms.keys() - {left, right})]
    )
    num_arms, num_seeds = table_AS.shape
    residual = table_AS - table_AS.mean(0) - table_AS.mean(1, keepdims=True) + table_AS.mean()
    own = np.var(table_AS[0] - table_AS[1], ddof=1) * (num_seeds - 1) / 2
    degrees = (num_arms - 2) * (num_seeds - 1)
    return 2 * (np.sum(residual**2) - own) / degrees, degrees


def test_other_arms_are_pooled_as_in_a_table_of_arms_and_seeds():
    rng = np.random.default_rng(5)
    arms = {name: by_seed(rng.normal(size=4).tolist()) for name in "abcde"}
    found = paired_difference(arms, "a", "b")
    pooled, degrees = pooled_by_scipy(arms, "a", "b")
    own = np.var([arms["a"][seed] - arms["b"][seed] for seed in range(4)], ddof=1)
    expected = max(own, (3 * own + 4 * pooled) / 7)
    assert (degrees, found.degrees) == (9, 7)
    assert found.standard_error == pytest.approx(math.sqrt(expected / 4))


def test_an_arm_that_lacks_a_seed_still_counts_with_the_others():
    rng = np.random.default_rng(6)
    arms = {name: by_seed(rng.normal(size=3).tolist()) for name in "abc"}
    whole = paired_difference(arms, "a", "b")
    del arms["c"][2]
    fewer = paired_difference(arms, "a", "b")
    assert (whole.degrees, fewer.degrees) == (4, 3)
    del arms["c"][1]
    assert paired_difference(arms, "a", "b").degrees == 2  # one value says nothing of noise


@settings(max_examples=60, deadline=None)
@given(SEVERAL_ARMS, st.lists(st.integers(-50, 50), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
def test_what_all_arms_share_with_a_seed_changes_nothing_and_order_neither(table, shifts, salt):
    arms = {f"arm{i}": by_seed([value / 4 for value in row]) for i, row in enumerate(table)}
    shifted = {arm: {seed: value + shifts[seed] for seed, value in known.items()} for arm, known in arms.items()}
    rng = np.random.default_rng(salt)
    shuffled = {
        arm: {seed: arms[arm][seed] for seed in rng.permutation(3).tolist()}
        for arm in rng.permutation(list(arms)).tolist()
    }
    scaled = {arm: {seed: 3 * value for seed, value in known.items()} for arm, known in arms.items()}
    first = paired_difference(arms, "arm0", "arm1")
    for other, scale in ((shifted, 1), (shuffled, 1), (scaled, 3)):
        found = paired_difference(other, "arm0", "arm1")
        assert found.seeds == first.seeds
        assert found.values == pytest.approx([scale * value for value in first.values])
        assert found.degrees == first.degrees
        if first.standard_error is not None:
            assert found.standard_error == pytest.approx(scale * first.standard_error)
            assert found.p_value == pytest.approx(first.p_value, abs=1e-9)
    turned = paired_difference(arms, "arm1", "arm0")
    assert turned.values == pytest.approx([-value for value in first.values])
    assert turned.standard_error == pytest.approx(first.standard_error)


# --- one more run


def test_one_more_run_of_an_arm_alone_is_wider_than_the_mean_by_the_square_root_of_n_plus_one():
    low, high = one_more_run(by_seed([1.0, 2.0, 3.0]))
    assert (low, high) == (pytest.approx(2 - 4.96828, abs=1e-5), pytest.approx(2 + 4.96828, abs=1e-5))


def test_one_more_run_is_unknown_where_seeds_do_not_differ():
    assert one_more_run(by_seed([2.0, 2.0, 2.0])) is None
    assert one_more_run(by_seed([2.0, 2.0, 2.0]), [by_seed([1.0, 1.0, 1.0])]) is None


def test_other_arms_count_only_by_what_they_add_to_the_seeds():
    ours = by_seed([1.0, 2.0, 3.0])
    alone = one_more_run(ours)
    copies = [by_seed([shift, 1.0 + shift, 2.0 + shift]) for shift in (3.0, 4.0, 5.0)]
    assert one_more_run(ours, copies) == pytest.approx(alone)  # all that differs is the seed: one arm's word
    unlike = [by_seed([1.0, 2.0, 1.5]), by_seed([2.5, 1.5, 1.0]), by_seed([1.2, 0.3, 2.0])]
    low, high = one_more_run(ours, unlike)
    assert alone[0] < low < high < alone[1]
    assert one_more_run(ours, [{0: 9.0, 1: 4.0}]) == pytest.approx(alone)  # lacks a seed


# --- correction, needed seeds


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([0.02]) == (0.02,)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_rejects_what_the_step_down_rule_rejects(p_values):
    adjusted, rejected = holm(p_values), set()
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        if p_values[place] * (len(p_values) - rank) > 0.025:
            break
        rejected.add(place)
    assert {place for place, value in enumerate(adjusted) if value <= 0.025} == rejected


@pytest.mark.parametrize(("distance", "extra"), [(1.0, 0), (1.0, 4), (0.5, 4), (2.5, 0)])
def test_needed_seeds_have_the_power_in_a_simulation(distance, extra):
    n = seeds_needed(distance, 1.0, extra)
    rng = np.random.default_rng(n)

    def power(num_seeds: int) -> float:
        variance = rng.chisquare(num_seeds - 1 + extra, 20000) / (num_seeds - 1 + extra)
        mean = rng.normal(distance, 1 / math.sqrt(num_seeds), 20000)
        return float(np.mean(mean > stats.t.ppf(0.975, num_seeds - 1 + extra) * np.sqrt(variance / num_seeds)))

    assert power(n) > 0.79
    assert power(n - 1) < 0.81


def test_needed_seeds_are_capped():
    assert seeds_needed(0.1, 1.0, 4) == seeds_needed(0.0, 1.0, 4) == MOST_SEEDS + 1
    assert seeds_needed(-3.0, 1.0, 4) == seeds_needed(3.0, 1.0, 4)
    counts = [seeds_needed(distance, 1.0, 4) for distance in (0.3, 0.5, 1.0, 3.0)]
    assert all(more > fewer for more, fewer in itertools.pairwise(counts))


# --- slopes and ranks


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
