"""Heat maps to label maps: the worked examples, several classes, and the images that are of no use."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.diffumask_robust.margins import score_margins
from methods.diffumask_robust.pseudo_mask_config import PseudoMaskConfig
from methods.diffumask_robust.pseudo_masks import PseudoMask, make_pseudo_mask, scale_each
from methods.diffumask_robust.reliability import trust_best_of_each_class

ALL_KEPT = PseudoMaskConfig(min_foreground=0, max_foreground=1)


def row(*values: float) -> torch.Tensor:
    return torch.tensor([list(values)])


def made(*rows: torch.Tensor, ids: tuple[int, ...], **changes: object) -> PseudoMask:
    map_C1w = torch.stack(rows)
    config = ALL_KEPT.model_copy(update=changes)
    return make_pseudo_mask(map_C1w, ids, (1, map_C1w.shape[2]), config, is_scaled=True)


# -- the worked examples (Attn2mask section 14) --


@pytest.mark.parametrize(
    ("beta", "expected"), [(0.2, [0, 0, 0, 1, 1, 1]), (0.0, [0, 0, 0, 0, 1, 1]), (-0.2, [0, 0, 0, 0, None, 1])]
)
def test_the_background_channel_is_a_threshold(beta: float, expected: list[int | None]) -> None:
    found = made(row(0, 0.2, 0.39, 0.41, 0.6, 1), ids=(1,), beta=beta).label_HW[0].tolist()
    assert [label for label, wanted in zip(found, expected, strict=True) if wanted is not None] == [
        wanted for wanted in expected if wanted is not None
    ]
    assert pytest.approx((1 - beta) / 2) == ALL_KEPT.model_copy(update={"beta": beta}).threshold


def test_two_classes_their_background_and_their_margins() -> None:
    mask = made(row(0.9, 0.3, 0.45, 0.1), row(0.2, 0.8, 0.44, 0.05), ids=(1, 2))
    assert mask.label_HW.dtype == np.uint8
    assert mask.label_HW.tolist() == [[1, 2, 1, 0]]
    assert np.allclose(mask.score_KHW[0], [[-0.1, 0, 0.35, 0.7]], atol=1e-6)
    assert np.allclose(score_margins(mask.score_KHW, mask.place_HW), [[0.7, 0.5, 0.01, 0.6]])


# -- class ids, several maps of a class, sizes --


def test_labels_are_class_ids_and_places_are_scores() -> None:
    mask = made(row(0.9, 0.3, 0.45, 0.1), row(0.2, 0.8, 0.44, 0.05), ids=(15, 3))
    assert mask.label_HW.tolist() == [[15, 3, 15, 0]]
    assert mask.place_HW.tolist() == [[1, 2, 1, 0]]
    assert mask.class_ids == (15, 3)


def test_two_words_of_a_class_count_by_their_maximum() -> None:
    mask = made(row(0.9, 0.1, 0.1), row(0.1, 0.2, 0.8), row(0.2, 0.7, 0.1), ids=(4, 9, 4))
    assert mask.class_ids == (4, 9)
    assert mask.label_HW.tolist() == [[4, 4, 9]]


@given(st.integers(0, 999), st.sampled_from([-0.4, 0.2, 0.4]))
def test_a_pixel_is_foreground_exactly_where_its_best_class_passes_the_threshold(seed: int, beta: float) -> None:
    map_3hw = torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(seed))
    config = ALL_KEPT.model_copy(update={"beta": beta})
    mask = make_pseudo_mask(map_3hw, (5, 1, 7), (20, 24), config)
    best_HW = mask.score_KHW[1:].max(0)
    clear_HW = np.abs(best_HW - config.threshold) > 1e-6
    assert np.array_equal((mask.label_HW > 0)[clear_HW], (best_HW > config.threshold)[clear_HW])
    assert set(np.unique(mask.label_HW)) <= {0, 5, 1, 7}


def test_channels_are_resized_bilinearly_between_the_centres_of_cells() -> None:
    mask = make_pseudo_mask(row(0.0, 8.0)[None], (1,), (1, 4), ALL_KEPT)
    assert np.allclose(mask.score_KHW[1], [[0, 0.25, 0.75, 1]])
    assert mask.label_HW.tolist() == [[0, 0, 1, 1]]


def test_maps_are_scaled_each_by_itself() -> None:
    scaled, constant = scale_each(torch.tensor([[[1.0, 3.0, 2.0]], [[-10.0, 10.0, 0.0]]]))
    assert scaled.tolist() == [[[0.0, 1.0, 0.5]], [[0.0, 1.0, 0.5]]]
    assert not constant.any()


def test_a_filter_changes_labels_but_not_scores() -> None:
    maps = torch.stack([row(0.9, 0.3, 0.45, 0.1), row(0.2, 0.8, 0.44, 0.05)])
    mask = make_pseudo_mask(
        maps, (6, 8), (1, 4), ALL_KEPT, is_scaled=True, label_filter=lambda place_HW: np.array([[0, 2, 2, 0]], np.uint8)
    )
    assert mask.label_HW.tolist() == [[0, 8, 8, 0]]
    assert np.allclose(score_margins(mask.score_KHW, mask.place_HW), [[-1.0, 0.5, -0.01, 0.6]])


# -- images that are of no use, and bad maps --


@pytest.mark.parametrize("bad", [0.5, torch.nan, torch.inf, -torch.inf])
def test_a_map_that_says_nothing_never_wins_and_drops_the_image(bad: float) -> None:
    maps = torch.stack([torch.full((4, 4), 0.5), torch.eye(4)])
    maps[0, 1, 2] = bad
    mask = make_pseudo_mask(maps, (7, 3), (4, 4), ALL_KEPT)
    assert mask.dropped == "constant map of class 7"
    assert np.array_equal(mask.label_HW, np.eye(4) * 3)
    assert np.isfinite(mask.score_KHW).all()


def test_scaled_maps_that_are_no_numbers_count_as_nothing() -> None:
    mask = made(row(torch.nan, torch.nan), row(0.9, 0.1), ids=(2, 1))
    assert mask.dropped == "constant map of class 2"
    assert mask.label_HW.tolist() == [[1, 0]]
    assert np.isfinite(mask.score_KHW).all()


@pytest.mark.parametrize(
    ("num_pixels", "dropped"),
    [
        (0, "foreground 0.00% is below 1.00%"),
        (1, "foreground 0.50% is below 1.00%"),
        (2, ""),
        (190, ""),
        (191, "foreground 95.50% is above 95.00%"),
    ],
)
def test_too_little_and_too_much_foreground_drop_the_image(num_pixels: int, dropped: str) -> None:
    one_11w = (torch.arange(200) < num_pixels).float()[None, None] * 0.9 + 0.05
    mask = make_pseudo_mask(one_11w, (1,), (1, 200), PseudoMaskConfig(), is_scaled=True)
    assert mask.dropped == dropped


def test_one_pixel_of_a_class_stays_and_is_not_trusted() -> None:
    mask = made(row(0.9, 0.1, 0.8, 0.1), row(0.0, 0.0, 0.0, 0.9), ids=(1, 2))
    assert mask.label_HW.tolist() == [[1, 0, 1, 2]]
    trusted = trust_best_of_each_class(score_margins(mask.score_KHW, mask.place_HW), mask.label_HW)
    assert trusted.tolist() == [[True, False, False, False]]


def test_without_a_background_class_weak_pixels_are_ignored() -> None:
    config = PseudoMaskConfig(weak_pixels="ignored")
    maps = torch.stack([row(0.9, 0.1, 0.3), row(0.2, 0.8, 0.3)])
    mask = make_pseudo_mask(maps, (0, 13), (1, 3), config, is_scaled=True)
    assert mask.label_HW.tolist() == [[0, 13, 255]]
    assert make_pseudo_mask(maps[..., :2], (0, 13), (1, 2), config, is_scaled=True).dropped == ""


@pytest.mark.parametrize(
    ("ids", "message"),
    [((), "there are 0 class ids"), ((1,), "there are 1 class ids"), ((0, 1), "1 to 254"), ((1, 255), "1 to 254")],
)
def test_class_ids_that_do_not_fit_are_refused(ids: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_pseudo_mask(torch.rand(2, 3, 3), ids, (3, 3), PseudoMaskConfig())


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="min_foreground"):
        PseudoMaskConfig(min_foreground=0.5, max_foreground=0.4)
