"""Pasting back, focused crops and annotations (InstSynth sections 2.5 to 2.7), with its acceptance checks, InstSynth section 13."""

from collections import Counter
from math import erf, sqrt

import numpy as np
import pytest

from methods.instance_synthesis.annotations import AnnotationConfig, redraw, redraw_ids
from methods.instance_synthesis.crop import Crop, crop_instance
from methods.instance_synthesis.focus import (
    FocusConfig,
    draw_focus,
    draw_ratio,
    draw_window,
    nearest_places,
    resize_nearest,
    shows_crumbs,
    smallest_area,
)
from methods.instance_synthesis.frames import Box, Frame, FrameInstance, box_of
from methods.instance_synthesis.integrate import IntegrateConfig, make_sample
from methods.instance_synthesis.manifest import InstanceRow
from methods.instance_synthesis.paste import PasteConfig, fit_to_window, intensity_offset, paste_instance, paste_into
from methods.instance_synthesis.select import WindowConfig, square_window
from tests.unit.instance_frames import CAR, PERSON, colours_of, id_map, street_frame

SMALL = FocusConfig(width_px=128, height_px=64)


def row_of(frame, id, layer=0, seeds=(1, 2)):
    box = box_of(frame.mask(frame.instance(id, layer)))
    window = square_window(box, *frame.size, WindowConfig())
    sides = {"window_x0": window.x0, "window_y0": window.y0, "window_side": window.width}
    return InstanceRow(
        0, frame.name, layer, id, "car", 1, *box, **sides, prompt="", seeds=[0, 0], focus_seeds=list(seeds)
    )


# -- pasting ---------------------------------------------------------------------------------------------------------------


def flat(value, side=4):
    return np.full((side, side, 3), value, np.uint8)


def crop_of(value, inside):
    mask = np.zeros((4, 4), bool)
    mask[inside] = True
    return Crop(flat(value), mask)


def test_the_offset_is_the_mean_absolute_difference_outside_rounded_up():
    crop = crop_of(100, np.s_[1:3, 1:3])
    generated = flat(103)
    generated[1:3, 1:3] = 250  # inside the mask nothing counts
    assert intensity_offset(generated, crop, "paper") == 3
    generated[0, 0, 0] = 104  # 37 / 36 more
    assert intensity_offset(generated, crop, "paper") == 4
    assert intensity_offset(flat(97), crop, "paper") == 3  # absolute
    assert intensity_offset(flat(97), crop, "signed_mean") == -3
    assert intensity_offset(flat(97), crop, "none") == 0


def test_no_pixel_outside_is_no_offset():
    assert intensity_offset(flat(9), crop_of(100, np.s_[:, :]), "paper") == 0


def test_as_released_intensities_fall_and_those_below_the_offset_fold_back():
    crop = crop_of(100, np.s_[0, 0])
    generated = flat(110)
    generated[0, 0] = (4, 10, 200)
    fitted, offset = fit_to_window(generated, crop, PasteConfig())
    assert offset == 10
    assert fitted[0, 0].tolist() == [6, 0, 190]
    assert (fitted[1:] == 100).all()
    signed, offset = fit_to_window(255 - generated, crop, PasteConfig(normalise="signed_mean"))
    assert offset == 45
    assert signed[0, 0].tolist() == [206, 200, 10]
    darker, offset = fit_to_window(flat(90), crop, PasteConfig(normalise="signed_mean"))
    assert (offset, int(darker[2, 2, 0])) == (-10, 100)


def test_a_picture_is_resized_by_its_nearest_centres():
    crop = crop_of(0, np.s_[:, :])
    big = np.arange(64, dtype=np.uint8).reshape(8, 8)[..., None].repeat(3, -1)
    fitted, _ = fit_to_window(big, crop, PasteConfig(normalise="none"))
    assert fitted[..., 0].tolist() == big[1::2, 1::2, 0].tolist()


def test_only_masked_pixels_change_and_the_frame_stays():
    frame = street_frame()
    car = frame.instance(CAR, 0)
    window = Box(40, 8, 72, 40)  # beyond two borders
    crop = crop_instance(frame, car, window)
    before = frame.image_HW3.copy()
    pasted = paste_instance(frame.image_HW3, flat(9, 32), crop, window)
    expected = before.copy()
    inside = frame.id_LHW[0] == CAR
    inside[:, :40] = False
    expected[inside] = 9
    assert np.array_equal(pasted, expected)
    assert np.array_equal(frame.image_HW3, before)


def test_pasting_into_a_part_is_pasting_and_cutting():
    frame = street_frame()
    car = frame.instance(CAR, 0)
    window = square_window(box_of(frame.mask(car)), 32, 64, WindowConfig())
    crop = crop_instance(frame, car, window)
    whole = paste_instance(frame.image_HW3, flat(9, window.width), crop, window)
    for view in (Box(34, 14, 48, 30), Box(0, 0, 64, 32), Box(0, 0, 20, 10), Box(49, 0, 64, 32)):
        part = frame.image_HW3[view.y0 : view.y1, view.x0 : view.x1].copy()
        paste_into(part, view, flat(9, window.width), crop, window)
        assert np.array_equal(part, whole[view.y0 : view.y1, view.x0 : view.x1])


# -- focused crops ---------------------------------------------------------------------------------------------------------


def test_smallest_areas_by_hand():
    assert smallest_area(10, 3, 2.0) == 50  # 10 x 5
    assert smallest_area(11, 3, 2.0) == 66  # 11 x ceil(5.5)
    assert smallest_area(6, 3, 2.0) == smallest_area(4, 3, 2.0) == 18


def test_acceptance_the_ratio_has_the_stated_distribution():
    rng = np.random.default_rng(0)
    drawn = Counter(min(5, int(draw_ratio(2.0, 1e9, rng, FocusConfig()))) for _ in range(10_000))
    for ratio, expected in ((1, 0.0228), (2, 0.1359), (3, 0.3413), (4, 0.3413), (5, 0.1587)):
        spread = sqrt(expected * (1 - expected) / 10_000)
        assert abs(drawn[ratio] / 10_000 - expected) < 4 * spread, ratio
    assert 0.5 * (1 + erf(-2 / sqrt(2))) == pytest.approx(0.0228, abs=1e-4)


def test_real_ratios_are_as_printed():
    rng = np.random.default_rng(0)
    drawn = np.array([draw_ratio(2.0, 1e9, rng, FocusConfig(ratio="real")) for _ in range(2000)])
    assert drawn.min() == 1.0
    assert (drawn % 1 != 0).mean() > 0.95
    assert drawn.mean() == pytest.approx(3.0, abs=0.1)


def test_a_ratio_fits_the_image_and_what_cannot_fit_ends():
    rng = np.random.default_rng(0)
    assert {draw_ratio(10.0, 25.0, rng, FocusConfig()) for _ in range(200)} == {1.0, 2.0}
    assert draw_ratio(26.0, 25.0, rng, FocusConfig()) is None
    assert draw_ratio(10.0, 25.0, rng, FocusConfig(mean=40.0)) == 1.0


def test_windows_hold_the_box_lie_in_the_image_and_reach_everywhere():
    rng = np.random.default_rng(0)
    box, starts = Box(50, 30, 60, 38), Counter()
    for _ in range(3000):
        focus = draw_window(box, 64, 128, rng, FocusConfig())
        window = focus.window
        assert 0 <= window.x0 <= box.x0 < box.x1 <= window.x1 <= 128
        assert 0 <= window.y0 <= box.y0 < box.y1 <= window.y1 <= 64
        assert window.width == 2 * window.height
        assert window.height == int(np.ceil(sqrt(focus.ratio * 128 / 2)))
        if focus.ratio == 3.0:
            starts[window.x0] += 1
    assert set(starts) == set(range(60 - 28, 51))  # 14 x 28
    assert max(starts.values()) < 2.5 * min(starts.values())


def test_where_no_window_of_the_aspect_fits_the_whole_image_is_taken():
    focus = draw_window(Box(0, 0, 20, 60), 64, 64, np.random.default_rng(0), FocusConfig())
    assert (focus.window, focus.ratio) == (Box(0, 0, 64, 64), 0.0)
    own = draw_window(Box(0, 0, 20, 60), 64, 64, np.random.default_rng(0), FocusConfig(aspect=None))
    assert own.window.height == own.window.width >= 60


def test_nearest_repeats_the_pixel_under_the_centre():
    assert nearest_places(5, 12).tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4]
    assert nearest_places(12, 5).tolist() == [1, 3, 6, 8, 10]
    for length, count in ((500, 1024), (777, 2048), (100, 33)):
        exact = (np.arange(count) + 0.5) * length / count
        assert np.abs(nearest_places(length, count) + 0.5 - exact).max() <= 0.5
    rng = np.random.default_rng(0)
    for dtype, shape in ((np.uint8, (7, 11, 3)), (np.uint16, (9, 13)), (np.uint8, (64, 40))):
        array = rng.integers(0, 255, shape).astype(dtype)
        for rows, columns in ((20, 33), (7, 5), (64, 40), (3, 90)):
            by_hand = array[nearest_places(shape[0], rows)][:, nearest_places(shape[1], columns)]
            assert np.array_equal(resize_nearest(array, rows, columns), by_hand)


def test_a_window_that_shows_a_crumb_of_an_instance_is_drawn_again():
    id_HW = id_map()
    id_HW[8, 20] = 33000  # one pixel; at 128 x 64 from 64 x 32 four of them
    frame = street_frame(id_HW)
    whole = Box(0, 0, 64, 32)
    assert not shows_crumbs(frame, whole, SMALL)
    assert shows_crumbs(frame, whole, SMALL.model_copy(update={"min_instance_px": 5}))
    assert shows_crumbs(frame, whole, FocusConfig(width_px=64, height_px=32))
    assert not shows_crumbs(frame, whole, FocusConfig(width_px=64, height_px=32, min_instance_px=1))
    assert shows_crumbs(frame, Box(11, 18, 27, 26), FocusConfig(width_px=16, height_px=8))  # two pixels of the person
    assert not shows_crumbs(
        frame, Box(52, 2, 53, 3), FocusConfig(width_px=8, height_px=8, min_instance_px=64 + 1)
    )  # a group


def test_shrinking_may_lose_an_instance_or_leave_a_crumb():
    config = FocusConfig(width_px=16, height_px=8)
    assert not shows_crumbs(street_frame(), Box(0, 0, 64, 32), config)
    id_HW = id_map()
    id_HW[22:26, 20:25] = 33000  # 5 x 4 pixels, one of them shown
    assert shows_crumbs(street_frame(id_HW), Box(0, 0, 64, 32), config)


def test_tries_end_with_the_last_window():
    id_HW = np.full((32, 64), 7, np.uint16)
    id_HW[10, 10] = CAR
    config = FocusConfig(width_px=64, height_px=32, min_instance_px=10_000, max_tries=5)
    focus = draw_focus(street_frame(id_HW), Box(10, 10, 11, 11), np.random.default_rng(0), config)
    assert focus.num_tries == 5


# -- whole samples ---------------------------------------------------------------------------------------------------------


def test_acceptance_identity_gives_the_frame_back_bit_for_bit():
    frame = street_frame()
    for id in (CAR, PERSON):
        row = row_of(frame, id)
        crop = crop_instance(frame, frame.instance(id, 0), row.window)
        for normalise in ("none", "paper"):
            config = IntegrateConfig(focus=None, paste=PasteConfig(normalise=normalise))
            sample = make_sample(frame, row, 1, crop.image_HW3, config)
            assert np.array_equal(sample.image_HW3, frame.image_HW3)
            assert np.array_equal(sample.id_LHW[0], frame.id_LHW[0])
            assert np.array_equal(sample.label_HW, frame.label_HW)
            assert sample.offset == 0


def test_acceptance_colours_ids_and_labels_of_focused_crops_stay_aligned():
    frame = street_frame()
    seen = set()
    for seed in range(60):
        row = row_of(frame, CAR, seeds=(seed, seed + 1000))
        crop = crop_instance(frame, frame.instance(CAR, 0), row.window)
        for variant in (1, 2):
            sample = make_sample(frame, row, variant, crop.image_HW3, IntegrateConfig(focus=SMALL))
            id_HW = sample.id_LHW[0]
            assert sample.image_HW3.shape == (64, 128, 3)
            assert np.array_equal(sample.image_HW3, colours_of(id_HW))
            assert np.array_equal(sample.label_HW, np.where(id_HW < 1000, id_HW, id_HW // 1000))
            assert (id_HW == CAR).any()
            assert {one.id for one in sample.instances} == set(np.unique(id_HW)) - {7}
            seen.add(sample.focus.window)
    assert len(seen) > 40


def test_acceptance_only_masked_pixels_change_whatever_the_back_end_gives():
    frame = street_frame()
    row = row_of(frame, CAR)
    noise = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    for normalise in ("paper", "none", "signed_mean"):
        sample = make_sample(frame, row, 1, noise, IntegrateConfig(focus=None, paste=PasteConfig(normalise=normalise)))
        outside = frame.id_LHW[0] != CAR
        assert np.array_equal(sample.image_HW3[outside], frame.image_HW3[outside])
        assert (sample.image_HW3[~outside] != frame.image_HW3[~outside]).mean() > 0.9
        assert np.array_equal(sample.id_LHW[0], frame.id_LHW[0])


def test_a_focused_sample_is_the_whole_pasted_image_cut_and_resized():
    frame = street_frame()
    row = row_of(frame, CAR)
    noise = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    whole = make_sample(frame, row, 2, noise, IntegrateConfig(focus=None))
    sample = make_sample(frame, row, 2, noise, IntegrateConfig(focus=SMALL))
    window = sample.focus.window
    part = whole.image_HW3[window.y0 : window.y1, window.x0 : window.x1]
    assert np.array_equal(sample.image_HW3, resize_nearest(part, 64, 128))
    assert make_sample(frame, row, 1, noise, IntegrateConfig(focus=SMALL)).focus != sample.focus


def test_overlapping_instances_keep_their_own_maps():
    maps = (np.zeros((32, 64), np.uint16), np.zeros((32, 64), np.uint16))
    maps[0][4:20, 10:30] = 1
    maps[1][10:28, 20:40] = 2
    frame = Frame("7", colours_of(maps[0]), maps, (FrameInstance(1, 0, "cat"), FrameInstance(2, 1, "dog")))
    sample = make_sample(frame, row_of(frame, 2, 1), 1, flat(0, 20), IntegrateConfig(focus=SMALL))
    window = sample.focus.window
    for id_HW, before in zip(sample.id_LHW, maps, strict=True):
        assert np.array_equal(id_HW, resize_nearest(before[window.y0 : window.y1, window.x0 : window.x1], 64, 128))
    assert sample.label_HW is None


# -- outlines --------------------------------------------------------------------------------------------------------------


def test_a_polygon_a_part_keeps_two_parts_and_a_joined_one_does_not():
    mask = id_map() == CAR
    assert np.array_equal(redraw(mask, "bitmask"), mask)
    assert np.array_equal(redraw(mask, "polygon_per_part"), mask)
    joined = redraw(mask, "joined_polygon")
    assert joined[:, 42:46].any()  # the gap between the parts
    assert not joined[:, :30].any()


def test_polygons_fill_holes():
    mask = np.ones((8, 8), bool)
    mask[3:5, 3:5] = False
    assert redraw(mask, "polygon_per_part").all()


def test_redrawn_maps_hide_by_id_and_keep_groups():
    frame = street_frame()
    id_HW = redraw_ids(frame.id_LHW[0], frame.instances, "joined_polygon")
    assert (id_HW == CAR).sum() > 128
    assert np.array_equal(id_HW == 26, frame.id_LHW[0] == 26)
    config = IntegrateConfig(focus=None, annotation=AnnotationConfig(outlines="joined_polygon"))
    crop = crop_instance(frame, frame.instance(CAR, 0), row_of(frame, CAR).window)
    sample = make_sample(frame, row_of(frame, CAR), 1, crop.image_HW3, config)
    assert np.array_equal(sample.id_LHW[0], id_HW)


def test_pixels_that_an_outline_loses_become_the_group():
    ring = np.full((12, 12), 7, np.uint16)
    ring[1:11, 1:11] = CAR
    ring[4:8, 4:8] = PERSON
    # The outline of the car covers the person, whose id is smaller and comes first.
    assert not (redraw_ids(ring, street_frame(ring).instances, "polygon_per_part") == PERSON).any()
