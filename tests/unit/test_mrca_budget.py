"""Class-wise budget, resize factors, rounds and prompts: golden values and properties."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.mrca.budget import (
    BudgetConfig,
    apportion,
    budget_weights,
    class_budget,
    classifier_change,
    early_budget,
    fill_undefined_accuracy,
    training_counts,
    uniform_budget,
)
from methods.mrca.prompts import (
    MRCA_TEMPLATES,
    XPASTE_TEMPLATE,
    PromptConfig,
    clip_text,
    fill_template,
    mrca_prompt,
    plain_name,
)
from methods.mrca.resizing import ResizingConfig, resize_factor, resize_factors
from methods.mrca.rounds import RoundsConfig, plan_round, plan_rounds, total_iterations

AP = np.array([0, 0.5, 0.2, 1.0])
CHANGE = np.array([1.0, 2.0, 1.0, 3.0])
COUNT = np.array([1, 10, 5, 2])


# ---- budget


def test_golden_budget():
    assert class_budget(10, AP, CHANGE, COUNT, BudgetConfig()).tolist() == [8, 1, 1, 0]
    weights = budget_weights(AP, CHANGE, COUNT, BudgetConfig())
    assert weights * 7.936508 == pytest.approx([7.93651, 0.793651, 1.26984, 0], rel=1e-5)


def test_released_code_rewards_accuracy():
    # A * D / S = 0, 0.1, 0.04, 1.5: of 10 units 0, 0.61, 0.244, 9.15; floors 0, 0, 0, 9 and one left over.
    assert class_budget(10, AP, CHANGE, COUNT, BudgetConfig(accuracy_term="ap")).tolist() == [0, 1, 0, 9]


def test_golden_uniform_budget():
    assert uniform_budget(7218, 1203).tolist() == [6] * 1203


def test_uniform_budget_that_does_not_divide_goes_to_the_first_classes():
    assert uniform_budget(8, 3).tolist() == [3, 3, 2]
    assert uniform_budget(2, 5).tolist() == [1, 1, 0, 0, 0]


def test_early_rounds_of_the_released_code_go_by_inverse_count():
    real = np.array([1, 2, 4, 0])
    # 1/S = 1, 0.5, 0.25 and 1 for a class without instances, of 11 units 4, 2, 1, 4.
    assert early_budget(11, real, BudgetConfig(early_rounds="inverse_count")).tolist() == [4, 2, 1, 4]
    assert early_budget(11, real, BudgetConfig()).tolist() == [3, 3, 3, 2]


weights = st.lists(
    st.one_of(st.floats(0, 1e12), st.sampled_from([float("nan"), float("inf"), -1.0, 1e-300])), min_size=1, max_size=30
)


@given(weights, st.integers(0, 10_000))
def test_apportioned_units_always_add_up_and_stay_within_one_of_their_share(values, total):
    weight = np.array(values)
    units = apportion(weight, total)
    assert units.sum() == total
    assert (units >= 0).all()
    usable = np.where(np.isfinite(weight) & (weight > 0), weight, 0)
    share = total * (usable / usable.max() / (usable / usable.max()).sum() if usable.any() else 1 / len(usable))
    assert (np.abs(units - share) < 1 + 1e-6).all()


@pytest.mark.parametrize("useless", [0.0, float("nan"), float("inf"), -2.0])
def test_useless_weights_give_the_uniform_budget(useless):
    assert apportion(np.full(4, useless), 10).tolist() == [3, 3, 2, 2]


def test_equal_remainders_go_to_the_lower_index():
    assert apportion(np.array([1.0, 1.0, 1.0]), 2).tolist() == [1, 1, 0]
    assert apportion(np.array([0.1 + 0.2, 0.3, 0.3]), 2).tolist() == [1, 1, 0]


def test_percent_instead_of_fractions_is_refused():
    with pytest.raises(ValueError, match="divide percent by 100"):
        class_budget(10, AP * 100, CHANGE, COUNT, BudgetConfig())


def test_undefined_accuracy_is_the_mean_of_its_frequency_group():
    nan = float("nan")
    ap = np.array([0.2, nan, 0.4, nan, 0.9, nan])
    groups = ["r", "r", "r", "c", "f", "f"]
    # r: mean of 0.2 and 0.4; c: nobody defined, so the mean of 0.2, 0.4, 0.9; f: 0.9.
    assert fill_undefined_accuracy(ap, groups) == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.9, 0.9])
    assert fill_undefined_accuracy(np.full(2, nan), ["r", "f"]).tolist() == [0, 0]
    assert np.isnan(ap[1])  # the input stays


def test_classifier_change_is_a_row_norm_without_background():
    before = np.zeros((4, 2), np.float32)
    now = np.array([[3, 4], [0, 1], [5, 12], [8, 15]], np.float32)
    assert classifier_change(now, before, 3).tolist() == [5, 1, 13]
    assert classifier_change(now, before, 3, "shifted").tolist() == [1, 13, 17]


def test_synthetic_objects_count_unless_told_otherwise():
    real, synthetic = np.array([1, 2]), np.array([10, 0])
    assert training_counts(real, synthetic, "real_plus_synthetic").tolist() == [11, 2]
    assert training_counts(real, synthetic, "real").tolist() == [1, 2]


# ---- resizing


GOLDEN_FACTORS = {0: 16, 5: 9.189587, 12.5: 4, 25: 1, 40: 0.574349, 62.5: 0.25, 100: 0.0625, float("nan"): 1}


@pytest.mark.parametrize(("ap", "expected"), GOLDEN_FACTORS.items())
def test_golden_resize_factors(ap, expected):
    assert resize_factor(ap, 25) == pytest.approx(expected, abs=1e-6)


def test_golden_files_resize_factors_and_budget_are_these(shared):
    with (shared / "papers/mrca/golden_values.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"] == "resize_factor"]
    read = {float(row["input"].split("ap=")[1]): float(row["expected"]) for row in rows}
    for ap, expected in read.items():
        assert resize_factor(ap, 25) == pytest.approx(expected, abs=1e-6)
    assert len(read) == 8


def test_factors_of_all_classes_use_the_mean_over_defined_ones():
    factors = resize_factors(np.array([0, 50, float("nan"), 25]), ResizingConfig())  # mean 25
    assert factors == pytest.approx([16, 16 ** (-25 / 75), 1, 1])


def test_factors_at_the_edges():
    assert resize_factors(np.full(3, float("nan")), ResizingConfig()).tolist() == [1, 1, 1]
    assert resize_factors(np.zeros(3), ResizingConfig()).tolist() == [1, 1, 1]
    assert resize_factors(np.full(3, 100.0), ResizingConfig()).tolist() == [1, 1, 1]
    assert resize_factors(np.array([0.0, 80.0]), ResizingConfig(max_factor=1)).tolist() == [1, 1]
    with pytest.raises(ValueError, match="percentage"):
        resize_factor(101, 25)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.01, 99.99))
def test_lower_accuracy_never_means_smaller_objects(one, other, mean):
    low, high = sorted([one, other])
    assert resize_factor(low, mean) >= resize_factor(high, mean) - 1e-12


# ---- rounds


def test_schedule_with_lag_two():
    rounds = plan_rounds(RoundsConfig())
    assert [r.guide_model for r in rounds[:4]] == [None, 0, 1, 2]
    assert [r.budget_models for r in rounds[:4]] == [None, None, (1, 0), (2, 1)]
    assert [r.resize_model for r in rounds[:4]] == [None, None, 1, 2]
    assert [r.counted_rounds for r in rounds[:4]] == [(), (), (1,), (1, 2)]
    assert rounds[2].pool_rounds == (1, 2, 3)
    assert rounds[-1].number == 10
    assert rounds[-1].last_iteration == 90_000


def test_schedule_with_lag_one():
    rounds = plan_rounds(RoundsConfig(feedback_lag=1, num_rounds=3))
    assert [r.guide_model for r in rounds] == [0, 1, 2]
    assert [r.budget_models for r in rounds] == [None, (1, 0), (2, 1)]
    assert [r.resize_model for r in rounds] == [None, 1, 2]
    assert [r.counted_rounds for r in rounds] == [(), (1,), (1, 2)]


@given(st.integers(1, 12), st.sampled_from([1, 2]))
def test_no_round_waits_for_a_model_that_it_must_not_see(number, lag):
    planned = plan_round(number, RoundsConfig(num_rounds=12, feedback_lag=lag))
    # With lag 2 the round can be generated while round number - 1 trains: M_(number - 1) is not needed.
    assert all(model <= number - lag for model in {planned.guide_model, *(planned.budget_models or ())} - {None})


def test_rounds_tile_the_training():
    config = RoundsConfig(num_rounds=3, iterations_per_round=40)
    assert total_iterations(config) == 120
    assert [(planned.first_iteration, planned.last_iteration) for planned in plan_rounds(config)] == [
        (0, 40),
        (40, 80),
        (80, 120),
    ]


# ---- prompts


def test_names_become_plain_words():
    assert plain_name("crab_(animal)") == "crab animal"
    assert plain_name("bow_(decorative_ribbons)") == "bow decorative ribbons"
    assert plain_name("trash_can") == "trash can"


def test_prompts_and_the_text_clip_compares_with():
    assert fill_template(XPASTE_TEMPLATE, "trash_can") == "a photo of a single trash can"
    assert clip_text("crab_(animal)") == "a photo of crab animal"


def test_each_template_is_drawn_equally_often():
    rng = np.random.default_rng(0)
    drawn = [mrca_prompt("trash_can", rng) for _ in range(7000)]
    counts = {text: drawn.count(text) for text in set(drawn)}
    assert set(counts) == {template.replace("{name}", "trash can") for template in MRCA_TEMPLATES}
    assert len(counts) == 7
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_templates_can_be_replaced_but_need_their_gap():
    config = PromptConfig(templates=("a drawing of a {name}",))
    assert mrca_prompt("cup", np.random.default_rng(0), config) == "a drawing of a cup"
    with pytest.raises(ValidationError, match="exactly once"):
        PromptConfig(templates=("a photo",))
    with pytest.raises(ValidationError, match="no template"):
        PromptConfig(templates=())
