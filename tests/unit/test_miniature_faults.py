"""Pictures that fail their captions: which categories, how often, in which way."""

from collections import Counter

import numpy as np
import pytest

from methods.common.miniature.categories import CATEGORIES, SHAPES, UNNAMED
from methods.common.miniature.faults import (
    SHARES_BY_LEVEL,
    draw_fault,
    fault_level,
    faulty_scene,
    other_sense,
)
from methods.common.miniature.renderer import render_scene
from methods.common.miniature.web import web_sample
from methods.common.miniature.world_config import WebConfig

SINGLE = WebConfig().single_scene()
UNRELIABLE = [index for index in range(len(CATEGORIES)) if fault_level(index)]


def test_each_silhouette_has_one_surface_of_each_level():
    for shape in SHAPES:
        levels = [fault_level(index) for index, category in enumerate(CATEGORIES) if category.shape == shape]
        assert sorted(levels) == [0, 1, 2, 3]


def test_no_two_words_share_their_other_sense_and_no_category_is_one():
    senses = [other_sense(index) for index in UNRELIABLE]
    assert len(set(senses)) == len(senses) == len(UNNAMED) == 27
    assert not {(s.shape, s.surface) for s in senses} & {(c.shape, c.surface) for c in CATEGORIES}
    assert all(sense.shape != CATEGORIES[index].shape for index, sense in zip(UNRELIABLE, senses, strict=True))


def test_a_reliable_word_has_one_sense():
    reliable = next(index for index in range(len(CATEGORIES)) if not fault_level(index))
    with pytest.raises(ValueError, match="one sense"):
        other_sense(reliable)


@pytest.mark.parametrize("level", range(4))
def test_faults_are_as_frequent_as_stated(level):
    category = next(index for index in range(len(CATEGORIES)) if fault_level(index) == level)
    rng = np.random.default_rng(5)
    found = Counter(draw_fault(category, rng) for _ in range(4000))
    for fault, share in SHARES_BY_LEVEL[level].items():
        assert found[fault] / 4000 == pytest.approx(share, abs=0.025)
    assert found[None] / 4000 == pytest.approx(1 - sum(SHARES_BY_LEVEL[level].values()), abs=0.025)


def test_the_wrong_sense_is_drawn_under_the_name_of_the_category():
    category = UNRELIABLE[3]
    scene = faulty_scene("wrong_sense", category, "sand", SINGLE, np.random.default_rng(8))
    same = render_scene([category], "sand", SINGLE, np.random.default_rng(8), looks=[other_sense(category)])
    right = render_scene([category], "sand", SINGLE, np.random.default_rng(8))
    assert [instance.category for instance in scene.instances] == [category]
    assert np.array_equal(scene.image_HW3, same.image_HW3)
    assert not np.array_equal(scene.image_HW3, right.image_HW3)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_cut_off_reaches_the_edge_and_lacks_a_good_part(seed):
    scene = faulty_scene("cut_off", seed, "white", SINGLE, np.random.default_rng(seed))
    (instance,) = scene.instances
    assert scene.image_HW3.shape == (64, 64, 3)
    assert instance.mask_HW.shape == (64, 64)
    left, _, right, _ = instance.box_xyxy
    assert (left == 0) != (right == 64)
    assert 0.25 * 2 * instance.radius_px * 0.72 < right - left < 0.72 * 2 * instance.radius_px * 1.3


def test_doubled_objects_are_two_of_the_same():
    scene = faulty_scene("doubled", 4, "grass", SINGLE, np.random.default_rng(0))
    assert [instance.category for instance in scene.instances] == [4, 4]
    assert max(instance.radius_px for instance in scene.instances) <= 0.25 * 64


def test_the_web_fails_only_where_it_is_asked_to_and_its_captions_do_not_tell():
    faulty = WebConfig(single_share=1.0, faults=True)
    doubled: Counter[int] = Counter()
    seen: Counter[int] = Counter()
    for index in range(600):
        failing = web_sample(3, index, faulty)
        (category,) = {instance.category for instance in failing.scene.instances}
        assert category == web_sample(3, index, WebConfig(single_share=1.0)).scene.instances[0].category
        assert any(name in failing.caption.split() for name in CATEGORIES[category].synonyms)
        assert " and " not in failing.caption or len(failing.scene.instances) == 2
        seen[fault_level(category)] += 1
        doubled[fault_level(category)] += len(failing.scene.instances) == 2
    assert doubled[2] / seen[2] == pytest.approx(0.14, abs=0.07)
    assert doubled[0] / seen[0] <= 0.05
