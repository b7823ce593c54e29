"""The held-out feedback split, and class counts."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.datasets.lvis import (
    LvisAnnotation,
    LvisCategory,
    LvisDataset,
    LvisImage,
    frequency_group,
    read_lvis,
)
from methods.common.datasets.lvis_split import HeldoutSplit, class_statistics, split_heldout
from methods.common.errors import InputError


def dataset_of(classes_by_image: list[list[int]], num_classes: int) -> LvisDataset:
    """Image i (id 100 + i) shows the listed classes, once for each mention; class k has id 10 * k + 1."""
    images = [LvisImage(100 + index, 8, 8) for index in range(len(classes_by_image))]
    annotations: dict[int, list[LvisAnnotation]] = {image.id: [] for image in images}
    for image, classes in zip(images, classes_by_image, strict=True):
        for index in classes:
            square = (np.array([0.0, 0.0, 2.0, 0.0, 2.0, 2.0]),)
            found = LvisAnnotation(len(annotations), image.id, 10 * index + 1, square, (0, 0, 2, 2), 2.0)
            annotations[image.id].append(found)
    counts = [sum(index in classes for classes in classes_by_image) for index in range(num_classes)]
    categories = [
        LvisCategory(10 * index + 1, f"class_{index}", frequency_group(count), count, 777)
        for index, count in enumerate(counts)
    ]
    return LvisDataset(categories, images, annotations)


def ids(dataset: LvisDataset) -> list[int]:
    return [image.id for image in dataset.images]


def check_split(dataset: LvisDataset, split: HeldoutSplit, fraction: float) -> None:
    before, fit, held = (class_statistics(part).image_count for part in (dataset, split.fit, split.heldout))
    assert sorted(ids(split.fit) + ids(split.heldout)) == ids(dataset)
    np.testing.assert_array_equal(before, fit + held)
    assert ((fit > 0) == (before > 0)).all(), "a class left the training part"
    at_least_one = len(split.heldout.images) == 1
    assert at_least_one or (3 * held <= before).all(), "a class gave up more than a third"
    uncovered = np.flatnonzero((before >= 3) & (held == 0))
    for index in uncovered:
        # Only a class that could give up no image at all is excused.
        assert all(blocked(dataset, image.id, index, split) for image in dataset.images)
    needed = int((before >= 3).sum())
    assert len(split.heldout.images) <= max(round(fraction * len(dataset.images)), needed, 1)


def blocked(dataset: LvisDataset, image_id: int, index: int, split: HeldoutSplit) -> bool:
    shown = {dataset.class_index[a.category_id] for a in dataset.annotations[image_id]}
    before, held = (class_statistics(part).image_count for part in (dataset, split.heldout))
    return index not in shown or any(3 * (held[other] + 1) > before[other] for other in shown)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=4, max_size=80),
    st.sampled_from([0.05, 0.2]),
    st.integers(),
)
def test_split_keeps_its_promises(classes_by_image: list[list[int]], fraction: float, seed: int) -> None:
    dataset = dataset_of(classes_by_image, 7)
    try:
        split = split_heldout(dataset, np.random.default_rng(abs(seed)), fraction)
    except InputError:
        held = [set(classes) for classes in classes_by_image]
        alone = [any(sum(index in other for other in held) == 1 for index in classes) for classes in held]
        assert all(alone), "an image could have been held out"
        return
    check_split(dataset, split, fraction)


def test_size_is_the_fraction_where_classes_allow() -> None:
    dataset = dataset_of([[index % 4] for index in range(400)], 4)
    split = split_heldout(dataset, np.random.default_rng(0))
    assert len(split.heldout.images) == 20
    assert (class_statistics(split.heldout).image_count > 0).all()


@pytest.mark.parametrize(("count", "held"), [(1, 0), (2, 0), (3, 1), (5, 1), (6, 2), (8, 2), (9, 3)])
def test_a_class_gives_up_a_third_of_its_images_and_no_more(count: int, held: int) -> None:
    """Half of 60 images are asked for; the class alone in ``count`` of them gives floor(count / 3)."""
    dataset = dataset_of([[0]] * count + [[1]] * (60 - count), 2)
    split = split_heldout(dataset, np.random.default_rng(0), 0.5)
    assert class_statistics(split.heldout).image_count.tolist() == [held, (60 - count) // 3]


def test_without_the_limits_a_class_gives_up_what_is_asked_for() -> None:
    dataset = dataset_of([[0]] * 4 + [[1]] * 56, 2)
    as_before = split_heldout(dataset, np.random.default_rng(0), 0.5, min_images=5, max_class_share=1.0)
    assert len(as_before.heldout.images) == 30
    uncovered = split_heldout(dataset, np.random.default_rng(0), 0.02, min_images=5, max_class_share=1.0)
    assert class_statistics(uncovered.heldout).image_count.tolist() == [0, 1]
    covered = split_heldout(dataset, np.random.default_rng(0), 0.02)
    assert class_statistics(covered.heldout).image_count.tolist() == [1, 1]


def test_one_image_is_held_out_even_where_no_class_can_spare_a_third() -> None:
    split = split_heldout(dataset_of([[0], [0], [1], [1]], 2), np.random.default_rng(0))
    assert len(split.heldout.images) == 1
    assert (class_statistics(split.fit).image_count > 0).all()


def test_scarce_classes_keep_all_their_images_when_others_suffice() -> None:
    dataset = dataset_of([[0]] * 60 + [[0, 1]] * 2, 2)
    for seed in range(5):
        split = split_heldout(dataset, np.random.default_rng(seed), 0.2)
        assert class_statistics(split.fit).image_count[1] == 2


def test_seed_decides() -> None:
    dataset = dataset_of([[index % 3] for index in range(100)], 3)
    first, again, other = (ids(split_heldout(dataset, np.random.default_rng(seed)).heldout) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_groups_stay_and_counts_follow() -> None:
    dataset = dataset_of([[0, 0]] * 11 + [[1]] * 200, 2)
    split = split_heldout(dataset, np.random.default_rng(0))
    assert [category.frequency for category in split.fit.classes] == ["c", "f"]
    counts = class_statistics(split.fit)
    assert [category.image_count for category in split.fit.classes] == counts.image_count.tolist()
    assert [category.instance_count for category in split.fit.classes] == counts.instance_count.tolist()
    assert counts.image_count[0] <= 10
    assert counts.frequency[0] == "r"
    assert split.heldout.categories == dataset.categories


def test_nothing_to_spare_is_said() -> None:
    with pytest.raises(InputError, match="none can be held out"):
        split_heldout(dataset_of([[0], [1]], 2), np.random.default_rng(0))


def test_statistics_count_images_and_instances() -> None:
    counts = class_statistics(dataset_of([[0, 0, 2], [0], []], 4))
    assert counts.image_count.tolist() == [2, 0, 1, 0]
    assert counts.instance_count.tolist() == [3, 0, 1, 0]
    assert counts.frequency == ["r"] * 4


def test_frequency_rule_gives_the_groups_of_lvis_v1(shared: Path) -> None:
    classes = json.loads((shared / "data/lvis/lvis_v1_train_cat_info.json").read_text())
    ours = [frequency_group(entry["image_count"]) for entry in classes]
    assert ours == [entry["frequency"] for entry in classes]
    assert [ours.count(group) for group in "rcf"] == [337, 461, 405]


def test_emoji_split(shared: Path) -> None:
    dataset = read_lvis(shared / "data/emoji_lvis/train.json")
    counts = class_statistics(dataset)
    assert counts.image_count.tolist() == [category.image_count for category in dataset.classes]
    assert counts.instance_count.tolist() == [category.instance_count for category in dataset.classes]
    assert counts.frequency == [category.frequency for category in dataset.classes]
    check_split(dataset, split_heldout(dataset, np.random.default_rng(0)), 0.05)
