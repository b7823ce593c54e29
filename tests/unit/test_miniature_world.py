"""The renderer: names, masks, occlusion, captions, and that hue tells nothing."""

import colorsys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.miniature.backgrounds import BACKGROUNDS, paint_background
from methods.common.miniature.captions import caption, vocabulary
from methods.common.miniature.categories import CATEGORIES, CATEGORY_NAMES, SHAPES, SURFACES
from methods.common.miniature.objects import render_object
from methods.common.miniature.renderer import render_scene
from methods.common.miniature.web import draw_pool, single_object, web_sample
from methods.common.miniature.world_config import SceneConfig, WebConfig


def test_every_shape_wears_every_surface_once():
    assert len(CATEGORIES) == 36
    assert {(c.shape, c.surface) for c in CATEGORIES} == {(shape, surface) for shape in SHAPES for surface in SURFACES}
    assert {c.shape for c in CATEGORIES[:9]} == set(SHAPES)


def test_names_and_synonyms_are_distinct_single_words_that_take_a():
    nouns = [noun for category in CATEGORIES for noun in category.synonyms]
    assert len(set(nouns)) == 72
    assert all(noun.isalpha() and noun[0] not in "aeiou" for noun in nouns)
    assert all(c.synset == f"{c.name}.n.01" and c.definition and len(c.hyponyms) == 2 for c in CATEGORIES)


def test_background_words_and_category_words_do_not_collide():
    nouns = {noun for category in CATEGORIES for noun in category.synonyms}
    assert not nouns & set(BACKGROUNDS)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), classes=st.lists(st.integers(0, 35), min_size=1, max_size=5))
def test_masks_are_disjoint_visible_and_agree_with_the_semantic_map(seed, classes):
    config = SceneConfig(height_px=48, width_px=64)
    scene = render_scene(classes, "grass", config, np.random.default_rng(seed))
    assert scene.image_HW3.shape == (48, 64, 3)
    assert scene.image_HW3.dtype == np.uint8
    masks = np.stack([instance.mask_HW for instance in scene.instances])
    assert masks.sum(0).max() == 1
    semantic_HW = scene.semantic_HW
    assert np.all(semantic_HW[~masks.any(0)] == 36 + BACKGROUNDS.index("grass"))
    assert not Counter(instance.category for instance in scene.instances) - Counter(classes)
    for instance in scene.instances:
        left, top, right, bottom = instance.box_xyxy
        assert np.all(semantic_HW[instance.mask_HW] == instance.category)
        assert instance.mask_HW[top:bottom, left:right].sum() == instance.mask_HW.sum() > 0


def test_later_objects_hide_earlier_ones_but_never_too_much():
    config = SceneConfig(min_radius_px=14, max_radius_px=20, min_visible=0.55)
    hidden = 0
    for seed in range(20):
        scene = render_scene([0, 1, 2], "white", config, np.random.default_rng(seed))
        for instance in scene.instances:
            full = (instance.picture.rgba_HW4[..., 3] > 127).sum()
            hidden += instance.mask_HW.sum() < 0.95 * full
            # Cropping at the border comes on top of hiding, and the centre stays inside.
            assert instance.mask_HW.sum() > 0.2 * full
    assert hidden > 5


def test_one_seed_one_scene():
    def draw(seed):
        return render_scene([3, 7], "brick", SceneConfig(), np.random.default_rng(seed)).image_HW3

    assert np.array_equal(draw(5), draw(5))
    assert not np.array_equal(draw(5), draw(6))


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds_have_the_asked_shape_and_range(background):
    picture = paint_background(background, 40, 56, np.random.default_rng(0))
    assert picture.shape == (40, 56, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0.0
    assert picture.max() <= 1.0


def test_object_picture_is_transparent_around_and_solid_inside():
    category = CATEGORIES[CATEGORY_NAMES.index("coin")]
    rgba_HW4 = render_object(category, 20.0, np.random.default_rng(0)).rgba_HW4
    assert rgba_HW4.shape[0] == rgba_HW4.shape[1]
    assert rgba_HW4[0, 0, 3] == 0
    centre = rgba_HW4.shape[0] // 2
    assert rgba_HW4[centre, centre, 3] == 255
    # A disk of unit radius 0.95 keeps its area at every aspect: pi * (0.95 * 20)^2 = 1134; its rim is drawn inclusively.
    assert (rgba_HW4[..., 3] > 127).sum() == pytest.approx(1134, rel=0.05)


def test_ring_is_open_in_the_middle():
    ring = CATEGORIES[CATEGORY_NAMES.index("hoop")]
    rgba_HW4 = render_object(ring, 20.0, np.random.default_rng(1)).rgba_HW4
    assert rgba_HW4[rgba_HW4.shape[0] // 2, rgba_HW4.shape[1] // 2, 3] == 0


def body_hues(category, count):
    hues = []
    for seed in range(count):
        rgba_HW4 = render_object(category, 12.0, np.random.default_rng([seed, 99])).rgba_HW4
        solid = rgba_HW4[rgba_HW4[..., 3] == 255][:, :3] / 255.0
        hues.append(colorsys.rgb_to_hsv(*solid[solid.max(1).argmax()])[0])
    return hues


def test_hue_does_not_depend_on_the_category():
    # The colour is drawn before anything that depends on the category, from the same stream.
    plain = [category for category in CATEGORIES if category.surface == "plain"]
    first = [render_object(category, 12.0, np.random.default_rng(4)).hue for category in CATEGORIES]
    assert len(set(first)) == 1
    assert len({round(hue * 6) % 6 for hue in body_hues(plain[0], 60)}) == 6


def test_captions_are_true_and_cover_the_vocabulary():
    words = set(vocabulary())
    named = left_unsaid = 0
    for index in range(300):
        sample = web_sample(3, index, WebConfig())
        said = set(sample.caption.split())
        assert said <= words
        present = {noun for i in sample.scene.instances for noun in CATEGORIES[i.category].synonyms}
        nouns = {noun for category in CATEGORIES for noun in category.synonyms}
        assert said & nouns <= present
        assert len(said & nouns) == len({i.category for i in sample.scene.instances} & set(range(36))) or len(
            sample.scene.instances
        ) > len({i.category for i in sample.scene.instances})
        other = (said & set(BACKGROUNDS)) - {sample.scene.background}
        assert not other
        named += bool(said & set(BACKGROUNDS))
        left_unsaid += not said & {*BACKGROUNDS, "background"}
    assert named > 150
    assert left_unsaid > 30


def test_caption_wording_depends_on_its_generator_only():
    scene = single_object(0, 0, 5, "white", WebConfig())
    assert caption(scene, np.random.default_rng(1)) == caption(scene, np.random.default_rng(1))
    assert len({caption(scene, np.random.default_rng(seed)) for seed in range(30)}) > 5


def test_web_stream_is_balanced_and_independent_of_order():
    config = WebConfig()
    pool = draw_pool(7, 400, config)
    assert np.array_equal(pool.images_NHW3[123], web_sample(7, 123, config).scene.image_HW3)
    singles = [categories[0] for categories in pool.categories if len(categories) == 1]
    assert len(singles) / 400 == pytest.approx(config.single_share, abs=0.07)
    assert pool.backgrounds.count("white") / 400 == pytest.approx(config.white_share, abs=0.08)
    assert len(set(singles)) == 36
    assert max(Counter(singles).values()) < 26


def test_scene_config_refuses_radii_in_the_wrong_order():
    with pytest.raises(ValueError, match="max_radius_px"):
        SceneConfig(min_radius_px=10, max_radius_px=5)


def test_names_are_in_the_vocabulary():
    assert set(CATEGORY_NAMES) | set(BACKGROUNDS) <= set(vocabulary())
