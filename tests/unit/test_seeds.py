"""Named seed axes and the one rule that derives streams from them."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.common.seeds import Seeds, derive_seed
from reproductions.harness.context import DeclaredSeeds

PARTS = st.lists(st.text() | st.integers(), max_size=5)


def test_the_rule_is_this() -> None:
    """A change of the rule would change every number of every report."""
    digest = hashlib.sha256(b'["training",3,"noise",7]').digest()
    assert derive_seed("training", 3, "noise", 7) == int.from_bytes(digest[:8], "big") >> 1
    assert Seeds(training=3).derive("training", "noise", 7) == derive_seed("training", 3, "noise", 7)
    assert derive_seed("data", 0) == 8140695113698350710


@given(PARTS, PARTS)
def test_other_parts_other_seed(one: list[str | int], other: list[str | int]) -> None:
    assert 0 <= derive_seed(*one) < 2**63
    assert (derive_seed(*one) == derive_seed(*other)) == (one == other)


def test_axes_are_separate() -> None:
    seeds = Seeds(data=1, generation=1, training=1)
    assert len({seeds.derive(axis) for axis in ("data", "generation", "training")}) == 3
    assert Seeds(data=1).derive("data") == Seeds(data=1, training=9, generation=9).derive("data")


def test_streams_repeat_and_do_not_depend_on_each_other() -> None:
    seeds = Seeds(generation=4)
    late = seeds.numpy("generation", 7).normal(size=3)
    for index in range(7):
        seeds.numpy("generation", index).normal(size=3)
    np.testing.assert_array_equal(seeds.numpy("generation", 7).normal(size=3), late)
    first, second = (torch.randn(3, generator=seeds.torch("generation", 7)) for _ in range(2))
    assert torch.equal(first, second)


def test_global_generators_stay_untouched() -> None:
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    Seeds().torch("training").seed()
    Seeds().numpy("training").normal()
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == legacy  # noqa: NPY002


def test_negative_and_unknown_axes_are_refused() -> None:
    with pytest.raises(ValidationError):
        Seeds(data=-1)
    with pytest.raises(ValidationError):
        Seeds(evaluation=1)  # type: ignore[call-arg]


def test_a_stage_gets_the_axes_it_has_declared_only() -> None:
    seeds = DeclaredSeeds(training=3, declared=("training",))
    assert seeds.derive("training", 1) == Seeds(training=3).derive("training", 1)
    with pytest.raises(AssertionError, match="'data' seeds but does not list them in seed_axes"):
        seeds.numpy("data")
