"""Training crops of semantic segmentation: sizes, crops, colours, padding, and the same for the same numbers."""

import colorsys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.common.segmenters.semantic import augmentation
from methods.common.segmenters.semantic.augmentation import (
    Window,
    augment,
    choose_crop,
    distort_colours,
    is_filled,
    pad,
    read_labels,
    read_window,
    scaled_size,
)
from methods.common.segmenters.semantic.augmentation_config import PhotometricConfig, SemanticAugmentConfig

PLAIN = SemanticAugmentConfig(crop_px=32, photometric=None)


def picture(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose red channel holds its label times 10."""
    rng = np.random.default_rng(seed)
    label_HW = rng.integers(0, 5, (height, width), dtype=np.uint8)
    image_HW3 = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    image_HW3[..., 0] = label_HW * 10
    return image_HW3, label_HW


def test_short_sides_are_the_sixteen_of_the_specification() -> None:
    sides = SemanticAugmentConfig().short_sides_px
    assert len(sides) == 16
    assert sides[:3] == (256, 307, 358)
    assert sides[-1] == 1024


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [((375, 500), 256, (256, 341)), ((500, 375), 1024, (1365, 1024)), ((100, 1000), 512, (205, 2048))],
)
def test_sizes_keep_the_shape_and_the_longest_side(size, short_side, expected) -> None:
    assert scaled_size(*size, short_side, SemanticAugmentConfig()) == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32), st.booleans())
def test_crops_are_padded_to_the_side_and_labels_follow_the_image(height, width, seed, mirrored) -> None:
    """Unscaled, so that the red channel still names the label of each pixel."""
    image_HW3, label_HW = picture(height, width)
    side = min(height, width)
    if side < 16 or max(height, width) > 4 * side:
        return
    config = PLAIN.model_copy(
        update={
            "crop_px": side,
            "min_scale_tenths": 10,
            "max_scale_tenths": 10,
            "flip_probability": float(mirrored),
        }
    )
    crop_SS3, crop_SS = augment(image_HW3, label_HW, config, np.random.default_rng(seed))
    assert crop_SS3.shape == (side, side, 3)
    assert np.array_equal(crop_SS3[..., 0], crop_SS * 10)


def test_small_images_are_padded_with_black_and_ignored() -> None:
    image_HW3, label_HW = picture(20, 24)
    config = PLAIN.model_copy(update={"crop_px": 40, "max_scale_tenths": 5, "flip_probability": 0.0})
    crop_SS3, crop_SS = augment(image_HW3, label_HW, config, np.random.default_rng(0))
    assert np.array_equal(crop_SS3[:20, :24], image_HW3)
    assert not crop_SS3[20:].any()
    assert not crop_SS3[:, 24:].any()
    assert (crop_SS[20:] == 255).all()
    assert (crop_SS[:, 24:] == 255).all()


def test_pad_leaves_full_crops_alone() -> None:
    pixels = np.ones((8, 8), np.uint8)
    assert pad(pixels, 8, 255) is pixels


@pytest.mark.parametrize("size", [(30, 44), (77, 61), (50, 60), (25, 30)])
def test_windows_are_those_of_the_scaled_picture(size) -> None:
    image_HW3, label_HW = picture(50, 60)
    window = Window(3, 5, 20, 22)
    scaled_hw3 = cv2.resize(image_HW3, size[::-1], interpolation=cv2.INTER_LINEAR)
    scaled_hw = cv2.resize(label_HW, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    part = np.s_[3:23, 5:27]
    assert np.array_equal(read_window(image_HW3, size, window), scaled_hw3[part])
    assert np.array_equal(read_labels(label_HW, size, window), scaled_hw[part])


@pytest.mark.parametrize(
    ("counts", "filled"),
    [
        ({0: 75, 1: 25}, True),
        ({0: 74, 1: 26}, False),
        ({0: 50, 255: 50}, True),  # the only rated class
        ({255: 100}, True),
        ({0: 37, 1: 13, 255: 50}, False),  # 74 % of what is rated
    ],
)
def test_a_crop_is_filled_from_three_quarters_of_the_rated_pixels_on(counts, filled) -> None:
    label_HW = np.repeat(np.array([*counts], np.uint8), [*counts.values()]).reshape(10, 10)
    assert is_filled(label_HW, 0.75) is filled
    assert is_filled(label_HW, 1.0) is False


def test_crops_avoid_one_class_where_they_can_and_give_up_after_ten() -> None:
    label_HW = np.zeros((32, 400), np.uint8)
    label_HW[:, :40] = 1
    seen, tries = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, label_hw = choose_crop(label_HW, (32, 400), PLAIN, rng)
        seen.append(is_filled(label_hw, 0.75))
        _, label_hw = choose_crop(label_HW, (32, 400), PLAIN.model_copy(update={"crop_retries": 0}), rng)
        tries.append(is_filled(label_hw, 0.75))
    assert 0 < sum(seen) < 0.8 * sum(tries)


def test_a_filled_image_is_tried_eleven_times(monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(augmentation, "is_filled", lambda *_: calls.append(0) or True)
    choose_crop(np.zeros((64, 64), np.uint8), (64, 64), PLAIN, np.random.default_rng(0))
    assert len(calls) == 10, "the eleventh crop is taken unseen"


def test_the_same_numbers_make_the_same_crop_and_others_another() -> None:
    image_HW3, label_HW = picture(50, 70)
    config = SemanticAugmentConfig(crop_px=32)
    first, again, other = (augment(image_HW3, label_HW, config, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


class Fixed:
    """A generator that says yes to some changes, and always draws the middle or a given number."""

    def __init__(self, changes, contrast_last=False, uniform=None, integer=0):
        self.changes, self.contrast_last, self.drawn, self.integer = changes, contrast_last, uniform, integer

    def random(self, size=None):
        return float(not self.contrast_last) if size is None else 1.0 - np.array(self.changes, float)

    def uniform(self, low, high):
        return self.drawn if low <= self.drawn <= high else pytest.fail(f"{self.drawn} is not drawn from {low}, {high}")

    def integers(self, low, high):
        assert (low, high) == (-18, 18)
        return self.integer


COLOURS = np.array([[[200, 10, 10], [10, 200, 30], [60, 60, 250], [120, 110, 100]]], np.uint8)


def test_brightness_adds_and_contrast_multiplies_with_limits() -> None:
    config = PhotometricConfig()
    brighter = distort_colours(COLOURS, config, Fixed([1, 0, 0, 0], uniform=30.0))
    assert np.array_equal(brighter, np.clip(COLOURS.astype(int) + 30, 0, 255))
    starker = distort_colours(COLOURS, config, Fixed([0, 1, 0, 0], uniform=1.5))
    assert np.array_equal(starker, np.clip(COLOURS * 1.5, 0, 255).astype(np.uint8))
    assert distort_colours(COLOURS, config, Fixed([0, 0, 0, 0])) is COLOURS


def test_contrast_first_or_last_makes_a_difference_only_with_hue_or_saturation() -> None:
    config, both = PhotometricConfig(), [0, 1, 1, 0]
    last, first = (distort_colours(COLOURS, config, Fixed(both, order, 1.5)) for order in (True, False))
    assert not np.array_equal(last, first)
    alone = [distort_colours(COLOURS, config, Fixed([1, 1, 0, 0], order, 1.5)) for order in (True, False)]
    assert np.array_equal(*alone)


def test_hue_and_saturation_are_changed_in_hsv() -> None:
    config = PhotometricConfig()
    shifted = distort_colours(COLOURS, config, Fixed([0, 0, 0, 1], integer=-18))
    paler = distort_colours(COLOURS, config, Fixed([0, 0, 1, 0], uniform=0.5))
    for place in range(3):  # the fourth is nearly grey, where the hue has few steps
        hue, saturation, value = colorsys.rgb_to_hsv(*(COLOURS[0, place] / 255))
        moved = colorsys.rgb_to_hsv(*(shifted[0, place] / 255))
        assert abs((moved[0] - hue + 0.1 + 0.5) % 1 - 0.5) < 0.01
        assert colorsys.rgb_to_hsv(*(paler[0, place] / 255))[1] == pytest.approx(saturation / 2, abs=0.02)
        assert moved[2] == pytest.approx(value, abs=0.01)


def test_each_change_happens_half_of_the_time() -> None:
    grey = np.full((1, 1, 3), 128, np.uint8)  # hue and saturation leave it alone
    config = PhotometricConfig(contrast=(2.0, 2.0), brightness=0.0)
    changed = [distort_colours(grey, config, np.random.default_rng(seed))[0, 0, 0] != 128 for seed in range(400)]
    assert 150 < sum(changed) < 250


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_scale_tenths": 12, "max_scale_tenths": 8}, "max_scale_tenths 8 is below min_scale_tenths 12"),
        ({"photometric": {"contrast": (1.5, 0.5)}}, "contrast goes from 1.5 to 0.5; give the smaller first"),
        ({"crop_px": 8}, "greater than or equal to 16"),
    ],
)
def test_impossible_settings_are_refused(wrong, message) -> None:
    with pytest.raises(ValidationError, match=message):
        SemanticAugmentConfig.model_validate(wrong)
