"""Size model, pasting and training-time augmentation, against hand-made pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.segmenters.instance.augmentation import AugmentConfig, augment_image, fit_size, resize_and_crop
from methods.common.segmenters.instance.instances import Instances, box_of_mask, boxes_of_masks, real_instances
from methods.mrca.augment import make_training_image
from methods.mrca.paste import PasteConfig, Placement, draw_placement, paste_objects, resize_object
from methods.mrca.size_model import PasteSizeConfig, SizeModel, draw_size, fit_size_model

GREY = np.full((40, 60, 3), 90, np.uint8)
NOTHING = real_instances(np.zeros(0, np.int64), np.zeros((0, 40, 60), bool))


class FixedRng:
    """A generator whose draws are given."""

    def __init__(self, normal=0.0, uniforms=()):
        self.normal, self.uniforms = normal, list(uniforms)

    def standard_normal(self):
        return self.normal

    def uniform(self, low, high):
        return low + self.uniforms.pop(0) * (high - low)


# ---- size model


def test_size_model_is_mean_and_population_spread_by_class():
    model = fit_size_model(np.array([0, 0, 2]), np.array([100.0, 400.0, 25.0]), np.array([1e4, 1e4, 2500.0]), 3)
    # Linear sizes 0.1 and 0.2, and 0.1; class 1 has none and gets the mean of the others.
    assert model.mean_C == pytest.approx([0.15, 0.125, 0.1])
    assert model.std_C == pytest.approx([0.05, 0.025, 0.0])


def test_size_without_noise_is_mean_times_factor():
    # s = 0.1 * 2 = 0.2 of a 100 x 200 image: area 0.04 * 20000 = 800; ratio 2: 20 x 40.
    rng = FixedRng(0.0, [0.5])
    assert draw_size((50, 100), (100, 200), 0.1, 0.0, 2.0, PasteSizeConfig(), rng) == (20, 40)


@pytest.mark.parametrize(
    ("mean", "std", "normal", "factor", "expected"),
    [
        (0.1, 0.05, 2.0, 1.0, 20),  # 0.1 + 2 * 0.05
        (0.1, 0.05, 2.0, 2.0, 30),  # the factor acts on the mean, not on the spread
        (0.1, 0.05, -3.0, 1.0, 10),  # lower limit 10 / H
        (0.1, 0.0, 0.0, 16.0, 50),  # upper limit 0.5
    ],
)
def test_size_is_clipped_and_only_the_mean_is_scaled(mean, std, normal, factor, expected):
    rng = FixedRng(normal, [0.5])
    assert draw_size((7, 7), (100, 100), mean, std, factor, PasteSizeConfig(), rng) == (expected, expected)


def test_aspect_jitter_keeps_the_area():
    height, width = draw_size((64, 64), (1000, 1000), 0.3, 0, 1, PasteSizeConfig(), FixedRng(0, [1.0]))
    assert width / height == pytest.approx(1.2, abs=0.01)
    assert height * width == pytest.approx(300 * 300, rel=0.01)


def test_too_small_and_too_large_objects_are_skipped():
    config = PasteSizeConfig()
    assert draw_size((200, 10), (100, 100), 0.1, 0, 1, config, FixedRng(0, [0.5])) is None  # 45 x 2
    assert draw_size((10, 400), (100, 100), 0.5, 0, 1, config, FixedRng(0, [0.5])) is None  # 8 x 316
    assert draw_size((10, 10), (100, 100), 0.1, 0, 1, config, FixedRng(0, [0.5])) == (10, 10)
    assert draw_size(
        (7, 7), (64, 64), 0.01, 0, 1, PasteSizeConfig(min_length_px=3, min_side_px=3), FixedRng(0, [0.5])
    ) == (3, 3)


@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(20, 700),
    st.integers(20, 700),
    st.floats(0, 1),
    st.floats(0, 16),
    st.integers(0, 2**31),
)
def test_sizes_stay_inside_the_image(h, w, height, width, mean, factor, seed):
    size = draw_size((h, w), (height, width), mean, 0.1, factor, PasteSizeConfig(), np.random.default_rng(seed))
    assert size is None or (5 <= size[0] < height and 5 <= size[1] < width)


def test_alpha_from_128_on_is_object():
    alpha = np.array([[0, 64, 127, 128, 192, 255]], np.uint8)
    rgba = np.dstack([np.full((1, 6, 3), 200, np.uint8), alpha])
    rgb, mask = resize_object(rgba, 1, 6)
    assert mask.tolist() == [[False, False, False, True, True, True]]
    assert (rgb[mask] == 200).all()


def test_placement_centre_is_uniform_and_draws_do_not_depend_on_the_outcome():
    model = SizeModel(np.array([0.2]), np.array([0.0]))
    factor = np.ones(1)
    config = PasteSizeConfig()
    rng = np.random.default_rng(0)
    placed = [draw_placement((9, 9), (100, 300), 0, model, factor, rng, config) for _ in range(2000)]
    centres = np.array([(p.centre_y, p.centre_x, p.flip) for p in placed])
    assert centres[:, :2].min() >= 0
    assert centres.mean(0) == pytest.approx([50, 150, 0.5], rel=0.06)
    assert np.percentile(centres[:, 1], 25) == pytest.approx(75, abs=10)
    skipped, kept = np.random.default_rng(1), np.random.default_rng(1)
    assert draw_placement((900, 9), (100, 300), 0, model, factor, skipped, config) is None
    assert draw_placement((9, 9), (100, 300), 0, model, factor, kept, config) is not None
    assert skipped.random() == kept.random()


# ---- pasting


def solid(height, width, colour=(200, 10, 30)):
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[...] = (*colour, 255)
    return rgba


def at(height, width, centre_y, centre_x, flip=False):
    return Placement(height, width, centre_y, centre_x, flip)


def rectangle(y0, y1, x0, x1):
    mask = np.zeros((40, 60), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def paste(instances, objects, placements, config=None):
    return paste_objects(GREY, instances, objects, placements, config or PasteConfig())


def test_object_lands_where_it_should_with_its_box_and_flags():
    image, found = paste(NOTHING, [(solid(4, 6), 7)], [at(4, 6, 10, 20)])
    expected = GREY.copy()
    expected[8:12, 17:23] = (200, 10, 30)
    assert np.array_equal(image, expected)
    assert found.boxes_N4.tolist() == [[17, 8, 23, 12]]
    assert np.array_equal(found.mask_NHW[0], rectangle(8, 12, 17, 23))
    assert (found.class_N.tolist(), found.source_N.tolist()) == ([7], [1])
    assert (GREY == 90).all()  # the input stays


def test_flip_mirrors_colours_and_mask():
    rgba = solid(2, 4)
    rgba[:, 0, :3], rgba[:, 3, 3] = (0, 0, 255), 0
    image, found = paste(NOTHING, [(rgba, 0)], [at(2, 4, 10, 20, flip=True)])
    assert image[9, 18].tolist() == [90, 90, 90]
    assert image[9, 21].tolist() == [0, 0, 255]
    assert found.boxes_N4.tolist() == [[19, 9, 22, 11]]


def test_objects_are_cut_at_the_border_and_dropped_outside():
    image, found = paste(NOTHING, [(solid(10, 10), 1), (solid(4, 4), 2)], [at(10, 10, 0, 58), at(4, 4, -30, 5)])
    assert found.boxes_N4.tolist() == [[53, 0, 60, 5]]
    assert found.class_N.tolist() == [1]
    assert (image != 90).any(axis=2).sum() == 35


def test_an_object_whose_visible_part_is_transparent_is_dropped():
    rgba = solid(10, 10)
    rgba[5:, :, 3] = 0  # only the upper half exists, and it lies above the image
    image, found = paste(NOTHING, [(rgba, 1)], [at(10, 10, 0, 20)])
    assert len(found) == 0
    assert np.array_equal(image, GREY)


def test_a_later_object_hides_an_earlier_one():
    objects = [(solid(4, 4), 1), (solid(4, 4, (1, 2, 3)), 2), (solid(4, 4, (4, 5, 6)), 3)]
    _, found = paste(NOTHING, objects, [at(4, 4, 10, 10), at(4, 4, 10, 12), at(4, 4, 10, 12)])
    assert found.class_N.tolist() == [1, 3]  # the second is fully hidden
    assert found.boxes_N4.tolist() == [[8, 8, 10, 12], [10, 8, 14, 12]]


def test_real_instances_lose_covered_pixels_and_get_new_boxes():
    real = real_instances(np.array([5, 6]), np.stack([rectangle(10, 30, 10, 30), rectangle(0, 5, 50, 60)]))
    _, found = paste(real, [(solid(20, 8), 1)], [at(20, 8, 20, 28)])
    assert found.class_N.tolist() == [5, 6, 1]
    assert found.source_N.tolist() == [0, 0, 1]
    assert found.boxes_N4[0].tolist() == [10, 10, 24, 30]  # right side moved by 6
    assert np.array_equal(found.mask_NHW[0], rectangle(10, 30, 10, 24))
    assert np.array_equal(found.mask_NHW[1], rectangle(0, 5, 50, 60))
    assert real.mask_NHW[0].sum() == 400  # the input stays


def keeps(covered_columns, config=None):
    """Cover the right end of a real instance of 20 x 40 pixels; is it kept?"""
    real = real_instances(np.array([5]), rectangle(10, 30, 10, 50)[None])
    _, found = paste(
        real, [(solid(30, covered_columns), 1)], [at(30, covered_columns, 20, 50 - covered_columns / 2)], config
    )
    return 5 in found.class_N


def test_a_real_instance_stays_if_its_box_hardly_moves_or_enough_is_visible():
    no_pixels = PasteConfig(min_visible_px=10_000)  # only the box counts
    assert keeps(10, no_pixels)  # moved by exactly 10
    assert not keeps(12, no_pixels)
    assert keeps(24)  # moved by 24, but 20 * 16 = 320 pixels are left
    assert not keeps(25, PasteConfig(min_visible_px=300))  # exactly 300 are left: more than 300 are needed
    assert keeps(25, PasteConfig(min_visible_px=299))
    assert not keeps(26)


def test_a_fully_covered_instance_goes_even_if_its_box_is_tiny():
    real = real_instances(np.array([5]), rectangle(0, 3, 0, 3)[None])  # an empty mask's box, all 0, is only 3 px away
    _, found = paste(real, [(solid(8, 8), 1)], [at(8, 8, 4, 4)])
    assert found.class_N.tolist() == [1]


def test_an_untouched_instance_keeps_its_annotated_box():
    box = np.array([[10.2, 9.7, 29.9, 30.1]], np.float32)
    real = real_instances(np.array([5]), rectangle(10, 30, 10, 30)[None], box)
    _, found = paste(real, [(solid(4, 4), 1)], [at(4, 4, 5, 50)])
    assert found.boxes_N4[0] == pytest.approx(box[0])


def test_nothing_to_paste_changes_nothing():
    image, found = paste(NOTHING, [(solid(4, 4), 1)], [None])
    assert np.array_equal(image, GREY)
    assert len(found) == 0


def test_hidden_colours_under_transparency_do_not_leak_into_the_rim():
    rgba = solid(64, 64)
    rgba[:, 29:] = 0  # transparent black, as drawing programs write it
    small, mask = resize_object(rgba, 20, 20)
    assert mask.sum() == 20 * 9  # 29 / 3.2 = 9.06 columns
    assert np.abs(small[mask].astype(int) - (200, 10, 30)).max() <= 2
    large, mask = resize_object(rgba, 150, 150)
    assert np.abs(large[mask].astype(int) - (200, 10, 30)).max() <= 2
    same, mask = resize_object(rgba, 64, 64)
    assert np.array_equal(mask, rgba[..., 3] == 255)
    assert np.array_equal(same[mask], rgba[mask][:, :3])


def paste_slowly(image, instances, objects, placements, config):
    """The specification once more, over whole images."""
    image = image.copy()
    masks = [mask.copy() for mask in instances.mask_NHW]
    for (rgba, _), place in zip(objects, placements, strict=True):
        rgb, mask = resize_object(rgba, place.height, place.width)
        if place.flip:
            rgb, mask = rgb[:, ::-1], mask[:, ::-1]
        top, left = round(place.centre_y - place.height / 2), round(place.centre_x - place.width / 2)
        here = np.zeros(image.shape[:2], bool)
        for y in range(place.height):
            for x in range(place.width):
                inside = 0 <= y + top < image.shape[0] and 0 <= x + left < image.shape[1]
                if inside and mask[y, x]:
                    image[y + top, x + left] = rgb[y, x]
                    here[y + top, x + left] = True
        masks = [mask & ~here for mask in masks] + [here]
    kept = []
    for number, mask in enumerate(masks):
        box = boxes_of_masks(mask[None])[0]
        if number < len(instances):
            moved = np.abs(box - instances.boxes_N4[number]).max()
            keep = mask.any() and (moved <= config.box_tolerance_px or mask.sum() > config.min_visible_px)
        else:
            keep = mask.any()
        if keep:
            kept.append((number, mask, box))
    return image, kept


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), number=st.integers(1, 6))
def test_fast_pasting_equals_the_specification_written_out(seed, number):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    masks = np.stack(
        [rectangle(y, y + rng.integers(1, 20), x, x + rng.integers(1, 25)) for y, x in rng.integers(0, 30, (5, 2))]
    )
    instances = real_instances(np.arange(5), masks)
    objects = [(rng.integers(0, 256, (*rng.integers(3, 30, 2), 4), dtype=np.uint8), 10 + n) for n in range(number)]
    model, config = SizeModel(np.full(20, 0.3), np.full(20, 0.2)), PasteConfig(min_visible_px=60, box_tolerance_px=4)
    size_config = PasteSizeConfig(min_length_px=4, min_side_px=3)
    drawn = [draw_placement(o.shape[:2], (40, 60), c, model, np.ones(20), rng, size_config) for o, c in objects]
    pairs = [(item, place) for item, place in zip(objects, drawn, strict=True) if place is not None]
    placed_objects, placements = [item for item, _ in pairs], [place for _, place in pairs]
    got_image, got = paste_objects(image, instances, objects, drawn, config)
    want_image, want = paste_slowly(image, instances, placed_objects, placements, config)
    assert np.array_equal(got_image, want_image)
    assert got.class_N.tolist() == [n if n < 5 else placed_objects[n - 5][1] for n, _, _ in want]
    assert got.source_N.tolist() == [int(n >= 5) for n, _, _ in want]
    for row, (_, mask, box) in enumerate(want):
        assert np.array_equal(got.mask_NHW[row], mask)
        assert got.boxes_N4[row].tolist() == box.tolist()


# ---- augmentation


def test_boxes_of_masks():
    assert box_of_mask(rectangle(3, 8, 10, 21)) == (10, 3, 21, 8)
    assert boxes_of_masks(np.zeros((1, 5, 5), bool)).tolist() == [[0, 0, 0, 0]]
    assert boxes_of_masks(np.zeros((0, 5, 5), bool)).shape == (0, 4)


def test_an_image_just_fits_its_square():
    assert fit_size(480, 640, 320) == (240, 320)
    assert fit_size(640, 480, 1280) == (1280, 960)
    assert fit_size(10, 1000, 20) == (1, 20)


def test_cropping_while_growing_equals_growing_then_cropping():
    rng = np.random.default_rng(0)
    layer = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    whole = resize_and_crop(layer, (75, 100), (0, 0, 75, 100))
    crop = resize_and_crop(layer, (75, 100), (20, 33, 30, 40))
    assert np.abs(crop.astype(int) - whole[20:50, 33:73]).max() <= 1  # fixed-point positions
    import cv2

    expected = cv2.resize(layer, (100, 75), interpolation=cv2.INTER_LINEAR)
    assert np.abs(whole.astype(int) - expected).max() <= 3  # fixed-point weights differ a little


def scene():
    """A red rectangle and a green one on grey, with their instances."""
    image = np.full((80, 120, 3), 90, np.uint8)
    masks = np.zeros((2, 80, 120), bool)
    masks[0, 10:40, 20:60], masks[1, 50:70, 80:110] = True, True
    image[masks[0]], image[masks[1]] = (250, 0, 0), (0, 250, 0)
    return image, real_instances(np.array([3, 4]), masks)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_masks_follow_the_image_whatever_the_crop(seed):
    image, instances = scene()
    out, found = augment_image(image, instances, np.random.default_rng(seed), AugmentConfig(size_px=64))
    assert max(out.shape[:2]) <= 64
    assert found.mask_NHW.shape[1:] == out.shape[:2]
    for row, class_index in enumerate(found.class_N):
        channel = {3: 0, 4: 1}[class_index]
        strong = (out[..., channel] > 170 + 10) & (out[..., 1 - channel] < 45 - 10)
        # Both agree apart from pixels on the edge, where the colour is a mixture.
        assert (found.mask_NHW[row] != strong).sum() <= 4 * (out.shape[0] + out.shape[1]) // 2 * 0.5
        assert (strong & ~found.mask_NHW[row]).sum() == 0
        assert found.boxes_N4[row].tolist() == boxes_of_masks(found.mask_NHW[row][None])[0].tolist()
    visible = {3: out[..., 0] > 200, 4: out[..., 1] > 200}
    assert {c for c, where in visible.items() if where.sum() > 4} <= set(found.class_N.tolist())


def test_scale_one_without_flip_is_the_image_itself():
    image, instances = scene()
    config = AugmentConfig(size_px=120, min_scale=1, max_scale=1, flip_probability=0)
    out, found = augment_image(image, instances, np.random.default_rng(0), config)
    assert np.array_equal(out, image)
    assert np.array_equal(found.mask_NHW, instances.mask_NHW)
    mirrored, flipped = augment_image(
        image, instances, np.random.default_rng(0), config.model_copy(update={"flip_probability": 1.0})
    )
    assert np.array_equal(mirrored, image[:, ::-1])
    assert np.array_equal(flipped.mask_NHW, instances.mask_NHW[:, :, ::-1])


def test_every_scale_between_the_limits_occurs():
    image, instances = scene()
    rng = np.random.default_rng(0)
    config = AugmentConfig(size_px=64)
    widths = [augment_image(image, instances, rng, config)[0].shape[1] for _ in range(400)]
    # u is uniform in 0.1 .. 2.0: the width is u * 64 up to 64, so 1.1 of 1.9 parts are cropped to exactly 64.
    assert np.mean(np.array(widths) >= 64) == pytest.approx(1 / 1.9, abs=0.07)
    assert min(widths) < 12


def test_real_part_is_the_same_with_and_without_objects():
    image, instances = scene()
    model = SizeModel(np.full(5, 0.3), np.zeros(5))
    configs = (AugmentConfig(size_px=64), PasteSizeConfig(min_length_px=4), PasteConfig())
    plain, real = make_training_image(image, instances, [], model, np.ones(5), np.random.default_rng(4), *configs)
    out, found = make_training_image(
        image, instances, [(solid(9, 9, (0, 0, 255)), 2)], model, np.ones(5), np.random.default_rng(4), *configs
    )
    blue = (out == (0, 0, 255)).all(axis=2)
    assert np.array_equal(out[~blue], plain[~blue])
    assert np.array_equal(found.mask_NHW[found.source_N == 1].any(axis=0), blue)
    assert blue.sum() > 20
    assert real.source_N.sum() == 0


def test_instances_can_be_selected():
    _, instances = scene()
    kept = instances.select(np.array([False, True]))
    assert isinstance(kept, Instances)
    assert (len(kept), kept.class_N.tolist()) == (1, [4])
