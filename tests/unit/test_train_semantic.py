"""Training of semantic segmenters on every common source and every start."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.segmenters.mask2former.presets import mask2former_miniature
from methods.common.segmenters.semantic.segmenters import build_segmenter
from methods.common.stage import Inputs
from methods.common.stages.train_semantic import TRAIN_SEMANTIC, TrainSemanticConfig, mean_of_parts
from methods.common.stages.training_sources import PairsSource, RealSource
from tests.unit.train_semantic_inputs import (
    NETWORK,
    make_world,
    run,
    still,
    tensors,
    training,
    write_pairs,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    return make_world(tmp_path_factory.mktemp("world"))


def config(source, network=NETWORK, **changes) -> TrainSemanticConfig:
    return training(TrainSemanticConfig, source, network, **changes)


@pytest.mark.parametrize(("source", "num_images"), [(PairsSource(variant="s8_c4"), 4), (RealSource(split="train"), 6)])
def test_it_trains_on_files(world, tmp_path, source, num_images) -> None:
    record = run(world, config(source, num_samples=2), tmp_path / "out")
    assert record["iterations"] == len(record["losses"]) == 4
    assert record["num_images"] == num_images
    assert record["loss_last"] == record["losses"][-1] > 0
    assert record["started_from"] == 0
    assert json.loads((tmp_path / "out/model/config.json").read_text())["num_classes"] == 3
    names = {path.name for path in (tmp_path / "out/samples").iterdir()}
    assert names == {"00_image.png", "00_labels.png", "01_image.png", "01_labels.png"}


def test_pairs_come_in_the_order_of_the_selection(world) -> None:
    images = PairsSource(variant="s8_c4").open(Inputs(world), Seeds())
    assert [images.name(index) for index in range(len(images))] == ["000003", "000000", "000005", "000004"]
    assert images.class_names == ("background", "coin", "melon")
    image_HW3, label_HW = images[2]
    assert (image_HW3 == 5).all()
    assert set(label_HW[0]) == {255}
    assert set(label_HW[1:].flat) == {2}


@pytest.mark.parametrize(
    ("change", "variant", "message"),
    [
        ("", "s32_c16", r"shard1 has no masks of the variant 's32_c16'; there are s8_c4, so set source.variant"),
        ("000009\n", "s8_c4", r"selected.txt names pair '000009', which is in none of 2 shards; select from the same"),
        ("\n", "s8_c4", r"selected.txt names no pair; keep more pairs"),
    ],
)
def test_bad_selections_are_named(world, tmp_path, change, variant, message) -> None:
    roles = dict(world)
    if change:
        (tmp_path / "selected.txt").write_text(change)
        roles["selection"] = [tmp_path]
    with pytest.raises(InputError, match=message):
        PairsSource(variant=variant).open(Inputs(roles), Seeds())


def test_shards_of_different_classes_are_refused(world, tmp_path) -> None:
    other = write_pairs(tmp_path / "shard", ["000007"], ("background", "coin", "bone"))
    roles = world | {"pairs": [*world["pairs"], other]}
    with pytest.raises(InputError, match=r"shard/classes.json differs from .*shard0/classes.json; join shards of one"):
        PairsSource(variant="s8_c4").open(Inputs(roles), Seeds())


def test_classes_must_fit(world, tmp_path) -> None:
    many = NETWORK.model_copy(update={"num_classes": 5})
    with pytest.raises(
        InputError, match=r"the training data has 3 classes, segmenter.num_classes is 5; make them equal"
    ):
        run(world, config(RealSource(split="train"), many), tmp_path / "out")


@pytest.mark.parametrize(
    ("start", "network", "message"),
    [
        ("all_but_classes", NETWORK, r"nothing was given to start from; name a training as role 'start'$"),
        ("backbone", NETWORK, r"name a training as role 'start', or weights as role 'backbone'$"),
    ],
)
def test_a_start_without_weights_is_refused(world, tmp_path, start, network, message) -> None:
    with pytest.raises(InputError, match=message):
        run(world, config(RealSource(split="train"), network, start=start), tmp_path / "out")


def test_published_weights_fit_mask2former_only(world, tmp_path) -> None:
    roles = world | {"backbone": [tmp_path]}
    with pytest.raises(
        InputError,
        match=r"published weights fit the backbones of mask2former, deeplab and hrnet, not the own encoder of Convol",
    ):
        run(roles, config(RealSource(split="train"), start="backbone"), tmp_path / "out")


def test_mask2former_is_trained_by_the_same_stage(world, tmp_path) -> None:
    network = mask2former_miniature(num_classes=3)
    two_steps = config(RealSource(split="train"), network)
    two_steps = two_steps.model_copy(
        update={"recipe": two_steps.recipe.model_copy(update={"iterations": 2, "batch_size": 2})}
    )
    record = run(world, two_steps, tmp_path / "out")
    assert record["iterations"] == 2
    assert json.loads((tmp_path / "out/model/config.json").read_text())["kind"] == "mask2former"


def test_published_weights_start_the_backbone_of_mask2former(world, tmp_path) -> None:
    network = mask2former_miniature(num_classes=3)
    published = build_segmenter(network, torch.Generator().manual_seed(5)).backbone.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in published.items()}, tmp_path / "resnet.safetensors")
    one_step = still(config(RealSource(split="train"), network, start="backbone"))
    record = run(world | {"backbone": [tmp_path / "resnet.safetensors"]}, one_step, tmp_path / "out")
    assert record["started_from"] == len(published)
    found = tensors(tmp_path / "out")
    for name, tensor in published.items():
        if name.endswith("weight"):
            assert np.allclose(found[f"encoder.{name}"], tensor.numpy(), atol=1e-25)


def test_losses_are_summed_up_in_parts() -> None:
    assert mean_of_parts([1.0, 3.0, 5.0, 7.0, 9.0], 2) == [2.0, 7.0]
    assert mean_of_parts([4.0, 2.0], 20) == [4.0, 2.0]


def test_the_stage_says_what_it_draws_from() -> None:
    assert TRAIN_SEMANTIC.seed_axes == ("training",)
    assert TRAIN_SEMANTIC.runs_on_team
