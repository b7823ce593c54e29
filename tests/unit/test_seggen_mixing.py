"""SegGen's two ways to use generated pairs: in the place of real samples, and before them."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.datasets.voc import write_labels
from methods.common.seeds import Seeds
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.training_images import TrainingCrops, epochs
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.training_sources import RealSource
from methods.common.training.poly_recipe import PolyRecipe
from methods.seggen.mixed_images import RealAndGenerated
from methods.seggen.mixing import ConcatenatedOrder, MixedOrder, Pool, count_draws
from methods.seggen.mixing_config import ConcatenatedSource, MixedSource
from methods.seggen.replacement import Mixing
from methods.seggen.stages.train import SegGenTrainConfig, train
from tests.unit.labelled_data import refusal
from tests.unit.train_semantic_inputs import tensors

NAMES = ("sky", "disc", "ring")
POOL = Pool(3, [0, 0, 0, 1, 1, 2, 2], ["MaskSyn", "ImgSyn", "ImgSyn", "MaskSyn", "ImgSyn", "ImgSyn", "ImgSyn"])
"""Three real images with three, two and two generated ones, 3 to 9."""
SAMPLES = 6000


def drawn(mixing: Mixing, pool: Pool = POOL, seed: int = 0) -> list[int]:
    order = MixedOrder(pool, mixing, Seeds(training=seed))
    return [order.image_index(position) for position in range(SAMPLES)]


def test_a_share_of_the_samples_is_replaced_by_variants_of_the_same_image() -> None:
    real = epochs(3, Seeds())
    found = drawn(Mixing(p_aug=0.6))
    generated = [(index, real.image_index(position)) for position, index in enumerate(found) if index >= 3]
    assert abs(len(generated) / SAMPLES - 0.6) < 0.03
    assert all(POOL.image_of[index - 3] == image for index, image in generated)
    kept = [(index, real.image_index(position)) for position, index in enumerate(found) if index < 3]
    assert all(index == image for index, image in kept)
    assert drawn(Mixing(p_aug=0)) == [real.image_index(position) for position in range(SAMPLES)]
    assert min(drawn(Mixing(p_aug=1))) == 3


def test_variants_are_drawn_uniformly_or_strategies_one_to_one() -> None:
    uniform = Counter(drawn(Mixing(p_aug=1)))
    of_first = [uniform[index] for index in (3, 4, 5)]
    assert all(abs(count / (SAMPLES / 3) - 1 / 3) < 0.04 for count in of_first)
    halves = Counter(drawn(Mixing(p_aug=1, weigh="one to one")))
    assert abs(halves[3] / (SAMPLES / 3) - 1 / 2) < 0.04
    assert abs(halves[4] / (SAMPLES / 3) - 1 / 4) < 0.04
    assert abs(halves[8] / (SAMPLES / 3) - 1 / 2) < 0.04  # an image with one strategy alone


def test_from_the_pool_any_pair_stands_for_any_image() -> None:
    counts = Counter(drawn(Mixing(p_aug=1, replaced_by="pool")))
    assert all(abs(counts[index] / SAMPLES - 1 / 7) < 0.02 for index in range(3, 10))
    real = epochs(3, Seeds())
    found = drawn(Mixing(p_aug=1, replaced_by="pool"))
    others = [POOL.image_of[index - 3] != real.image_index(position) for position, index in enumerate(found)]
    assert 0.5 < np.mean(others) < 0.8
    halves = Counter(drawn(Mixing(p_aug=1, replaced_by="pool", weigh="one to one")))
    assert abs((halves[3] + halves[6]) / SAMPLES - 1 / 2) < 0.03


def test_an_image_without_a_pair_is_replaced_from_the_pool() -> None:
    pool = Pool(2, [0, 0], ["ImgSyn", "MaskSyn"])
    assert set(drawn(Mixing(p_aug=1), pool)) == {2, 3}


def test_the_order_depends_on_seed_and_number_alone() -> None:
    found = drawn(Mixing())
    again = MixedOrder(POOL, Mixing(), Seeds())
    assert [again.image_index(position) for position in reversed(range(200))] == found[:200][::-1]
    assert drawn(Mixing(), seed=1)[:200] != found[:200]


def test_real_images_are_repeated_in_one_shuffled_list() -> None:
    order = ConcatenatedOrder(2, 5, 3, Seeds())
    epoch = [order.image_index(position) for position in range(11)]
    assert Counter(epoch) == Counter({0: 3, 1: 3, **dict.fromkeys(range(2, 7), 1)})
    assert [order.image_index(position) for position in range(11, 22)] != epoch


def test_draws_are_counted_from_the_first_sample_on() -> None:
    class Counting:
        def image_index(self, position: int) -> int:
            return (0, 3, 3, 4, 1, 5, 5, 5)[position]

    assert count_draws(Counting(), 1, 6, POOL.strategy_of) == {
        "samples": 6,
        "shares": {"real": 1 / 6, "MaskSyn": 2 / 6, "ImgSyn": 3 / 6},
        "distinct": {"real": 1, "MaskSyn": 1, "ImgSyn": 2},
    }


def write_pairs(folder: Path, made: dict[str, tuple[str, str]], names=NAMES) -> Path:
    """A shard; the picture of each pair is of grey 200, its mask holds label 2 and a void row."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks" / "seggen").mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(names))
    lines = [
        {"id": name, "classes": ["sky"], "of": image, "strategy": strategy} for name, (image, strategy) in made.items()
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in made:
        Image.fromarray(np.full((24, 24, 3), 200, np.uint8)).save(folder / "images" / f"{name}.png")
        label_HW = np.full((24, 24), 2, np.uint8)
        label_HW[:12] = 255
        write_labels(folder / "masks" / "seggen" / f"{name}.png", label_HW)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Three real images of grey 50 and label 0, a shard of MaskSyn and one of ImgSyn."""
    folder = tmp_path_factory.mktemp("world")
    for part in ("images", "annotations"):
        (folder / "data" / part / "training").mkdir(parents=True)
    (folder / "data" / "classes.txt").write_text("[void]\n" + "".join(f"{name}\n" for name in NAMES))
    for name in "abc":
        Image.fromarray(np.full((24, 24, 3), 50, np.uint8)).save(folder / f"data/images/training/{name}.png")
        write_labels(folder / f"data/annotations/training/{name}.png", np.full((24, 24), 1, np.uint8))
    mask_syn = write_pairs(folder / "mask_syn", {f"{image}_m0": (image, "MaskSyn") for image in "abc"})
    img_syn = write_pairs(folder / "img_syn", {f"{image}_i{k}": (image, "ImgSyn") for image in "abc" for k in (0, 1)})
    return {"data": [folder / "data"], "pairs": [mask_syn, img_syn]}


def opened(roles: dict[str, list[Path]], source: MixedSource | ConcatenatedSource) -> RealAndGenerated:
    return source.open(Inputs(roles), Seeds())


def test_real_and_generated_images_are_one_data_set(world) -> None:
    images = opened(world, MixedSource())
    assert (len(images), images.num_real, images.class_names) == (12, 3, NAMES)
    assert [images.name(index) for index in (0, 3, 6)] == ["a", "a_m0", "a_i0"]
    assert [images.strategy_of(index) for index in (2, 3, 11)] == ["real", "MaskSyn", "ImgSyn"]
    assert list(images.pool.image_of) == [0, 1, 2, 0, 0, 1, 1, 2, 2]
    assert np.unique(images[0][1]).tolist() == [0]
    image_HW3, label_HW = images[3]
    assert image_HW3[0, 0, 0] == 200
    assert np.array_equal(label_HW[:12], np.full((12, 24), 255))
    assert np.array_equal(label_HW[12:], np.full((12, 24), 2))


def test_void_of_generated_images_stays_void_in_crops(world) -> None:
    source = MixedSource(p_aug=1)
    images = opened(world, source)
    augmentation = SemanticAugmentConfig(crop_px=24, min_scale_tenths=10, max_scale_tenths=10, max_class_share=1)
    crops = TrainingCrops(images, augmentation, Seeds(), source.order(images, Seeds()))
    labels = np.stack([crops[number][1] for number in range(8)])
    assert np.unique(labels).tolist() == [2, 255]
    assert (labels == 255).mean() == 0.5


def test_pairs_of_limited_images_go_with_them_and_others_are_refused(world, tmp_path) -> None:
    images = opened(world, MixedSource(max_images=2))
    kept = {images.name(index) for index in range(2)}
    assert len(images) == 2 + 2 * 3
    assert {images.name(index)[0] for index in range(2, 8)} == kept
    stranger = write_pairs(tmp_path / "stranger", {"z_m0": ("z", "MaskSyn")})
    sentence = refusal(lambda: opened(world | {"pairs": [stranger]}, MixedSource()))
    assert "pair 'z_m0' was made of 'z', which is no image of the training split" in sentence
    other = write_pairs(tmp_path / "other", {"a_m0": ("a", "MaskSyn")}, ("sky", "disc", "wall"))
    assert "train on pairs of the same classes" in refusal(lambda: opened(world | {"pairs": [other]}, MixedSource()))
    unknown = write_pairs(tmp_path / "unknown", {"a_m0": ("a", "by hand")})
    assert "lacks `of`, the real image, or `strategy`" in refusal(
        lambda: opened(world | {"pairs": [unknown]}, MixedSource())
    )
    assert "name their shards as role 'pairs'" in refusal(lambda: opened({"data": world["data"]}, MixedSource()))


def test_a_selection_and_filtered_masks_take_the_place_of_the_pairs_own(world, tmp_path) -> None:
    (tmp_path / "selection").mkdir()
    (tmp_path / "selection" / "selected.txt").write_text("b_i1\na_m0\n")
    (tmp_path / "cell" / "masks" / "freemask").mkdir(parents=True)
    for name in ("b_i1", "a_m0"):
        write_labels(tmp_path / "cell" / "masks" / "freemask" / f"{name}.png", np.full((24, 24), 1, np.uint8))
    roles = world | {"selection": [tmp_path / "selection"], "filtered": [tmp_path / "cell"]}
    images = opened(roles, ConcatenatedSource(split="training"))
    assert [images.name(index) for index in range(3, len(images))] == ["b_i1", "a_m0"]
    assert np.unique(images[3][1]).tolist() == [1]
    sentence = refusal(lambda: opened(world | {"filtered": [tmp_path / "cell"]}, ConcatenatedSource()))
    assert "pair 'b_m0' has no masks of the variant 'freemask'" in sentence
    (tmp_path / "selection" / "selected.txt").write_text("moon\n")
    assert "names pair 'moon', which is in no shard" in refusal(lambda: opened(roles, ConcatenatedSource()))


def config(source, **changes) -> SegGenTrainConfig:
    recipe = PolyRecipe(iterations=3, batch_size=4, base_lr=1e-3, max_gradient_norm=1.0)
    network = ConvolutionalConfig(num_classes=3, widths=(8, 8), convs_per_level=1)
    parts = {"segmenter": network, "recipe": recipe, "augmentation": SemanticAugmentConfig(crop_px=24)}
    return SegGenTrainConfig(**(parts | {"source": source} | changes))


def run(roles, stage_config, out: Path) -> dict:
    out.mkdir(parents=True)
    return train(Inputs(roles), stage_config, LocalContext(out))


def test_the_record_counts_what_was_drawn(world, tmp_path) -> None:
    record = run(world, config(MixedSource(), samples_before=100), tmp_path / "mixed")
    images = opened(world, MixedSource())
    expected = count_draws(MixedSource().order(images, Seeds()), 100, 12, images.strategy_of)
    assert record["drawn"] == expected
    assert record["drawn"]["samples"] == 12
    assert record["num_images"] == 12
    assert "drawn" not in run(world, config(RealSource(split="training")), tmp_path / "real")


def test_a_network_trained_on_generated_samples_alone_sees_no_real_one(world, tmp_path, monkeypatch) -> None:
    seen = []
    original = RealAndGenerated.__getitem__
    monkeypatch.setattr(
        RealAndGenerated, "__getitem__", lambda self, index: seen.append(index) or original(self, index)
    )
    run(world, config(MixedSource(p_aug=1)), tmp_path / "out")
    assert seen
    assert min(seen) >= 3


def test_the_second_training_keeps_all_weights_and_begins_a_new_optimiser_on_other_samples(world, tmp_path) -> None:
    first = config(MixedSource(p_aug=1))
    run(world, first, tmp_path / "first")
    roles = world | {"start": [tmp_path / "first"]}
    still = first.recipe.model_copy(update={"base_lr": 1e-30})
    second = config(RealSource(split="training"), start="all", samples_before=12)
    record = run(roles, second.model_copy(update={"recipe": still}), tmp_path / "still")
    before, after = tensors(tmp_path / "first"), tensors(tmp_path / "still")
    assert record["started_from"] == len(before)
    learned = [name for name in before if "running_" not in name and "num_batches" not in name]
    assert all(np.allclose(before[name], after[name], atol=1e-25) for name in learned)
    run(roles, second, tmp_path / "second")
    # A new Adam moves a weight by its learning rate in the first step, whatever the gradients of the first training were.
    one = second.recipe.model_copy(update={"iterations": 1, "weight_decay": 0.0})
    run(roles, second.model_copy(update={"recipe": one}), tmp_path / "one")
    moved = np.abs(tensors(tmp_path / "one")["classifier.bias"] - before["classifier.bias"])
    assert np.allclose(moved, 1e-3, rtol=1e-2)
    same = run(roles, second.model_copy(update={"samples_before": 0}), tmp_path / "same")
    assert same["losses"] != run(roles, second, tmp_path / "again")["losses"]
    assert torch.is_grad_enabled()
