"""The SAM filter's training stage: drawn pictures, a start from them, and the stand-in for ImageNet weights."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from methods.common.growth import identity_document
from methods.common.miniature.training_configs import OptimizerConfig
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.training_sources import RealSource
from methods.sam_filter.semseg_fdsl import SemSegFdslConfig
from methods.sam_filter.stages.classify import PretrainClassifierConfig, pretrain_classifier
from methods.sam_filter.stages.drawn_source import DrawnSource
from methods.sam_filter.stages.train import TRAIN, TrainConfig
from tests.unit.train_semantic_inputs import NETWORK, make_world, run, still, tensors, training

DRAWN = SemSegFdslConfig(size_px=32, num_categories=3, shapes_per_image=3, shape_scale=0.1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    return make_world(tmp_path_factory.mktemp("world"))


def config(source, network=NETWORK, **changes) -> TrainConfig:
    return training(TrainConfig, source, network, **changes)


def test_drawn_pictures_follow_the_training_seed(tmp_path) -> None:
    source = DrawnSource(drawn=DRAWN, num_images=5)
    images, again, other = (source.open(Inputs(), Seeds(training=seed)) for seed in (0, 0, 1))
    assert len(images) == 5
    assert images.class_names == ("background", "shape 1", "shape 2", "shape 3")
    assert images.name(3) == "000003"
    assert np.array_equal(images[1][0], again[1][0])
    assert not np.array_equal(images[1][0], other[1][0])
    record = run({}, config(source, NETWORK.model_copy(update={"num_classes": 4})), tmp_path / "out")
    assert record["num_images"] == 5


def test_classes_must_fit() -> None:
    with pytest.raises(
        ValidationError, match=r"segmenter.num_classes is 3, the drawn pictures have 4 classes with the b"
    ):
        config(DrawnSource(drawn=DRAWN))


@pytest.mark.parametrize("start", ["backbone", "all_but_classes"])
def test_a_training_goes_on_from_another_of_other_classes(world, tmp_path, start) -> None:
    drawn = DrawnSource(drawn=DRAWN, num_images=5)
    run({}, config(drawn, NETWORK.model_copy(update={"num_classes": 4})), tmp_path / "pretrained")
    roles = world | {"start": [tmp_path / "pretrained"]}
    tuned = still(config(RealSource(split="train")))
    record = run(roles, tuned.model_copy(update={"start": start}), tmp_path / "tuned")
    run(world, tuned, tmp_path / "scratch")
    source, found, scratch = (tensors(tmp_path / name) for name in ("pretrained", "tuned", "scratch"))
    taken = 0
    for name in found:
        moved = "running_" in name or "num_batches" in name  # by the one forward pass
        expected = name.startswith("encoder.") or (start == "all_but_classes" and not name.startswith("classifier."))
        taken += expected
        if not moved:
            assert np.allclose(found[name], source[name] if expected else scratch[name], atol=1e-25)
            assert not expected or name.endswith("bias") or not np.array_equal(found[name], scratch[name])
    assert record["started_from"] == taken


def test_the_stand_in_for_imagenet_is_a_start(world, tmp_path) -> None:
    optimizer = OptimizerConfig(num_steps=12, batch_size=8, learning_rate=1e-2, warmup_steps=2)
    stage_config = PretrainClassifierConfig(segmenter=NETWORK, optimizer=optimizer, num_pictures=24, num_held_out=12)
    (tmp_path / "named").mkdir()
    record = pretrain_classifier(Inputs(), stage_config, LocalContext(tmp_path / "named"))
    assert record["num_classes"] == 36
    assert 0 <= record["accuracy"] <= 100
    assert record["losses"][-1] < record["losses"][0]
    (tmp_path / "barely").mkdir()
    one_step = optimizer.model_copy(update={"num_steps": 1, "learning_rate": 1e-9})
    untrained = stage_config.model_copy(update={"optimizer": one_step})
    pretrain_classifier(Inputs(), untrained, LocalContext(tmp_path / "barely"))
    weight = "encoder.levels.0.0.weight"
    assert np.abs(tensors(tmp_path / "named")[weight] - tensors(tmp_path / "barely")[weight]).max() > 1e-3
    roles = world | {"start": [tmp_path / "named"]}
    tuned = still(config(RealSource(split="train"), start="backbone"))
    assert run(roles, tuned, tmp_path / "tuned")["started_from"] > 0
    name = "encoder.levels.0.0.weight"
    assert np.allclose(tensors(tmp_path / "tuned")[name], tensors(tmp_path / "named")[name], atol=1e-25)


def test_the_stage_is_known_by_the_same_document() -> None:
    """Finished cells are found again by name, version and config."""
    assert (TRAIN.name, TRAIN.version, TRAIN.seed_axes, TRAIN.config_type) == (
        "sam_filter_train",
        1,
        ("training",),
        TrainConfig,
    )
    document = identity_document(config(RealSource()))
    expected = ["segmenter", "recipe", "augmentation", "source", "start", "num_workers", "num_samples"]
    assert list(document) == expected
    assert document["source"] == {"kind": "real", "split": "trainaug"}
    assert config(DrawnSource(drawn=DRAWN), NETWORK.model_copy(update={"num_classes": 4})).model_dump()["source"] == {
        "kind": "drawn",
        "drawn": DRAWN.model_dump(),
        "num_images": 20_000,
    }
