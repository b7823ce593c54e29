"""Cutting and filtering."""

import numpy as np
import pytest

from methods.mrca.cut import (
    CutConfig,
    composite,
    crop_rgba,
    cut_objects,
    judge_cut,
    largest_component,
    score_on_white_and_black,
)

IMAGE = np.full((20, 30, 3), 100, np.uint8)


def soft(y0, y1, x0, x1, value=1.0):
    mask = np.zeros((20, 30), np.float32)
    mask[y0:y1, x0:x1] = value
    return mask


def test_composite_fades_into_the_background():
    half = composite(IMAGE, soft(0, 20, 0, 15, 0.5), 255)
    assert half[0, 0].tolist() == [178, 178, 178]  # 0.5 * 100 + 0.5 * 255 = 177.5
    assert half[0, 20].tolist() == [255, 255, 255]
    assert composite(IMAGE, soft(0, 20, 0, 15), 0)[0].max(axis=1).tolist() == [100] * 15 + [0] * 15


def test_only_the_largest_part_stays_and_diagonals_connect():
    mask = np.zeros((6, 6), bool)
    mask[0, 0] = mask[1, 1] = mask[2, 2] = True
    mask[5, 4:] = True
    kept = largest_component(mask)
    assert np.argwhere(kept).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert not largest_component(np.zeros((4, 4), bool)).any()


def test_crop_is_tight_and_black_outside_the_mask():
    mask = np.zeros((20, 30), bool)
    mask[3:6, 10], mask[5, 10:14] = True, True
    rgba = crop_rgba(IMAGE, mask)
    assert rgba.shape == (3, 4, 4)
    assert rgba[0, 0].tolist() == [100, 100, 100, 255]
    assert rgba[0, 3].tolist() == [0, 0, 0, 0]
    assert (rgba[..., 3] > 0).sum() == 6


@pytest.mark.parametrize(
    ("mask", "score", "outcome"),
    [
        (soft(2, 10, 5, 15), 25.0, "accepted"),
        (soft(2, 10, 5, 15), 24.99, "clip_score"),
        (soft(2, 10, 5, 15, 0.5), 30.0, "accepted"),
        (soft(2, 10, 5, 15, 0.49), 30.0, "empty_mask"),
        (soft(0, 2, 0, 3), 30.0, "accepted"),  # exactly 1 % of 600 pixels
        (soft(0, 1, 0, 5), 30.0, "too_small"),
        (soft(0, 19, 0, 30), 30.0, "accepted"),  # exactly 95 %
        (soft(0, 20, 0, 29), 30.0, "too_large"),
        (soft(0, 20, 0, 30), 3.0, "clip_score"),  # the first test that fails is named
    ],
)
def test_each_reason_to_drop_an_object(mask, score, outcome):
    result = judge_cut(IMAGE, mask, score, CutConfig())
    assert result.outcome == outcome
    assert (result.rgba_HW4 is not None) == (outcome == "accepted")
    assert result.clip_score == score


def test_area_is_that_of_the_largest_part():
    mask = soft(2, 10, 5, 15) + soft(15, 17, 20, 23)
    result = judge_cut(IMAGE, mask, 30, CutConfig())
    assert result.area_fraction == pytest.approx(80 / 600)
    assert result.rgba_HW4.shape == (8, 10, 4)


def scorer(images, texts):
    """Brightness in percent for texts that say so, darkness for the others."""
    bright = images.reshape(len(images), -1).mean(axis=1) / 2.55
    return [value if text == "bright" else 100 - value for value, text in zip(bright, texts, strict=True)]


def test_the_better_of_white_and_black_counts():
    images, masks = np.stack([IMAGE * 0, IMAGE * 0]), np.zeros((2, 20, 30), np.float32)
    assert score_on_white_and_black(images, masks, ["bright", "dark"], scorer) == pytest.approx([100, 100])
    masks[:] = 1  # black objects that fill the image: the background does not show
    assert score_on_white_and_black(images, masks, ["bright", "dark"], scorer) == pytest.approx([0, 100])


def test_a_batch_is_cut_and_the_reasons_are_told():
    images = np.stack([IMAGE] * 3)
    masks = np.stack([soft(2, 10, 5, 15), soft(0, 1, 0, 1), soft(0, 20, 0, 30)])
    results = cut_objects(images, masks, ["bright"] * 3, scorer, CutConfig(min_clip_score=50))
    assert [result.outcome for result in results] == ["accepted", "too_small", "clip_score"]
    assert results[2].clip_score == pytest.approx(39.2, abs=0.1)  # 100 of 255, wherever it lies
    assert cut_objects(images[:0], masks[:0], [], scorer, CutConfig()) == []
