"""Selections of synthetic pairs: nested, tied by id, stratified by rule, and told about."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.errors import InputError
from methods.common.generated.rankings import keep_first, rank_at_random, rank_by_score
from methods.sam_filter.selection import (
    describe_selection,
    interleave_strata,
    rank_with_same_mix,
    strata_of,
)

SETS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.lists(st.sampled_from(["coin", "melon", "tent", "bone"]), min_size=1, max_size=3, unique=True),
    ),
    min_size=1,
    max_size=40,
)


def test_scores_fall_and_ties_go_by_id():
    ranking = rank_by_score(["d", "c", "b", "a"], np.array([0.5, 0.9, 0.5, 0.1]))
    assert ranking.tolist() == [1, 2, 0, 3]


def test_random_ranking_does_not_depend_on_the_order_of_the_list():
    ids = [f"{number:03d}" for number in range(50)]
    forward = [ids[image] for image in rank_at_random(ids, np.random.default_rng(3))]
    backward = [ids[::-1][image] for image in rank_at_random(ids[::-1], np.random.default_rng(3))]
    assert forward == backward
    assert sorted(forward) == ids
    assert forward != [ids[image] for image in rank_at_random(ids, np.random.default_rng(4))]


@settings(max_examples=60, deadline=None)
@given(SETS, st.sampled_from(["none", "n_classes", "rarest_class"]))
def test_every_ranking_holds_each_image_once(drawn, stratify):
    ids = [f"{number:02d}" for number in range(len(drawn))]
    score_I, classes = np.array([score for score, _ in drawn]), [names for _, names in drawn]
    by_score = rank_by_score(ids, score_I)
    merged = interleave_strata(by_score, strata_of(classes, stratify))
    assert sorted(merged.tolist()) == list(range(len(ids)))
    if stratify == "none":
        assert merged.tolist() == by_score.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_prefixes_hold_strata_by_their_share(strata):
    merged = interleave_strata(np.arange(len(strata)), strata)
    sizes = Counter(strata)
    for keep in range(1, len(strata) + 1):
        held = Counter(strata[image] for image in merged[:keep])
        for stratum, size in sizes.items():
            assert abs(held[stratum] - keep * size / len(strata)) <= 0.5 + 0.5 * len(sizes) * size / len(strata) + 1e-9


def test_strata_by_hand():
    # Ranks 0..5; stratum a has images 0, 1, 2, 3, at 1/8, 3/8, 5/8, 7/8; stratum b has 4, 5, at 1/4, 3/4.
    merged = interleave_strata(np.arange(6), ["a", "a", "a", "a", "b", "b"])
    assert merged.tolist() == [0, 4, 1, 2, 5, 3]


def test_within_a_stratum_the_order_stays():
    strata = ["a", "b", "a", "b", "a"]
    merged = interleave_strata(np.array([4, 3, 2, 1, 0]), strata)
    assert [image for image in merged.tolist() if strata[image] == "a"] == [4, 2, 0]
    assert [image for image in merged.tolist() if strata[image] == "b"] == [3, 1]


def test_rarest_class_counts_images_and_breaks_ties_by_name():
    classes = [["coin", "melon"], ["coin"], ["melon", "tent"], ["tent"], ["bone"]]
    assert strata_of(classes, "rarest_class") == ["coin", "coin", "melon", "tent", "bone"]
    assert strata_of(classes, "n_classes") == [2, 1, 2, 1, 1]


@settings(max_examples=60, deadline=None)
@given(SETS, st.integers(0, 99))
def test_random_with_the_same_mix_shows_the_same_classes_at_every_size(drawn, seed):
    ids = [f"{number:02d}" for number in range(len(drawn))]
    mix = [frozenset(names) for _, names in drawn]
    by_score = rank_by_score(ids, np.array([score for score, _ in drawn]))
    alike = rank_with_same_mix(by_score, rank_at_random(ids, np.random.default_rng(seed)), mix)
    assert sorted(alike.tolist()) == list(range(len(ids)))
    assert [mix[image] for image in alike] == [mix[image] for image in by_score]


def test_random_with_the_same_mix_takes_other_images():
    ids = [f"{number:03d}" for number in range(200)]
    by_score = rank_by_score(ids, np.linspace(1, 0, 200))
    alike = rank_with_same_mix(by_score, rank_at_random(ids, np.random.default_rng(0)), ["a", "b"] * 100)
    assert 20 <= len(set(alike[:80].tolist()) & set(by_score[:80].tolist())) <= 45


def test_keeping_more_than_there_are_is_refused_in_one_sentence():
    with pytest.raises(InputError) as caught:
        keep_first(np.arange(5), 6, "scores.csv")
    assert str(caught.value) == "scores.csv has 5 images, 6 are to be kept; generate more or keep fewer"


def test_statistics_by_hand():
    told = describe_selection(
        kept=np.array([2, 0]),
        score_I=np.array([0.5, 0.0, 1.0, 0.0]),
        classes=[["coin"], ["coin", "tent"], ["tent"], ["coin"]],
        pixels=[{"coin": 10}, {"coin": 3, "tent": 4}, {"tent": 7}, {}],
        class_names=["coin", "tent", "moon"],
    )
    assert told["num_images"] == {"before": 4, "after": 2}
    assert told["cutoff_score"] == 0.5
    assert told["zero_score_share"] == {"before": 0.5, "after": 0.0}
    assert told["images_per_class"] == {
        "before": {"coin": 3, "tent": 2, "moon": 0},
        "after": {"coin": 1, "tent": 1, "moon": 0},
    }
    assert told["pixels_per_class"]["before"] == {"coin": 13, "tent": 11, "moon": 0}
    assert told["pixels_per_class"]["after"] == {"coin": 10, "tent": 7, "moon": 0}
    assert told["images_by_num_classes"] == {"before": {"1": 3, "2": 1}, "after": {"1": 2}}
    assert told["score_quantiles"]["before"]["0.5"] == 0.25
    assert told["score_quantiles"]["after"]["0"] == 0.5


def test_equal_scores_go_by_id_wherever_they_stand():
    assert rank_by_score(["b", "a", "d", "c"], np.array([1.0, 1.0, 2.0, 1.0])).tolist() == [2, 1, 0, 3]
