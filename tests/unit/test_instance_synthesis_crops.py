"""Which instances are taken, their windows, crops and prompts (InstSynth sections 2.1 to 2.3)."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.common.datasets.id_maps import pixels_by_id
from methods.common.errors import InputError
from methods.instance_synthesis.crop import crop_instance
from methods.instance_synthesis.frames import Box, box_of, cut, spread_over_maps
from methods.instance_synthesis.prompts import PHRASES, PromptConfig, draw_prompt
from methods.instance_synthesis.select import SelectConfig, WindowConfig, choose_instances, square_window
from tests.unit.instance_frames import CAR, PERSON, id_map, street_frame


def ids(chosen):
    return [one.instance.id for one in chosen]


def test_the_largest_are_taken_largest_first_and_groups_never():
    id_HW = id_map()
    id_HW[22:30, 0:32] = 26  # a group, larger than all
    id_HW[30:32, 40:60] = 33000
    frame = street_frame(id_HW)
    assert [(one.instance.id, one.area_px) for one in choose_instances(frame, SelectConfig())] == [
        (CAR, 128),
        (PERSON, 96),
        (33000, 40),
    ]
    assert ids(choose_instances(frame, SelectConfig(per_frame=1))) == [CAR]
    assert ids(choose_instances(frame, SelectConfig(classes=("person", "bicycle")))) == [PERSON, 33000]


def test_equal_ones_go_by_id():
    id_HW = np.full((8, 32), 7, np.uint16)
    for place, id in enumerate((26002, 24001, 26000, 24000)):
        id_HW[0:2, 4 * place : 4 * place + 2] = id
    assert ids(choose_instances(street_frame(id_HW), SelectConfig())) == [24000, 24001, 26000]


def test_limits_hold_before_the_largest_are_chosen():
    frame = street_frame()
    assert ids(choose_instances(frame, SelectConfig(per_frame=1, min_mask_to_box=0.9))) == [PERSON]  # the car has a gap
    assert ids(choose_instances(frame, SelectConfig(min_side_px=7))) == [CAR]
    assert choose_instances(frame, SelectConfig(min_side_px=32)) == []


def test_a_frame_without_instances_gives_none():
    assert choose_instances(street_frame(np.full((8, 16), 7, np.uint16)), SelectConfig()) == []


def test_an_instance_of_one_pixel_is_a_window_of_one_pixel():
    id_HW = np.full((8, 16), 7, np.uint16)
    id_HW[3, 15] = CAR
    frame = street_frame(id_HW)
    (only,) = choose_instances(frame, SelectConfig())
    assert (only.area_px, only.box) == (1, Box(15, 3, 16, 4))
    window = square_window(only.box, 8, 16, WindowConfig())
    assert window == only.box
    assert crop_instance(frame, only.instance, window).mask_HW.tolist() == [[True]]


@pytest.mark.parametrize(
    ("box", "config", "expected"),
    [
        ((20, 10, 40, 20), WindowConfig(), (20, 5, 40, 25)),  # a wide box grows up and down
        ((20, 10, 25, 22), WindowConfig(), (17, 10, 29, 22)),  # the odd pixel goes to the right
        ((0, 10, 4, 30), WindowConfig(), (0, 10, 20, 30)),  # shifted from -8 to 0
        ((20, 0, 60, 8), WindowConfig(), (20, 0, 60, 40)),  # shifted from -16, beyond the lower border
        ((60, 10, 64, 30), WindowConfig(), (52, 10, 72, 30)),  # the right border pads
        ((60, 10, 64, 30), WindowConfig(edge="shift"), (44, 10, 64, 30)),
        ((0, 0, 64, 32), WindowConfig(edge="shift"), (0, 0, 64, 64)),  # larger than the image: never below 0
        ((20, 10, 40, 20), WindowConfig(context=0.25), (15, 0, 45, 30)),
    ],
)
def test_windows_by_hand(box, config, expected):
    assert square_window(Box(*box), 32, 64, config) == expected


def test_a_box_outside_of_its_image_is_refused():
    for box in ((60, 10, 65, 20), (-1, 0, 4, 4), (5, 5, 5, 9)):
        with pytest.raises(InputError, match=r"box .* of a car does not lie in its image of 64 x 32 pixels"):
            square_window(Box(*box), 32, 64, WindowConfig(), "a car")


def test_padding_is_black_and_no_mask_and_neighbours_are_background():
    frame = street_frame()
    car = frame.instance(CAR, 0)
    window = square_window(box_of(frame.mask(car)), 32, 64, WindowConfig())
    assert window == (30, 6, 50, 26)
    crop = crop_instance(frame, car, Box(40, 20, 72, 52))
    assert not crop.image_HW3[12:].any()
    assert not crop.image_HW3[:, 24:].any()
    assert not crop.mask_HW[12:].any()
    whole = crop_instance(frame, car, window)
    assert np.count_nonzero(whole.mask_HW) == 128  # both parts
    assert np.array_equal(whole.image_HW3, frame.image_HW3[6:26, 30:50])
    wide = crop_instance(frame, car, Box(0, 0, 64, 64))
    assert np.array_equal(wide.mask_HW[:32], frame.id_LHW[0] == CAR)


def test_a_window_wholly_outside_is_empty():
    assert not cut(street_frame().image_HW3, Box(100, 100, 104, 104)).any()


def test_pixels_are_counted_exactly_also_in_large_maps():
    id_HW = np.zeros((4100, 4100), np.uint16)
    id_HW[0, :3] = 65535
    counts = pixels_by_id(id_HW)
    assert counts[0] == 4100 * 4100 - 3
    assert counts[65535] == 3


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 4), max_size=6))
def test_masks_that_overlap_lie_in_maps_of_their_own(corners):
    masks = []
    for x0, y0, w, h in corners:
        mask = np.zeros((12, 12), bool)
        mask[y0 : y0 + h + 1, x0 : x0 + w + 1] = True
        masks.append(mask)
    maps, layers = spread_over_maps(masks, 12, 12)
    for number, (mask, layer) in enumerate(zip(masks, layers, strict=True), start=1):
        assert np.array_equal(maps[layer] == number, mask)


def test_both_phrases_come_equally_often():
    drawn = Counter(draw_prompt("person", np.random.default_rng(seed), PromptConfig()) for seed in range(400))
    assert set(drawn) == {"a photo of a woman", "a photo of a man"}
    assert 160 < drawn["a photo of a man"] < 240


def test_all_ten_classes_have_two_phrases():
    assert {name: len(phrases) for name, phrases in PHRASES.items()} == dict.fromkeys(PHRASES, 2)
    assert len(PHRASES) == 10


def test_a_class_without_a_phrase_is_refused():
    with pytest.raises(InputError, match="class 'tram' has no phrase for its prompt; add one to `phrases`"):
        draw_prompt("tram", np.random.default_rng(0), PromptConfig())
    assert (
        draw_prompt("tram", np.random.default_rng(0), PromptConfig(phrases={"tram": ("a tram",)}))
        == "a photo of a tram"
    )
