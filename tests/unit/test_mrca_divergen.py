"""DiverGen by value, and the stand-in for X-Paste + CLIP (MRCA sections 5.2 and 5.4)."""

import json

import numpy as np
import pytest
import torch

from methods.common.errors import InputError
from methods.common.segmenters.centernet2.extra_classes import with_extra_classes
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.instance.instances import real_instances
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.mrca.augment import Donor, make_training_image
from methods.mrca.divergen_filter import (
    CropConfig,
    SimilarityFilterConfig,
    judge_similarity,
    mean_similarity,
    real_crop,
)
from methods.mrca.divergen_prompts import (
    all_prompts,
    dictionary_prompt,
    prompt_of_image,
    read_extra_classes,
    read_written_prompts,
)
from methods.mrca.energy import free_energy, train_val_gap
from methods.mrca.paste import PasteConfig, draw_placement
from methods.mrca.real_pasting import RealPastingConfig, draw_real_objects
from methods.mrca.size_model import PasteSizeConfig, SizeModel, draw_extra_size
from methods.mrca.xpaste_clip import XPasteClipConfig, keep_closest

# ---- X-Paste + CLIP, a stand-in


def test_objects_from_the_limit_on_stay_and_else_the_best_tenth_of_their_class() -> None:
    class_N = np.array([0, 0, 0, *[1] * 11, 2])
    score_N = np.array([25.0, 24.99, 30.0, *np.linspace(10, 20, 11), 3.0])
    kept = keep_closest(class_N, score_N, XPasteClipConfig())
    # Class 0 has some; of class 1's 11, 1.1 rounded up are 2; class 2 keeps its only one.
    assert np.flatnonzero(kept).tolist() == [0, 2, 12, 13, 14]


def test_of_equal_scores_the_first_stays() -> None:
    assert keep_closest(np.zeros(5, int), np.full(5, 1.0), XPasteClipConfig()).tolist() == [True] + [False] * 4


# ---- filter


def same_length(*vectors: tuple[float, float]) -> np.ndarray:
    return np.array([np.array(vector) / np.hypot(*vector) for vector in vectors], np.float32)


def test_similarity_is_the_mean_over_real_crops_not_the_least_or_the_best() -> None:
    real = same_length((1, 0), (0, 1), (1, 0))
    assert mean_similarity(np.array([1, 0], np.float32), real) == pytest.approx(2 / 3)


def embed(images: np.ndarray) -> np.ndarray:
    """One direction for each picture by its red share, so that what lies outside the mask would count."""
    red = images[..., 0].reshape(len(images), -1).astype(float).mean(axis=1) / 255
    return np.stack([red, np.sqrt(1 - red**2)], axis=1).astype(np.float32)


def test_what_counts_is_the_object_on_black_and_the_limit_itself_passes() -> None:
    """Half of the picture is object, all of it is red: the object on black is half red."""
    image = np.zeros((1, 10, 10, 3), np.uint8)
    image[..., 0] = 255
    soft = np.zeros((1, 10, 10), np.float32)
    soft[:, :5] = 0.5
    real = np.array([[1, 0]], np.float32)
    (kept,) = judge_similarity(image, soft, [real], embed, SimilarityFilterConfig(min_similarity=0.5))
    assert kept.outcome == "accepted"
    assert kept.clip_score == pytest.approx(50)
    assert kept.rgba_HW4.shape == (5, 10, 4)
    (lost,) = judge_similarity(image, soft, [real], embed, SimilarityFilterConfig(min_similarity=0.51))
    assert lost.outcome == "clip_score"


def test_an_object_of_an_extra_class_is_judged_by_its_area_alone() -> None:
    image, soft = np.zeros((3, 10, 10, 3), np.uint8), np.zeros((3, 10, 10), np.float32)
    soft[0, :5], soft[1, 0, :4] = 1, 1
    found = judge_similarity(image, soft, [None] * 3, embed, SimilarityFilterConfig())
    assert [one.outcome for one in found] == ["accepted", "too_small", "empty_mask"]
    assert np.isnan(found[0].clip_score)


def test_a_real_crop_is_square_padded_black_beyond_the_image_and_blurred_around_the_object() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[::2] = 200
    mask = np.zeros((40, 60), bool)
    mask[10:14, 0:8] = True
    crop = real_crop(image, mask, CropConfig(padding_px=6, blur_px=10))
    assert crop.shape == (20, 20, 3)  # longer side 8, and 6 on both
    assert (crop[:, :6] == 0).all()  # the box begins at the left edge of the image
    assert np.array_equal(crop[8:12, 6:14], image[10:14, 0:8])
    assert 90 <= crop[2, 16, 0] <= 110  # a box of 10 sees as many light rows as dark ones


# ---- prompts and classes


def test_a_prompt_gives_the_dictionarys_words_where_nobody_wrote_any() -> None:
    assert (
        dictionary_prompt("crab_(animal)", "a sea animal") == "single crab animal, a sea animal, in a white background"
    )
    assert dictionary_prompt("coin", "") == "single coin, in a white background"
    prompts = all_prompts([(1, "coin", "money"), (2, "moon", "a satellite")], {2: ("x", "y", "z")})
    assert prompts[1] == ("single coin, money, in a white background",)
    assert [prompt_of_image(prompts[2], index) for index in range(7)] == ["x", "y", "z", "x", "y", "z", "x"]


def test_extra_classes_are_those_of_the_list_that_the_data_lack(tmp_path) -> None:
    records = [{"id": i, "name": f"n{i}", "def": "d", "image_count": 10 * i} for i in (9, 3, 7, 1)]
    (tmp_path / "list.json").write_text(json.dumps(records))
    found = read_extra_classes(tmp_path / "list.json", {1, 3}, 2)
    assert [(one.id, one.image_count) for one in found] == [(7, 70), (9, 90)]
    with pytest.raises(InputError, match="has 2 classes that the data do not have, 3 are asked for"):
        read_extra_classes(tmp_path / "list.json", {1, 3}, 3)
    (tmp_path / "list.json").write_text('[{"id": 1}]')
    with pytest.raises(InputError, match="is no list of classes"):
        read_extra_classes(tmp_path / "list.json", {1, 3}, 1)


def test_written_prompts_are_read_by_category(tmp_path) -> None:
    (tmp_path / "12.txt").write_text("one\n\n two \n")
    (tmp_path / "99.txt").write_text("of no class here\n")
    assert read_written_prompts(tmp_path, {12, 13}) == {12: ("one", "two")}
    (tmp_path / "13.txt").write_text("\n")
    with pytest.raises(InputError, match="has no prompt"):
        read_written_prompts(tmp_path, {12, 13})
    (tmp_path / "13.txt").rename(tmp_path / "coin.txt")
    with pytest.raises(InputError, match="is named after no category"):
        read_written_prompts(tmp_path, {12, 13})


# ---- sizes of extra classes


class Uniform:
    """Draws the same share of every range."""

    def __init__(self, share: float) -> None:
        self.share = share

    def uniform(self, low: float, high: float) -> float:
        return low + self.share * (high - low)

    def random(self) -> float:
        return self.share

    def standard_normal(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, (5, 20)), (1.0, (30, 120)), (0.5, (18, 70))],  # 0.05, 0.3 and 0.175 of 100 x 400
)
def test_an_extra_object_is_a_share_of_its_own_cut_out(share, expected) -> None:
    assert draw_extra_size((100, 400), (640, 640), PasteSizeConfig(), Uniform(share)) == expected


def test_no_side_is_shorter_than_three_pixels_and_none_reaches_the_images() -> None:
    assert draw_extra_size((10, 100), (640, 640), PasteSizeConfig(), Uniform(0.0)) == (3, 5)
    assert draw_extra_size((10, 500), (100, 100), PasteSizeConfig(), Uniform(1.0)) is None


def test_only_classes_behind_the_size_model_are_extra() -> None:
    model = SizeModel(np.array([0.4, 0.4]), np.zeros(2))
    sizes = [
        draw_placement((100, 100), (200, 200), index, model, np.ones(2), Uniform(0.5), PasteSizeConfig())
        for index in (1, 2)
    ]
    assert [(one.height, one.width) for one in sizes if one] == [(80, 80), (18, 18)]


# ---- classes that exist in training alone


@pytest.fixture(scope="module")
def pair() -> tuple[CenterNet2, CenterNet2]:
    """A network, and the same with three extra classes."""
    plain = CenterNet2(centernet2_miniature(4), torch.Generator().manual_seed(0))
    config = centernet2_miniature(4).model_copy(update={"extra_classes": 3})
    return plain.eval(), with_extra_classes(plain, config, torch.Generator().manual_seed(1)).eval()


def test_extra_classes_are_dropped_at_test_and_change_no_detection(pair) -> None:
    plain, wider = pair
    with torch.no_grad():
        for head in wider.cascade.heads:
            head.classifier.bias[4:7] = 9.0  # they would win everywhere
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 255
    (before,), (after,) = plain.detect(image), wider.detect(image)
    assert len(before.scores_N) > 0
    assert torch.equal(before.classes_N, after.classes_N)
    assert torch.allclose(before.scores_N, after.scores_N)
    assert int(after.classes_N.max()) < 4


def test_what_was_known_stays_and_background_moves_behind_the_extra_classes(pair) -> None:
    plain, wider = pair
    old, new = plain.cascade.heads[0].classifier, wider.cascade.heads[0].classifier
    assert new.weight.shape[0] == 8
    assert torch.equal(new.weight[:4], old.weight[:4])
    assert torch.equal(new.weight[7], old.weight[4])
    assert all(
        torch.equal(value, plain.state_dict()[name])
        for name, value in wider.state_dict().items()
        if "classifier" not in name and "class_weight" not in name
    )
    assert wider.cascade.class_weight_C.shape == (7,)


def test_a_saved_model_says_both_numbers(pair, tmp_path) -> None:
    pair[1].save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["num_classes"], config["extra_classes"]) == (4, 3)
    assert CenterNet2.from_pretrained(tmp_path).num_classes == 4


def test_extra_classes_are_trained_and_drawn_into_the_federated_loss(pair) -> None:
    """Only classes with a count are drawn; an object of an extra class is foreground, with a gradient in its own row."""
    model = with_extra_classes(pair[0], pair[1].config, torch.Generator().manual_seed(1)).train()
    model.set_class_counts([0, 0, 0, 0, 0, 5, 5])
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, 10:50, 10:50] = True
    target = InstanceTarget(torch.tensor([[10.0, 10, 50, 50]]), torch.tensor([4]), mask)
    losses = model.losses(torch.rand(1, 3, 64, 64) * 255, [target], torch.Generator().manual_seed(0))
    sum(losses.values()).backward()
    gradient = model.cascade.heads[0].classifier.weight.grad.abs().sum(1)
    assert (gradient[:4] == 0).all()
    assert (gradient[4:7] > 0).all()
    assert gradient[7] == 0
    assert losses["box_1"] > 0


# ---- energy gap


def test_free_energy_is_low_where_a_class_is_sure() -> None:
    logits = np.array([[0.0, 0.0], [1.8, 0.0], [900.0, 0.0]])
    expected = [-0.9 * np.log(2), -0.9 * np.log(np.exp(2) + 1), -900.0]
    assert free_energy(logits, 0.9) == pytest.approx(expected)
    assert train_val_gap(np.array([-3.0, -1.0]), np.array([-1.0])) == 1.0


# ---- copy-paste between real images


def other_image() -> tuple[np.ndarray, object]:
    masks = np.zeros((2, 20, 30), bool)
    masks[0, 2:6, 3:8], masks[1, 10:15, 20:29] = True, True
    masks[0, 2, 3] = False
    return np.full((20, 30, 3), 200, np.uint8), real_instances(np.array([1, 2]), masks)


def test_real_objects_keep_place_size_and_outline() -> None:
    image, instances = other_image()
    objects, placements = draw_real_objects(image, instances, np.random.default_rng(0), RealPastingConfig(share=1))
    empty = real_instances(np.zeros(0, int), np.zeros((0, 20, 30), bool))
    from methods.mrca.paste import paste_objects

    pasted, found = paste_objects(np.zeros((20, 30, 3), np.uint8), empty, objects, placements, PasteConfig())
    assert np.array_equal(found.mask_NHW, instances.mask_NHW)
    assert found.class_N.tolist() == [1, 2]
    assert np.array_equal(pasted[..., 0] == 200, instances.mask_NHW.any(axis=0))


def test_the_other_images_instances_lie_beneath_generated_objects_and_change_nothing_else() -> None:
    image, instances = other_image()
    size = SizeModel(np.array([0.4, 0.4, 0.4]), np.zeros(3))
    settings = AugmentConfig(size_px=30, min_scale=1, max_scale=1, flip_probability=0)
    red = np.zeros((9, 9, 4), np.uint8)
    red[..., 0] = red[..., 3] = 255
    here = np.zeros((20, 30, 3), np.uint8), real_instances(np.zeros(0, int), np.zeros((0, 20, 30), bool))

    def make(donor):
        rng, small = np.random.default_rng(5), PasteSizeConfig(min_length_px=2, min_side_px=2)
        return make_training_image(*here, [(red, 0)], size, np.ones(3), rng, settings, small, PasteConfig(), donor)

    plain, _ = make(None)
    both, both_instances = make(Donor(image, instances, RealPastingConfig(share=1)))
    assert both_instances.class_N.tolist()[-1] == 0
    assert set(both_instances.class_N.tolist()) == {0, 1, 2}
    assert (both_instances.source_N == 1).all()
    is_red = (plain == [255, 0, 0]).all(axis=2)
    assert is_red.any()
    assert (both[is_red] == [255, 0, 0]).all()
    assert (both[~is_red] == 200).any()
