"""Sums of KID's kernel over many subsets at once, against the kernel written out pair by pair."""

import numpy as np
import pytest

from methods.common.metrics.generated_images import kid_sums


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kid_sums, "_BLOCK", 7)


def test_sums_are_those_of_the_pairs_of_each_subset() -> None:
    generator = np.random.default_rng(0)
    one_ND, other_MD = (generator.normal(size=(number, 5)).astype(np.float32) for number in (17, 23))
    member_SN, member_SM = (generator.integers(0, 2, (3, number)).astype(float) for number in (17, 23))
    found_S = kid_sums.sums_across(one_ND, member_SN, other_MD, member_SM)
    within_S = kid_sums.sums_within(one_ND, member_SN)
    for subset in range(3):
        chosen, others = np.flatnonzero(member_SN[subset]), np.flatnonzero(member_SM[subset])

        def kernel(x: np.ndarray, y: np.ndarray) -> float:
            return float((sum(float(a) * float(b) for a, b in zip(x, y, strict=True)) / 5 + 1) ** 3)

        across = sum(kernel(one_ND[i], other_MD[j]) for i in chosen for j in others)
        within = sum(kernel(one_ND[i], one_ND[j]) for i in chosen for j in chosen if i != j)
        assert found_S[subset] == pytest.approx(across, rel=1e-12)
        assert within_S[subset] == pytest.approx(within, rel=1e-12)


def test_folders_far_larger_than_their_subsets_are_taken_subset_by_subset() -> None:
    assert kid_sums.is_cheaper_at_once(5_000, 5_000, 100, 1_000)
    assert not kid_sums.is_cheaper_at_once(50_000, 50_000, 100, 1_000)
