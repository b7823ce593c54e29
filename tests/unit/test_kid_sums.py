"""Sums of KID's kernel over many subsets at once, against the kernel written out pair by pair."""

import numpy as np
import pytest

from methods.common.metrics.generated_images import kid_sums


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kid_sums, "_BLOCK", 7)
    monkeypatch.setattr(kid_sums, "_STRIP", 3)


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


def test_many_products_in_single_precision_lose_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features that are not negative, as Inception's are, of two folders alike."""
    generator = np.random.default_rng(0)
    one_ND, other_MD = (np.abs(generator.normal(shift, 0.4, (90, 300))).astype(np.float32) for shift in (0, 0.05))
    all_SN = np.ones((1, 90))

    def discrepancy() -> float:
        within = (kid_sums.sums_within(features, all_SN)[0] for features in (one_ND, other_MD))
        return float(sum(within) / (90 * 89) - 2 * kid_sums.sums_across(one_ND, all_SN, other_MD, all_SN)[0] / 90**2)

    def plainly(kind: type) -> float:
        kernels = [
            (x.astype(kind) @ y.astype(kind).T / kind(300) + kind(1)).astype(np.float64) ** 3
            for x, y in ((one_ND, one_ND), (other_MD, other_MD), (one_ND, other_MD))
        ]
        within = sum(float(kernel.sum() - np.trace(kernel)) for kernel in kernels[:2]) / (90 * 89)
        return within - 2 * float(kernels[2].mean())

    exact = plainly(np.float64)
    assert discrepancy() == pytest.approx(exact, rel=1e-10)
    monkeypatch.setattr(kid_sums, "_MANY", 0)
    assert discrepancy() == pytest.approx(exact, rel=5e-6), "how much depends on the order in which a processor adds"
    assert 10 * abs(discrepancy() - exact) < abs(plainly(np.float32) - exact)


def test_folders_far_larger_than_their_subsets_are_taken_subset_by_subset() -> None:
    assert kid_sums.is_cheaper_at_once(5_000, 5_000, 100, 1_000)
    assert not kid_sums.is_cheaper_at_once(50_000, 50_000, 100, 1_000)
