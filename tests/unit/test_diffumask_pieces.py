"""DiffuMask's ideas by hand: split of a heat map, regions, area rules, adaptive threshold, pruning, mosaics, distortions."""

import numpy as np
import pytest
from pydantic import ValidationError

from methods.common.dense_crf.mean_field import infer
from methods.common.dense_crf.unary import energy_of_labels
from methods.common.errors import InputError
from methods.diffumask_robust.crf import diffumask_seed_crf, diffumask_threshold_crf
from methods.diffumask_robust.diffumask.adaptive_threshold import agreement, choose_threshold
from methods.diffumask_robust.diffumask.area_config import AreaRule, rule_of
from methods.diffumask_robust.diffumask.area_filter import why_filtered
from methods.diffumask_robust.diffumask.distortions import blurred, distort, occluded, seen_from_elsewhere
from methods.diffumask_robust.diffumask.mosaic_config import (
    NO_DISTORTIONS,
    RELEASED_MOSAICS,
    Blur,
    Distortions,
    Mosaics,
    Occlusion,
    Perspective,
)
from methods.diffumask_robust.diffumask.mosaics import draw_mosaic, splice
from methods.diffumask_robust.diffumask.noise_learning import (
    assign_folds,
    class_iou,
    keep_best_of_each_class,
    number_kept,
)
from methods.diffumask_robust.diffumask.regions import fill_regions
from methods.diffumask_robust.diffumask.seed_labels import seed_labels
from methods.diffumask_robust.diffumask.smoothing import MaskSmoother
from methods.diffumask_robust.diffumask.split_config import SplitConfig, split_of
from methods.diffumask_robust.diffumask.split_levels import Levels, fullest_bin, split_levels

# ---- split of a heat map


def test_the_split_is_the_fullest_bin_of_the_window_and_levels_are_means_with_constants() -> None:
    values = np.array([0.10] * 40 + [0.20] * 20 + [0.475] * 3 + [0.515] * 5 + [0.465] * 3 + [0.8] * 20 + [0.9] * 9)
    map_hw = values.reshape(10, 10)
    assert fullest_bin(map_hw, SplitConfig()) == pytest.approx(0.51)
    levels = split_levels(map_hw, SplitConfig())
    assert levels.split == pytest.approx(0.51)
    assert levels.foreground == pytest.approx((5 * 0.515 + 20 * 0.8 + 9 * 0.9) / 34 - 0.04)
    assert levels.background == pytest.approx((40 * 0.1 + 20 * 0.2 + 3 * 0.475 + 3 * 0.465) / 66 + 0.02)
    assert fullest_bin(map_hw, SplitConfig(low=0.46, high=0.49)) == pytest.approx(0.46), "the first of equal bins"
    assert fullest_bin(np.zeros((4, 4)), SplitConfig()) == 0.45


def test_the_split_moves_until_each_side_is_large_enough() -> None:
    few = np.array([0.08] * 45 + [0.12] * 45 + [0.38] * 6 + [0.45] * 2 + [0.7] * 2).reshape(10, 10)
    # Above 0.45 are two alike, none above their mean; above 0.42 are four, two of them above their mean, and no split has more.
    assert split_levels(few, SplitConfig(min_share=0.0)).split == pytest.approx(0.45)
    assert split_levels(few, SplitConfig()).split == pytest.approx(0.3), "no lower"
    assert split_levels(few, SplitConfig(min_share=0.02)).split == pytest.approx(0.42)
    much = np.array([0.44] * 2 + [0.5] * 8 + [0.9] * 90).reshape(10, 10)
    # Below 0.45 are two alike, none below their mean; from 0.51 on, two are below the mean of ten: 0.488.
    assert split_levels(much, SplitConfig(high=0.46, min_share=0.02)).split == pytest.approx(0.51)


def test_classes_have_the_released_splits() -> None:
    assert split_of("bird") == SplitConfig()
    assert split_of("person").min_share == 0.01
    assert (split_of("diningtable").low, split_of("diningtable").foreground) == (0.55, -0.04)
    assert split_of("boat") == split_of("aeroplane") != split_of("sofa")
    with pytest.raises(ValidationError, match="leave no bin"):
        SplitConfig(low=0.5, high=0.5)


# ---- labels of cells and the dense CRF


def test_seed_labels_are_sure_where_both_levels_agree() -> None:
    image = np.zeros((8, 12, 3), np.uint8)
    map_hw = np.repeat(np.repeat(np.array([[0.9, 0.5, 0.1], [0.9, 0.9, 0.1]]), 4, 0), 4, 1)
    levels = Levels(0.45, 0.7, 0.2)
    assert seed_labels(image, map_hw, levels, 4, 5, None).tolist() == [[1, 255, 0], [1, 1, 0]]
    cut = seed_labels(image[:7, :9], map_hw[:7, :9], levels, 4, 5, None)
    assert cut.tolist() == [[1, 255, 0], [1, 1, 0]], "cells at the border may be cut"


def test_the_complement_as_released_makes_nearly_everything_one_class() -> None:
    """The least likely of five classes is one that the image does not show, wherever the CRF is at all sure."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (32, 32, 3), np.uint8)
    map_hw = np.zeros((32, 32))
    map_hw[8:24, 8:24] = 0.9
    arguments = image, map_hw, Levels(0.45, 0.7, 0.2), 4, 5, diffumask_seed_crf()
    meant = seed_labels(*arguments)
    assert set(np.unique(meant)) == {0, 1}
    released = seed_labels(*arguments, complement="as_released")
    assert (released == 2).mean() > 0.9


def test_a_dense_crf_has_a_label_for_each_class_of_the_data_set() -> None:
    image = np.full((24, 24, 3), 200, np.uint8)
    mask = np.zeros((24, 24), bool)
    mask[4:20, 4:20] = True
    image[mask] = 40
    dented = mask.copy()
    dented[11, 11] = False
    for smoothing in (diffumask_seed_crf(), diffumask_threshold_crf()):
        assert smoothing.crf.iterations == 10
        probability = MaskSmoother(image, 5, smoothing).probabilities(dented)
        every = infer(energy_of_labels(dented.astype(np.uint8), 5, smoothing.certainty), image, smoothing.crf)
        assert np.allclose(probability, every[:3], atol=1e-6), "one label stands for three that are alike"
        assert np.allclose(every[2:], every[2:3], atol=1e-6)
        assert probability[1][11, 11] > 0.5, "a dent is mended"
    undecided = MaskSmoother(image, 2, diffumask_threshold_crf()).probabilities(dented)
    assert np.allclose(undecided, 0.5, atol=1e-3), "with two labels a certainty of one half says nothing"
    assert np.array_equal(MaskSmoother(image, 3, None).probabilities(dented)[1], dented)


# ---- regions, area rules and the adaptive threshold


def test_large_regions_stay_and_are_filled() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:12, 2:12] = True
    mask[4:10, 4:10] = False
    mask[6, 6] = True  # in the hole
    mask[15:18, 15:18] = True  # a box of 9 pixels
    mask[14, 3], mask[15, 4] = True, True  # touch at a corner: a box of 4
    filled = np.zeros_like(mask)
    filled[2:12, 2:12] = True
    assert np.array_equal(fill_regions(mask, 10), filled)
    filled[15:18, 15:18] = True
    assert np.array_equal(fill_regions(mask, 9), filled)
    filled[14, 3] = filled[15, 4] = True
    assert np.array_equal(fill_regions(mask, 4), filled)
    assert not fill_regions(np.zeros((5, 5), bool), 0).any()


def test_area_rules() -> None:
    mask = np.zeros((20, 20), bool)
    assert why_filtered(mask, rule_of("bird")) == "empty mask"
    mask[0, :10] = True  # 2.5%
    assert why_filtered(mask, rule_of("bird")) == ""
    assert why_filtered(mask, rule_of("person")) == "area 2.50% is outside of 5% to 50%"
    mask[:11] = True  # 55%
    assert why_filtered(mask, rule_of("person"))
    assert not why_filtered(mask, rule_of("diningtable"))
    mask[:19] = True  # 95%
    assert why_filtered(mask, rule_of("sofa"))
    assert why_filtered(mask, rule_of("pottedplant"))


def test_a_screen_is_wide_and_fills_its_box() -> None:
    rule = rule_of("tvmonitor")
    mask = np.zeros((30, 30), bool)
    mask[5:15, 5:25] = True
    assert why_filtered(mask, rule) == ""
    assert "aspect 0.50" in why_filtered(mask.T, rule)
    wide = np.zeros((30, 30), bool)
    wide[5:15, 2:28] = True
    assert "aspect 2.60" in why_filtered(wide, rule)
    mask[6:14, 6:24] = False
    assert "fills 28% of its box" in why_filtered(mask, rule)
    mask[20:28, 0:2] = True  # another, smaller region is not looked at
    assert "fills 28%" in why_filtered(mask, rule)
    with pytest.raises(ValidationError, match="swap them"):
        AreaRule(min_share=0.5, max_share=0.4)


def test_the_threshold_that_agrees_best_wins() -> None:
    map_hw = np.array([[0.2, 0.4, 0.6, 0.8]])
    walked = np.array([[False, False, True, True]])
    chosen = choose_threshold((0.1, 0.3, 0.5, 0.55, 0.7), lambda threshold: map_hw > threshold, walked)
    assert (chosen.threshold, chosen.agreement) == (0.5, 0.5)
    assert np.array_equal(chosen.mask_HW, walked)
    assert agreement(np.array([True, True, True]), np.array([False, True, False])) == 0.25
    nothing = choose_threshold((0.1, 0.9), lambda threshold: map_hw > threshold, np.zeros((1, 4), bool))
    assert nothing.threshold is None
    assert not nothing.mask_HW.any()


# ---- noise learning


@pytest.mark.parametrize(("num_images", "kept"), [(10, 3), (100, 30), (8000, 2400), (15000, 4500)])
def test_the_selection_of_the_worked_example(num_images: int, kept: int) -> None:
    assert number_kept(num_images, 0.7) == kept


def test_shares_count_as_they_are_written() -> None:
    assert int(10 * (1 - 0.9)) == 0, "what binary fractions make of it"
    assert [number_kept(10, share) for share in (0.0, 0.3, 0.8, 0.9, 1.0)] == [10, 7, 2, 1, 0]
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        number_kept(10, 1.1)


def test_the_best_of_each_class_stay() -> None:
    ids, names = ["a", "b", "c", "d", "e", "f"], ["cat", "cat", "cat", "dog", "dog", "dog"]
    iou = [0.9, 0.2, 0.8, 0.1, 0.05, 0.1]
    assert keep_best_of_each_class(ids, names, iou, 0.6) == {"a", "d"}
    assert keep_best_of_each_class(ids, names, iou, 0.3) == {"a", "c", "d", "f"}


def test_folds_hold_every_class_and_depend_on_ids_alone() -> None:
    ids = [f"{number:03d}" for number in range(40)]
    names = ["cat" if number < 30 else "dog" for number in range(40)]
    folds = dict(zip(ids, assign_folds(ids, names, 3), strict=True))
    turned = dict(zip(ids[::-1], assign_folds(ids[::-1], names[::-1], 3), strict=True))
    assert folds == turned
    for low, high, expected in ((0, 30, [10, 10, 10]), (30, 40, [4, 3, 3])):
        assert [sum(folds[name] == fold for name in ids[low:high]) for fold in range(3)] == expected
    assert [folds[name] for name in ids[:30]] != [number % 3 for number in range(30)]
    with pytest.raises(ValueError, match="2 or more"):
        assign_folds(ids, names, 1)


def test_the_iou_of_a_class_leaves_out_unknown_pixels() -> None:
    label, predicted = np.array([2, 2, 2, 0, 255, 0]), np.array([2, 2, 0, 2, 2, 1])
    assert class_iou(predicted, label, 2) == 0.5
    assert class_iou(np.zeros(6, int), np.zeros(6, int), 2) == 0.0


# ---- splicing and distortions


def tile(value: int, height: int = 4, width: int = 6):
    image = np.full((height, width, 3), value, np.uint8)
    return image, np.full((height, width), value, np.uint8), np.full((height, width), value % 2 == 0)


def test_a_mosaic_puts_pictures_row_by_row_unresized() -> None:
    image, label, trusted = splice([tile(value) for value in range(1, 7)], 2, 3)
    assert label.shape == trusted.shape == (8, 18)
    assert label[::4, ::6].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert np.array_equal(image[..., 1], label)
    assert np.array_equal(trusted, label % 2 == 0)
    with pytest.raises(InputError, match="of 6x4 and 6x5 pixels"):
        splice([tile(1), tile(2, height=5)], 1, 2)


def test_mosaics_are_drawn_with_replacement_and_half_of_the_pairs_lie() -> None:
    pair = RELEASED_MOSAICS[0]
    assert [(one.rows, one.columns, one.count) for one in RELEASED_MOSAICS] == [
        (1, 2, 3000), (2, 2, 3000), (3, 3, 4000), (5, 5, 3000), (6, 6, 2000), (7, 7, 2000), (8, 8, 1000)
    ]  # fmt: skip
    drawn = [draw_mosaic(pair, 5, np.random.default_rng(seed)) for seed in range(400)]
    assert {(one.rows, one.columns) for one in drawn} == {(1, 2), (2, 1)}
    assert 160 < sum(one.rows == 2 for one in drawn) < 240
    assert any(len(set(one.indices)) == 1 for one in drawn)
    assert len(draw_mosaic(Mosaics(rows=3, columns=2, count=1), 5, np.random.default_rng(0)).indices) == 6


def scene():
    generator = np.random.default_rng(3)
    image = generator.integers(0, 256, (40, 50, 3), np.uint8)
    label = np.zeros((40, 50), np.uint8)
    label[10:30, 10:40] = 3
    return image, label, np.ones((40, 50), bool)


def test_blur_changes_the_picture_alone() -> None:
    item = scene()
    image, label, trusted = blurred(item, Blur(min_sigma=0.05, max_sigma=0.05), np.random.default_rng(0))
    assert label is item[1]
    assert trusted is item[2]
    assert image.std() < item[0].std() / 3
    assert abs(image.mean() - item[0].mean()) < 3


def test_a_box_before_the_scene_is_background_of_one_colour() -> None:
    item = scene()
    config = Occlusion(max_boxes=1, min_side=0.2, max_side=0.2)
    for seed in range(5):
        image, label, trusted = occluded(item, config, np.random.default_rng(seed))
        changed = (image != item[0]).any(2)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (8, 10)
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        assert not label[box].any()
        assert len(np.unique(image[box].reshape(-1, 3), axis=0)) == 1
        assert (label != item[1]).sum() == item[1][box].astype(bool).sum()
        assert trusted.all()
    assert item[1].sum() == scene()[1].sum(), "what is given stays"


def test_another_view_moves_picture_and_labels_alike() -> None:
    label = scene()[1]
    image = np.repeat(label[..., None] * 80, 3, 2)
    moved, moved_label, trusted = seen_from_elsewhere(
        (image, label, np.ones(label.shape, bool)), Perspective(max_move=0.2), np.random.default_rng(1)
    )
    outside = moved_label == 255
    assert 0.02 < outside.mean() < 0.5
    assert np.array_equal(trusted, ~outside)
    agree = (moved[..., 0] > 120) == (moved_label == 3)
    assert agree[~outside].mean() > 0.95
    assert not np.array_equal(moved_label == 3, label == 3)


def test_distortions_are_the_same_for_a_seed_and_do_not_depend_on_each_other() -> None:
    item = scene()
    strong = Blur(chance=1, min_sigma=0.05, max_sigma=0.05)
    always = Distortions(blur=strong, occlusion=Occlusion(chance=1), perspective=Perspective(chance=1))
    once, again = (distort(item, always, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(once, again, strict=True))
    sharp = distort(item, always.model_copy(update={"blur": None}), np.random.default_rng(5))
    assert np.array_equal(sharp[1], once[1])
    assert not np.array_equal(sharp[0], once[0])
    untouched = distort(item, NO_DISTORTIONS, np.random.default_rng(5))
    assert all(one is other for one, other in zip(untouched, item, strict=True))
    never = Distortions(blur=Blur(chance=0), occlusion=Occlusion(chance=0), perspective=Perspective(chance=0))
    assert distort(item, never, np.random.default_rng(5))[0] is item[0]
