"""The training stage on every source and every start, and the stand-in for ImageNet weights."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.numpy import load_file
from safetensors.torch import save_file

from methods.common.datasets.voc import write_labels
from methods.common.errors import InputError
from methods.common.miniature.training_configs import OptimizerConfig
from methods.common.miniature.voc_view import DrawVocConfig, draw_voc
from methods.common.seeds import Seeds
from methods.common.segmenters.mask2former.presets import mask2former_miniature
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.segmenters import build_segmenter
from methods.common.stage import Inputs, LocalContext
from methods.common.training.poly_recipe import PolyRecipe
from methods.sam_filter.semseg_fdsl import SemSegFdslConfig
from methods.sam_filter.stages.classify import PretrainClassifierConfig, pretrain_classifier
from methods.sam_filter.stages.sources import DrawnSource, PairsSource, RealSource, open_source
from methods.sam_filter.stages.train import TRAIN_SEMANTIC, TrainSemanticConfig, mean_of_parts, train_semantic

NETWORK = ConvolutionalConfig(num_classes=3, widths=(8, 8), convs_per_level=1)
DRAWN = SemSegFdslConfig(size_px=32, num_categories=3, shapes_per_image=3, shape_scale=0.1)


def config(source, network=NETWORK, **changes) -> TrainSemanticConfig:
    recipe = PolyRecipe(iterations=4, batch_size=4, base_lr=1e-3, max_gradient_norm=1.0)
    augmentation = SemanticAugmentConfig(crop_px=32)
    parts = {"segmenter": network, "recipe": recipe, "augmentation": augmentation, "source": source} | changes
    return TrainSemanticConfig(**parts)


def write_pairs(folder: Path, ids: list[str], names: tuple[str, ...] = ("background", "coin", "melon")) -> Path:
    """A shard as SYNTHESIZE writes it; the picture of pair k is of grey k, its mask holds label k modulo 3."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks" / "s8_c4").mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(names))
    (folder / "pairs.jsonl").write_text("".join(json.dumps({"id": name, "classes": ["coin"]}) + "\n" for name in ids))
    for name in ids:
        Image.fromarray(np.full((24, 24, 3), int(name), np.uint8)).save(folder / "images" / f"{name}.png")
        label_HW = np.full((24, 24), int(name) % 3, np.uint8)
        label_HW[0] = 255
        write_labels(folder / "masks" / "s8_c4" / f"{name}.png", label_HW)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Roles: two shards of pairs, a selection of them, real data of three classes."""
    folder = tmp_path_factory.mktemp("world")
    shards = [
        write_pairs(folder / "shard0", ["000000", "000002", "000004"]),
        write_pairs(folder / "shard1", ["000001", "000003", "000005"]),
    ]
    (folder / "selection").mkdir()
    (folder / "selection" / "selected.txt").write_text("000003\n000000\n000005\n000004\n")
    (folder / "data").mkdir()
    drawing = DrawVocConfig(num_train=6, num_val=3, num_categories=2, image_size_px=32)
    draw_voc(Inputs(), drawing, LocalContext(folder / "data"))
    return {"pairs": shards, "selection": [folder / "selection"], "data": [folder / "data"]}


def run(roles, stage_config, out: Path, **context):
    out.mkdir(parents=True)
    return train_semantic(Inputs(roles), stage_config, LocalContext(out, **context))


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
    images = open_source(PairsSource(variant="s8_c4"), Inputs(world), Seeds())
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
        open_source(PairsSource(variant=variant), Inputs(roles), Seeds())


def test_shards_of_different_classes_are_refused(world, tmp_path) -> None:
    other = write_pairs(tmp_path / "shard", ["000007"], ("background", "coin", "bone"))
    roles = world | {"pairs": [*world["pairs"], other]}
    with pytest.raises(InputError, match=r"shard/classes.json differs from .*shard0/classes.json; join shards of one"):
        open_source(PairsSource(variant="s8_c4"), Inputs(roles), Seeds())


def test_drawn_pictures_follow_the_training_seed(tmp_path) -> None:
    source = DrawnSource(drawn=DRAWN, num_images=5)
    images, again, other = (open_source(source, Inputs(), Seeds(training=seed)) for seed in (0, 0, 1))
    assert len(images) == 5
    assert images.class_names == ("background", "shape 1", "shape 2", "shape 3")
    assert images.name(3) == "000003"
    assert np.array_equal(images[1][0], again[1][0])
    assert not np.array_equal(images[1][0], other[1][0])
    record = run({}, config(source, NETWORK.model_copy(update={"num_classes": 4})), tmp_path / "out")
    assert record["num_images"] == 5


def test_classes_must_fit(world, tmp_path) -> None:
    with pytest.raises(
        ValidationError, match=r"segmenter.num_classes is 3, the drawn pictures have 4 classes with the b"
    ):
        config(DrawnSource(drawn=DRAWN))
    many = NETWORK.model_copy(update={"num_classes": 5})
    with pytest.raises(
        InputError, match=r"the training data has 3 classes, segmenter.num_classes is 5; make them equal"
    ):
        run(world, config(RealSource(split="train"), many), tmp_path / "out")


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model" / "model.safetensors")


def still(stage_config: TrainSemanticConfig) -> TrainSemanticConfig:
    """The same without any movement, so that the weights at the end are those at the start."""
    recipe = stage_config.recipe.model_copy(update={"iterations": 1, "base_lr": 1e-30, "weight_decay": 0.0})
    return stage_config.model_copy(update={"recipe": recipe})


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
    roles = world | {"start": [tmp_path / "named"]}
    tuned = still(config(RealSource(split="train"), start="backbone"))
    assert run(roles, tuned, tmp_path / "tuned")["started_from"] > 0
    name = "encoder.levels.0.0.weight"
    assert np.allclose(tensors(tmp_path / "tuned")[name], tensors(tmp_path / "named")[name], atol=1e-25)


def test_the_stand_in_is_the_same_after_an_interruption(tmp_path) -> None:
    optimizer = OptimizerConfig(num_steps=5, batch_size=4, learning_rate=1e-2, warmup_steps=2)
    stage_config = PretrainClassifierConfig(segmenter=NETWORK, optimizer=optimizer, num_pictures=8, num_held_out=4)
    for name, stops in (("one", set()), ("two", {2})):
        context = Killed(tmp_path / name, stop_after=stops)
        context.out.mkdir()
        while True:
            try:
                pretrain_classifier(Inputs(), stage_config, context)
                break
            except StoppedError:
                continue
    one, two = (tensors(tmp_path / name) for name in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in one)


class StoppedError(Exception):
    """Stands for the end of the process."""


@dataclass
class Killed(LocalContext):
    """Saves whenever it can, and is stopped after the given steps."""

    checkpoint_every_s: float = 0.0
    stop_after: set[int] = field(default_factory=set)

    def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        if done in self.stop_after:
            self.stop_after.remove(done)
            raise StoppedError


def test_a_killed_stage_ends_with_the_same_bytes(world, tmp_path) -> None:
    stage_config = config(RealSource(split="train"), num_samples=1)
    record = run(world, stage_config, tmp_path / "one")
    context = Killed(tmp_path / "two", stop_after={1, 3})
    context.out.mkdir()
    for _ in range(2):
        with pytest.raises(StoppedError):
            train_semantic(Inputs(world), stage_config, context)
    assert train_semantic(Inputs(world), stage_config, context) == record
    for path in sorted((tmp_path / "one").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path


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


def test_weights_from_outside_fit_mask2former_only(world, tmp_path) -> None:
    roles = world | {"backbone": [tmp_path]}
    with pytest.raises(InputError, match=r"weights from outside fit the backbone of mask2former, not of convolutional"):
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
