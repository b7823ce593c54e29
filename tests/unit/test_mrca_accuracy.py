"""How far an accuracy of few feedback objects is believed (MRCA section 2.3, ledger entry D62), by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.common.growth import identity_document, read_stored
from methods.mrca.accuracy import ShrinkageConfig, group_mean_accuracy, shrink_accuracy
from methods.mrca.budget import BudgetConfig
from methods.mrca.resizing import ResizingConfig

NAN = float("nan")
AP = np.array([0.8, 0.2, NAN, 0.6, NAN])
GROUPS = ["r", "r", "r", "f", "c"]


def test_a_groups_mean_is_of_its_defined_classes_and_of_all_where_it_has_none() -> None:
    overall = (0.8 + 0.2 + 0.6) / 3
    assert group_mean_accuracy(AP, GROUPS) == pytest.approx([0.5, 0.5, 0.5, 0.6, overall])
    assert group_mean_accuracy(np.full(2, NAN), ["r", "f"]).tolist() == [0.0, 0.0]


def test_few_objects_count_little_and_many_much() -> None:
    """k = 5: (1 x 0.8 + 5 x 0.5) / 6 = 0.55, (45 x 0.2 + 5 x 0.5) / 50 = 0.23; a class alone in its group stays."""
    drawn = shrink_accuracy(AP, np.array([1, 45, 0, 3, 0]), GROUPS, ShrinkageConfig())
    assert drawn[[0, 1, 3]] == pytest.approx([0.55, 0.23, 0.6])
    assert np.isnan(drawn[[2, 4]]).all()


def test_with_k_objects_a_class_counts_half() -> None:
    drawn = shrink_accuracy(AP, np.full(5, 8), GROUPS, ShrinkageConfig(prior_instances=8))
    assert drawn[[0, 1]] == pytest.approx([0.65, 0.35])


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.sampled_from("rcf")), min_size=1, max_size=12))
def test_an_accuracy_moves_towards_its_groups_mean_and_never_past_it(rows: list[tuple[float, int, str]]) -> None:
    ap_C, count_C, groups = (list(column) for column in zip(*rows, strict=True))
    before, mean = np.array(ap_C), group_mean_accuracy(np.array(ap_C), groups)
    after = shrink_accuracy(before, np.array(count_C), groups, ShrinkageConfig())
    low, high = np.minimum(before, mean), np.maximum(before, mean)
    assert (after >= low - 1e-12).all()
    assert (after <= high + 1e-12).all()
    percent = shrink_accuracy(100 * before, np.array(count_C), groups, ShrinkageConfig())
    assert percent == pytest.approx(100 * after, abs=1e-9)


def test_as_printed_nothing_is_drawn_anywhere_and_identities_are_those_of_before() -> None:
    as_printed = ShrinkageConfig(toward="none")
    assert np.array_equal(shrink_accuracy(AP, np.ones(5, np.int64), GROUPS, as_printed), AP, equal_nan=True)
    for config_type in (BudgetConfig, ResizingConfig):
        document = identity_document(config_type(shrinkage=as_printed))
        assert "shrinkage" not in document
        assert read_stored(config_type, document).shrinkage == as_printed
        assert identity_document(config_type())["shrinkage"] == {"toward": "group_mean", "prior_instances": 5.0}


def test_a_prior_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        ShrinkageConfig(prior_instances=0)
