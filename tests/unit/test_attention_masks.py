"""From attention to label maps: the algebra, the band, and what constant maps do."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.common.generators.attention_masks import (
    Thresholds,
    class_maps,
    label_maps,
    label_pixels,
    normalise,
    refine,
    resize,
)
from methods.common.generators.class_prompts import NamedTokens

BAND = Thresholds()
CAT, DOG, CAT_AGAIN = NamedTokens("cat", (1,)), NamedTokens("dog", (2, 3)), NamedTokens("cat", (4,))
LABELS = {"cat": 7, "dog": 9}


def attention(seed, rows, columns):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).mul(2).softmax(-1)


@given(st.integers(0, 999), st.integers(2, 6))
def test_a_power_is_the_matrix_power_and_its_rows_sum_to_one(seed, side):
    self_QQ = attention(seed, side**2, side**2)
    powers = refine(self_QQ, torch.eye(side**2), (4, 1, 2))
    assert set(powers) == {1, 2, 4}
    for power, matrix_QQ in powers.items():
        expected = torch.linalg.matrix_power(self_QQ.double(), power)
        torch.testing.assert_close(matrix_QQ, expected, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(matrix_QQ.sum(1), torch.ones(side**2, dtype=torch.float64))


@given(st.integers(0, 999), st.floats(1e-3, 1.0), st.sampled_from([2, 4, 8]))
def test_a_constant_map_stays_constant_and_gives_background(seed, value, cross_side):
    cross_QT = torch.full((cross_side**2, 5), value)
    made = label_maps({8: attention(seed, 64, 64)}, {cross_side: cross_QT}, (1, 4), [CAT, DOG], LABELS, (16, 16), BAND)
    for found in made.values():
        assert not found.label_HW.any()
        assert found.constant == ("cat", "dog")


def test_a_map_that_is_no_number_counts_as_constant():
    scaled, constant = normalise(torch.stack([torch.full((2, 2), torch.nan), torch.eye(2)]))
    assert constant.tolist() == [True, False]
    assert torch.equal(scaled, torch.stack([torch.zeros(2, 2), torch.eye(2)]))


@given(st.integers(0, 999))
def test_maps_are_scaled_each_by_itself(seed):
    map_MHW = (
        torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(seed))
        * torch.tensor([1e-3, 1.0, 50.0])[:, None, None]
    )
    scaled, constant = normalise(map_MHW)
    assert not constant.any()
    assert scaled.amin((1, 2)).tolist() == [0, 0, 0]
    assert scaled.amax((1, 2)).tolist() == [1, 1, 1]


@given(st.integers(0, 999))
def test_identity_gives_the_thresholded_cross_attention(seed):
    cross_QT = attention(seed, 64, 5)
    made = label_maps({8: torch.eye(64)}, {8: cross_QT}, (4,), [CAT], LABELS, (8, 8), BAND)[8, 8, 4]
    map_HW = cross_QT[:, 1].reshape(8, 8).double().numpy()
    scaled = (map_HW - map_HW.min()) / (map_HW.max() - map_HW.min())
    expected = np.where(scaled >= 0.6, 7, np.where(scaled >= 0.5, 255, 0))
    sure = (abs(scaled - 0.6) > 1e-5) & (abs(scaled - 0.5) > 1e-5)
    assert np.array_equal(made.label_HW[sure], expected[sure])
    assert made.constant == ()


@pytest.mark.parametrize(("value", "label"), [(0.49, 0), (0.50, 255), (0.59, 255), (0.60, 7), (1.1, 7), (-0.1, 0)])
def test_thresholds(value, label):
    map_MHW = torch.tensor([value, value - 0.2]).reshape(2, 1, 1)
    assert label_pixels(map_MHW, torch.tensor([7, 9], dtype=torch.uint8), BAND).tolist() == [[label]]


def test_without_a_band_no_pixel_is_uncertain():
    map_MHW = torch.linspace(0, 1, 100).reshape(1, 10, 10)
    label_HW = label_pixels(map_MHW, torch.tensor([3], dtype=torch.uint8), Thresholds(0.5, 0.5))
    assert set(label_HW.unique().tolist()) == {0, 3}


def test_the_largest_map_wins_and_repeated_names_count_by_their_maximum():
    cat, dog, again = torch.zeros(3, 2, 2)
    cat[0, 0], dog[0, 1], again[1, 0] = 1, 0.9, 0.8
    dog[1, 0] = 0.7
    labels = torch.tensor([7, 9, 7], dtype=torch.uint8)
    assert label_pixels(torch.stack([cat, dog, again]), labels, BAND).tolist() == [[7, 9], [7, 0]]


def test_two_tokens_of_a_name_are_averaged():
    cross_QT = attention(1, 16, 6)
    maps = class_maps(cross_QT, [CAT, DOG])
    torch.testing.assert_close(maps[0].flatten(), cross_QT[:, 1])
    torch.testing.assert_close(maps[1].flatten(), (cross_QT[:, 2] + cross_QT[:, 3]) / 2)


def test_every_variant_equals_the_steps_one_by_one():
    own = {8: attention(1, 64, 64), 4: attention(2, 16, 16)}
    cross = {8: attention(3, 64, 6), 4: attention(4, 16, 6), 2: attention(5, 4, 6)}
    names = [CAT, DOG, CAT_AGAIN]
    made = label_maps(own, cross, (4, 1), names, LABELS, (24, 32), BAND)
    assert len(made) == 2 * 3 * 2
    labels = torch.tensor([7, 9, 7], dtype=torch.uint8)
    for (own_side, cross_side, power), found in made.items():
        map_Mrr = resize(class_maps(cross[cross_side], names), own_side, own_side)
        map_MQ = torch.linalg.matrix_power(own[own_side].double(), power) @ map_Mrr.flatten(1).T.double()
        scaled, _ = normalise(map_MQ.T.reshape(3, own_side, own_side))
        expected = label_pixels(resize(scaled.float(), 24, 32), labels, BAND)
        assert found.label_HW.shape == (24, 32)
        assert found.label_HW.dtype == np.uint8
        assert (torch.from_numpy(found.label_HW) != expected).sum() <= 2  # rounding at a threshold


def test_every_named_class_owns_some_pixel_where_its_map_has_its_peak():
    cross_QT = torch.zeros(64, 6)
    cross_QT[9, 1], cross_QT[54, 2] = 1.0, 1e-4  # the dog is hardly there, and gets a confident blob
    made = label_maps({8: torch.eye(64)}, {8: cross_QT}, (4,), [CAT, DOG], LABELS, (8, 8), BAND)[8, 8, 4]
    assert set(np.unique(made.label_HW)) == {0, 7, 9}
