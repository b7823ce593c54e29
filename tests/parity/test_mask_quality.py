"""Mask quality against its definitions written with sets of pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from methods.common.errors import InputError
from methods.common.metrics.label_maps.mask_quality import (
    MaskQualityEvaluation,
    agreement_of_label_maps,
    agreement_with_masks,
    evaluate_mask_quality,
)

UNCERTAIN = ("ignore", "background", "foreground")
NUM_CLASSES = 5


def scores_by_sets(generated, reference_sets, named, uncertain, outside=frozenset()):
    """The four scores of one image, read from their definitions.

    `reference_sets` are sets of pixels by class; `outside` are pixels that never count.
    """
    pixels = set(np.ndindex(generated.shape)) - outside
    unsure = {p for p in pixels if generated[p] == 255}
    valid = pixels - unsure if uncertain == "ignore" else pixels
    own = {c: {p for p in valid if generated[p] == c} for c in range(NUM_CLASSES)}
    if uncertain == "background":
        own[0] |= unsure
    if uncertain == "foreground":
        for c in named:
            own[c] |= unsure
    other = {c: reference_sets.get(c, set()) & valid for c in named}
    covered = set().union(*reference_sets.values())
    pairs = [(own[c], other[c]) for c in named]
    background = own[0], valid - covered
    foreground = valid - own[0], valid & covered

    def mean_iou(pairs):
        found = [len(a & b) / len(a | b) for a, b in pairs if a | b]
        return sum(found) / len(found) if found else 0.0

    union = sum(len(a | b) for a, b in pairs)
    return {
        "S1": mean_iou(pairs),
        "S2": sum(len(a & b) for a, b in pairs) / union if union else 0.0,
        "S3": mean_iou([*pairs, background]),
        "S4": mean_iou([foreground]),
    }


def label_maps(height, width, labels):
    pixels = st.lists(st.sampled_from(labels), min_size=height * width, max_size=height * width)
    return pixels.map(lambda values: np.array(values, np.uint8).reshape(height, width))


@settings(max_examples=400, deadline=None)
@given(data=st.data(), uncertain=st.sampled_from(UNCERTAIN))
def test_label_maps_score_as_defined(data, uncertain):
    height, width = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    labels = st.sampled_from([(0,), (0, 255), (0, 1, 255), (0, 1, 2, 4, 255), (255,), (3,), (1, 4)])
    generated, reference = (data.draw(label_maps(height, width, data.draw(labels))) for _ in range(2))
    outside = {p for p in np.ndindex(reference.shape) if reference[p] == 255}
    sets = {c: {p for p in np.ndindex(reference.shape) if reference[p] == c} for c in range(1, NUM_CLASSES)}
    counted = np.array([p not in outside for p in np.ndindex(reference.shape)]).reshape(reference.shape)
    # The classes asked for: all; with uncertain pixels as foreground those that a counted pixel shows.
    shown = set(generated[counted]) | set(reference[counted])
    if uncertain == "ignore":
        sure = counted & (generated != 255)
        shown = set(generated[sure]) | set(reference[sure])
    named = [c for c in range(1, NUM_CLASSES) if c in shown] if uncertain == "foreground" else range(1, NUM_CLASSES)
    expected = scores_by_sets(generated, sets, named, uncertain, frozenset(outside))
    found = agreement_of_label_maps(generated, reference, NUM_CLASSES, uncertain).scores()
    assert {name: float(score) for name, score in found.items()} == pytest.approx(expected, abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), uncertain=st.sampled_from(UNCERTAIN))
def test_overlapping_masks_score_as_defined(data, uncertain):
    height, width = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    generated = data.draw(label_maps(height, width, (0, 1, 2, 255)))
    named = data.draw(st.lists(st.sampled_from([1, 2, 4]), unique=True))
    masks = {c: data.draw(label_maps(height, width, (0, 1))).astype(bool) for c in named}
    sets = {c: {p for p in np.ndindex(mask.shape) if mask[p]} for c, mask in masks.items()}
    found = agreement_with_masks(generated, masks, NUM_CLASSES, uncertain).scores()
    expected = scores_by_sets(generated, sets, named, uncertain)
    assert {name: float(score) for name, score in found.items()} == pytest.approx(expected, abs=1e-12)


def test_both_forms_agree_where_masks_do_not_overlap():
    rng = np.random.default_rng(0)
    generated, reference = (rng.choice([0, 1, 2, 3, 255], (20, 30)).astype(np.uint8) for _ in range(2))
    reference[reference == 255] = 0
    by_maps = agreement_of_label_maps(generated, reference, NUM_CLASSES)
    by_masks = agreement_with_masks(generated, {c: reference == c for c in range(1, NUM_CLASSES)}, NUM_CLASSES)
    for field in ("intersection_K", "union_K", "reference_K", "num_pixels"):
        assert np.array_equal(getattr(by_maps, field), getattr(by_masks, field)), field


def test_a_filter_sees_damage_and_no_order_of_classes():
    truth = np.zeros((40, 40), np.uint8)
    truth[5:25, 5:30], truth[28:38, 10:20] = 1, 2
    damaged = [truth.copy() for _ in range(4)]
    for size, copy in enumerate(damaged):
        copy[5 : 5 + 4 * size, 5:30] = 0
    masks = {2: truth == 2, 1: truth == 1}
    for name in ("S1", "S2", "S3", "S4"):
        ranked = [agreement_with_masks(copy, masks, 3).scores()[name] for copy in damaged]
        assert ranked[0] == 1
        assert (np.diff(ranked) < 0).all()
    swapped = agreement_with_masks(damaged[2], dict(reversed(masks.items())), 3).scores()
    assert swapped == agreement_with_masks(damaged[2], masks, 3).scores()
    nothing = agreement_with_masks(truth, {1: np.zeros_like(truth, bool)}, 3).scores()
    assert (nothing["S1"], nothing["S2"], nothing["S4"]) == (0, 0, 0)


@pytest.fixture
def folders(tmp_path):
    """Five images of different sizes, class 3 only generated, class 4 nowhere; palette and grey files."""
    rng = np.random.default_rng(3)
    for folder, labels in (("generated", [0, 1, 2, 3, 255]), ("reference", [0, 1, 2])):
        for index in range(5):
            path = tmp_path / folder / "part" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            label_HW = rng.choice(labels, (10 + index, 17)).astype(np.uint8)
            picture = Image.fromarray(label_HW)
            if folder == "generated":
                picture.putpalette(rng.integers(0, 256, 768).tolist())
            picture.save(path)
    return tmp_path / "generated", tmp_path / "reference"


def read(folder):
    return {
        path.relative_to(folder).with_suffix("").as_posix(): np.array(Image.open(path))
        for path in folder.rglob("*.png")
    }


def test_a_folder_scores_as_its_images(folders):
    evaluation = evaluate_mask_quality(*folders, NUM_CLASSES, class_names=list("_abcd"))
    generated, reference = read(folders[0]), read(folders[1])
    assert evaluation.image_ids == tuple(f"part/{i}" for i in range(5))
    of_images = [
        scores_by_sets(
            generated[name],
            {c: set(zip(*np.nonzero(reference[name] == c), strict=True)) for c in (1, 2)},
            range(1, NUM_CLASSES),
            "ignore",
        )
        for name in evaluation.image_ids
    ]
    valid = {name: generated[name] != 255 for name in generated}
    iou = {}
    for c in (1, 2, 3):
        both = sum(((generated[n] == c) & (reference[n] == c)).sum() for n in generated)
        either = sum((((generated[n] == c) | (reference[n] == c)) & valid[n]).sum() for n in generated)
        iou[c] = both, either
    metrics = evaluation.metrics()
    assert metrics["mIoU"] == pytest.approx(np.mean([both / either for both, either in iou.values()]), abs=1e-12)
    pooled = sum(both for both, _ in iou.values()) / sum(either for _, either in iou.values())
    assert metrics["pooled_IoU"] == pytest.approx(pooled, abs=1e-12)
    for name in ("S1", "S2", "S3", "S4"):
        assert evaluation.scores[name] == pytest.approx([of_image[name] for of_image in of_images], abs=1e-12)
        assert metrics[name] == pytest.approx(np.mean([of_image[name] for of_image in of_images]), abs=1e-12)
    rows = evaluation.per_class()
    assert [row["name"] for row in rows] == list("abcd")
    assert [row["IoU"] for row in rows] == [*(pytest.approx(both / either) for both, either in iou.values()), None]
    assert [row["num_images"] for row in rows] == [5, 5, 5, 0]


@pytest.mark.parametrize("uncertain", UNCERTAIN)
def test_processes_change_nothing_and_weights_repeat_images(folders, in_processes, uncertain):
    seen = []
    evaluation = evaluate_mask_quality(*folders, NUM_CLASSES, uncertain=uncertain)
    again = evaluate_mask_quality(
        *folders, NUM_CLASSES, uncertain=uncertain, num_processes=2, progress=lambda *told: seen.append(told)
    )
    assert again.metrics() == evaluation.metrics() == evaluation.metrics(np.ones(5))
    assert seen[-1] == (5, 5)
    order = [0, 0, 0, 2, 4]
    parts = {
        field: getattr(evaluation.agreement, field)[order]
        for field in ("intersection_K", "union_K", "reference_K", "num_pixels")
    }
    repeated = MaskQualityEvaluation(tuple("abcde"), type(evaluation.agreement)(**parts))
    assert evaluation.metrics(np.array([3.0, 0, 1, 0, 1])) == pytest.approx(repeated.metrics(), rel=1e-12)
    assert set(evaluation.metrics(np.zeros(5)).values()) == {None}


def test_masks_of_0_and_255_are_noticed(folders):
    generated, reference = folders
    assert evaluate_mask_quality(generated, reference, NUM_CLASSES).notes()[:-1] == []
    for path in generated.rglob("*.png"):
        shown_HW = np.array(Image.open(path)) > 1
        Image.fromarray(255 * shown_HW.astype(np.uint8)).save(path)
    note, _ = evaluate_mask_quality(generated, reference, NUM_CLASSES).notes()
    assert note.startswith("no generated mask shows any class from 1 to 4; masks of 0 and 255 need 1 for the object")


def test_faults_are_one_sentence(folders):
    generated, reference = folders
    with pytest.raises(
        InputError, match=r"generated/part/\d.png has label 3 at row \d+, column \d+; labels are 0 to 2"
    ):
        evaluate_mask_quality(generated, reference, 3)
    with pytest.raises(InputError, match="256 classes cannot be"):
        evaluate_mask_quality(generated, reference, 256)
    with pytest.raises(InputError, match="2 class names for 5 classes"):
        evaluate_mask_quality(generated, reference, 5, class_names=["a", "b"])
    Image.new("L", (9, 9)).save(generated / "part" / "2.png")
    with pytest.raises(InputError, match=r"generated/part/2.png is 9x9 pixels, its ground truth 17x12"):
        evaluate_mask_quality(generated, reference, NUM_CLASSES)
    (generated / "part" / "2.png").unlink()
    with pytest.raises(InputError, match=r"no prediction .*generated/part/2.png"):
        evaluate_mask_quality(generated, reference, NUM_CLASSES)


def test_binary_masks_of_255_are_noticed(tmp_path):
    for folder in ("generated", "reference"):
        (tmp_path / folder).mkdir()
        mask = np.zeros((6, 6), np.uint8)
        mask[2:, 2:] = 255
        Image.fromarray(mask).save(tmp_path / folder / "a.png")
    with pytest.raises(InputError, match="shows any class from 1 to 1; masks of 0 and 255 need 1 for the object"):
        evaluate_mask_quality(tmp_path / "generated", tmp_path / "reference", 2)


def test_the_worked_example_of_the_passport():
    reference, generated = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    reference[:2], reference[5] = 1, 2
    generated[0], generated[5] = 1, 2
    scores = agreement_of_label_maps(generated, reference, 3).scores()
    expected = {"S1": 0.75, "S2": 2 / 3, "S3": (0.5 + 1 + 70 / 80) / 3, "S4": 2 / 3}
    assert {name: float(score) for name, score in scores.items()} == pytest.approx(expected)
