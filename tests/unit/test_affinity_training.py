"""AffinityNet's recipe and crops, and what a miniature of it learns in seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.stage import LocalContext
from methods.diffumask_robust.affinity.config import AffinityNetConfig, WalkConfig, affinity_miniature
from methods.diffumask_robust.affinity.crop_config import AffinityCropConfig
from methods.diffumask_robust.affinity.crops import AffinityCrops, jittered
from methods.diffumask_robust.affinity.network import AffinityNet
from methods.diffumask_robust.affinity.pairs import affinities
from methods.diffumask_robust.affinity.recipe import AffinityRecipe
from methods.diffumask_robust.affinity.refining import walked_mask
from methods.diffumask_robust.affinity.training import train_affinity_net
from methods.diffumask_robust.diffumask.seed_labels import seed_labels
from methods.diffumask_robust.diffumask.split_config import SplitConfig
from methods.diffumask_robust.diffumask.split_levels import split_levels
from tests.unit.diffumask_inputs import draw, iou

PLAIN = AffinityCropConfig(crop_px=32, flip_probability=0.0, brightness=0, contrast=0, saturation=0, hue=0)


def test_the_momentum_as_released_is_the_weight_decay() -> None:
    model = AffinityNet(affinity_miniature(), torch.Generator().manual_seed(0))
    released = AffinityRecipe(iterations=10).build_optimizer(model)
    assert {group["momentum"] for group in released.param_groups} == {0.0005}
    assert {group["weight_decay"] for group in released.param_groups} == {5e-4}
    meant = AffinityRecipe(iterations=10, momentum="as_meant").build_optimizer(model)
    assert {group["momentum"] for group in meant.param_groups} == {0.9}


def test_branches_learn_ten_times_as_fast_and_the_rate_falls_to_nothing() -> None:
    model = AffinityNet(affinity_miniature(), torch.Generator().manual_seed(0))
    recipe = AffinityRecipe(iterations=100)
    optimizer = recipe.build_optimizer(model)
    recipe.set_rates(optimizer, 50)
    trunk, branches = optimizer.param_groups
    assert trunk["lr"] == pytest.approx(0.01 * 0.5**0.9)
    assert branches["lr"] == pytest.approx(10 * trunk["lr"])
    assert {id(one) for one in branches["params"]} == {id(one) for one in model.new_layers}
    trained = sum(len(group["params"]) for group in optimizer.param_groups)
    assert trained == sum(parameter.requires_grad for parameter in model.parameters())


def test_an_epoch_has_whole_batches_only() -> None:
    assert AffinityRecipe().with_length(100).iterations == 8 * 12
    assert AffinityRecipe().with_length(5).iterations == 8
    assert AffinityRecipe(iterations=7).with_length(100).iterations == 7


def numbered(index: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose pixels, and whose cells, tell where they are."""
    row, column = np.mgrid[:64, :64].astype(np.uint8)
    label = np.add.outer(np.arange(16) * 16, np.arange(16)).astype(np.uint8)
    return np.stack([row, column, np.full_like(row, index)], 2), label


def test_a_crop_begins_at_a_cell_and_is_mirrored_with_its_labels() -> None:
    crops = AffinityCrops(3, numbered, 4, PLAIN, Seeds(training=1))
    starts = set()
    for number in range(30):
        image, label = crops[number]
        assert image.shape == (32, 32, 3)
        assert np.array_equal(label, np.uint8(image[::4, ::4, 0] // 4 * 16 + image[::4, ::4, 1] // 4))
        starts.add(tuple(image[0, 0, :2].tolist()))
    assert len(starts) > 15
    assert all(row % 4 == column % 4 == 0 for row, column in starts)
    mirrored = AffinityCrops(3, numbered, 4, PLAIN.model_copy(update={"flip_probability": 1.0}), Seeds(training=1))
    image, label = mirrored[0]
    assert image[0, 0, 1] > image[0, -1, 1]
    assert np.array_equal(label, np.uint8(image[::4, ::4, 0] // 4 * 16 + image[::4, ::4, 1] // 4))


def test_a_crop_that_does_not_fit_is_told() -> None:
    with pytest.raises(InputError, match="multiple of 8"):
        AffinityCrops(1, numbered, 8, AffinityCropConfig(crop_px=28), Seeds())
    with pytest.raises(InputError, match=r"crop_px is 448, but an image has 64x64"):
        AffinityCrops(1, numbered, 4, AffinityCropConfig(), Seeds())[0]
    with pytest.raises(InputError, match="labels of 16x16 cells of 8 px"):
        AffinityCrops(1, numbered, 8, PLAIN, Seeds())[0]


def test_colours_change_within_their_bounds() -> None:
    image = np.full((4, 4, 3), 100, np.uint8)
    only = PLAIN.model_copy(update={"brightness": 0.3})
    found = {int(jittered(image, only, np.random.default_rng(seed))[0, 0, 0]) for seed in range(60)}
    assert min(found) >= 70
    assert max(found) <= 130
    assert max(found) - min(found) > 40
    assert np.array_equal(jittered(image, PLAIN, np.random.default_rng(0)), image)


def learn(tmp_path: Path, iterations: int) -> AffinityNet:
    """A miniature, trained on seeds of 16 drawn pictures."""
    items = []
    for number in range(16):
        _, image, _, map_hw = draw(number)
        levels = split_levels(map_hw, SplitConfig(low=0.3, high=0.5))
        items.append((image, seed_labels(image, map_hw, levels, 4, 3, None)))
    crops = AffinityCrops(len(items), items.__getitem__, 4, AffinityCropConfig(crop_px=48), Seeds())
    config = affinity_miniature()
    model = AffinityNet(config, torch.Generator().manual_seed(0))
    recipe = AffinityRecipe(iterations=iterations, base_lr=0.02, momentum="as_meant")
    train_affinity_net(model, crops, recipe, LocalContext(tmp_path / "out"))
    return model.eval()


def test_the_miniature_learns_what_belongs_together_and_mends_masks(tmp_path: Path) -> None:
    trained, untrained = learn(tmp_path, 30), AffinityNet(affinity_miniature(), torch.Generator().manual_seed(0)).eval()
    device, walk = torch.device("cpu"), WalkConfig(background=0.4)
    gained = []
    for number in range(100, 110):
        _, image, truth, map_hw = draw(number)
        plain = iou(map_hw > 0.4, truth)
        gained.append((iou(walked_mask(trained, image, map_hw, walk, device), truth), plain))
        assert walked_mask(untrained, image, map_hw, walk, device).shape == truth.shape
    walked, plain = np.mean(gained, 0)
    assert walked > plain + 0.05, (walked, plain)


def test_affinities_do_not_depend_on_the_other_images_of_a_batch() -> None:
    model = AffinityNet(affinity_miniature(), torch.Generator().manual_seed(0)).eval()
    images = torch.stack([torch.from_numpy(draw(number)[1]).permute(2, 0, 1) for number in range(3)])
    with torch.no_grad():
        together: Tensor = affinities(model(images).feature_NChw, 4, "as_meant")
        alone = affinities(model(images[1:2]).feature_NChw, 4, "as_meant")
    assert torch.allclose(together[1:2], alone, atol=1e-5)
    assert AffinityNetConfig().stride == 8
    assert affinity_miniature().stride == 4
