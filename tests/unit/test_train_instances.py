"""The common training of instance segmenters: data, starts, interruptions, processes; and what it hands to the evaluation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from methods.common.errors import InputError
from methods.common.growth import identity_document, read_stored
from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.centernet2.presets import centernet2_miniature, miniature_training_recipe
from methods.common.segmenters.fastinst.config import FastInstConfig, FastInstLossConfig
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import cityscapes_recipe, coco_recipe, miniature_recipe
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.instance.instances import real_instances
from methods.common.segmenters.instance.segmenters import load_segmenter
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig, augment_short_side
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.evaluate_instances import EvaluateInstancesConfig, evaluate_instances
from methods.common.stages.train_instances import TrainInstancesConfig, train_instances
from methods.common.training.step_recipe import StepRecipe

TINY = FastInstConfig(
    num_classes=3,
    backbone=ResNetConfig(
        block="basic",
        blocks=(1, 1, 1),
        widths=(8, 8, 8),
        stem_width=8,
        stem_kernel=3,
        stem_pool=False,
        norm="group",
        output_stages=(0, 1, 2),
    ),
    width=16,
    norm_groups=4,
    num_queries=9,
    num_auxiliary=2,
    decoder_layers=1,
    heads=2,
    ffn_width=16,
    loss=FastInstLossConfig(num_points=32),
    pad_multiple=8,
)
AUGMENTATION = ShortSideAugmentConfig(
    short_sides_px=(32, 40), max_long_side_px=48, first_short_sides_px=(36, 44), first_crop_px=(24, 36)
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    drawing = DrawLvisConfig(num_train_images=6, num_val_images=3, num_categories=3, image_size_px=40)
    draw_lvis(Inputs(), drawing, LocalContext(folder))
    return folder


def config(**changes: object) -> TrainInstancesConfig:
    recipe = miniature_recipe(4).model_copy(update={"batch_size": 3})
    parts = {"segmenter": TINY, "recipe": recipe, "augmentation": AUGMENTATION} | changes
    return TrainInstancesConfig.model_validate(parts)


def run(data: Path, out: Path, stage_config: TrainInstancesConfig, roles=None, **context):
    out.mkdir(parents=True)
    inputs = Inputs({"data": [data], **(roles or {})})
    return train_instances(inputs, stage_config, LocalContext(out, **context))


def tensors(out: Path) -> dict[str, np.ndarray]:
    return load_file(out / "model" / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    first, second = tensors(one), tensors(other)
    return all(np.array_equal(value, second[name]) for name, value in first.items())


def test_it_trains_what_the_common_evaluation_reads(data: Path, tmp_path: Path) -> None:
    record = run(data, tmp_path / "train", config())
    assert (record["iterations"], record["num_images"], len(record["losses"])) == (4, 6, 4)
    assert record["loss_last"] == record["losses"][-1] > 0
    assert isinstance(load_segmenter(tmp_path / "train" / "model"), FastInst)
    (tmp_path / "evaluated").mkdir()
    inputs = Inputs({"data": [data], "model": [tmp_path / "train"]})
    sizes = EvaluateInstancesConfig(short_side_px=32, long_side_px=40, batch_size=2)
    found = evaluate_instances(inputs, sizes, LocalContext(tmp_path / "evaluated"))
    assert found["num_images"] == 3
    assert 0 < found["num_detections"] <= 3 * 27


def test_centernet2_trains_by_the_same_stage_and_averages(data: Path, tmp_path: Path) -> None:
    recipe = miniature_training_recipe().model_copy(update={"iterations": 2, "batch_size": 2})
    stage_config = config(
        segmenter=centernet2_miniature(3),
        recipe=recipe,
        augmentation=AugmentConfig(size_px=48, min_scale=0.8, max_scale=1.2),
    )
    assert run(data, tmp_path / "train", stage_config)["iterations"] == 2
    model = load_segmenter(tmp_path / "train" / "model")
    assert model.num_classes == 3
    counts = tensors(tmp_path / "train")["cascade.class_weight_C"]
    assert len(set(counts.tolist())) > 1  # the images' counts, not ones


def test_configs_come_back_from_the_store_as_they_were() -> None:
    for segmenter in (TINY, centernet2_miniature(3)):
        for recipe in (miniature_recipe(4), StepRecipe(), miniature_training_recipe()):
            for augmentation in (AUGMENTATION, AugmentConfig()):
                whole = config(segmenter=segmenter, recipe=recipe, augmentation=augmentation)
                assert read_stored(TrainInstancesConfig, identity_document(whole)) == whole


class KilledError(Exception):
    pass


def test_an_interruption_changes_no_bit(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "whole", config())
    context = LocalContext(_made(tmp_path / "torn"), checkpoint_every_s=0)
    seen = 0

    def progress(done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        nonlocal seen
        seen = done
        if done == 2:
            raise KilledError

    context.progress = progress  # type: ignore[method-assign]
    inputs = Inputs({"data": [data]})
    with pytest.raises(KilledError):
        train_instances(inputs, config(), context)
    assert seen == 2
    train_instances(inputs, config(), LocalContext(tmp_path / "torn"))
    assert same(tmp_path / "whole", tmp_path / "torn")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_parts_and_workers_change_nothing_but_rounding(data: Path, tmp_path: Path) -> None:
    whole = run(data, tmp_path / "whole", config())
    parts = run(data, tmp_path / "parts", config(num_workers=1), batch_parts=3)
    assert parts["losses"] == pytest.approx(whole["losses"], rel=1e-3)


def test_starts_from_another_training_or_a_backbone(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "first", config())
    still = miniature_recipe(1).model_copy(update={"base_lr": 1e-30, "weight_decay": 0.0, "batch_size": 3})
    run(data, tmp_path / "second", config(recipe=still, start="weights"), {"start": [tmp_path / "first"]})
    assert same(tmp_path / "first", tmp_path / "second")
    backbone = {
        name.removeprefix("backbone."): torch.from_numpy(value) + 1
        for name, value in tensors(tmp_path / "first").items()
        if name.startswith("backbone.")
    }
    torch.save(backbone, tmp_path / "backbone.pth")
    run(data, tmp_path / "third", config(recipe=still, start="backbone"), {"backbone": [tmp_path / "backbone.pth"]})
    found = tensors(tmp_path / "third")
    assert all(np.allclose(found[f"backbone.{name}"], value) for name, value in backbone.items())
    with pytest.raises(
        InputError, match="start is 'weights', but nothing was given to start from; name it as role 'start'"
    ):
        run(data, tmp_path / "fourth", config(start="weights"))


def test_other_numbers_of_classes_are_refused(data: Path, tmp_path: Path) -> None:
    other = TINY.model_copy(update={"num_classes": 4})
    with pytest.raises(InputError, match=r"train.json has 3 classes, segmenter.num_classes is 4; make them equal"):
        run(data, tmp_path / "out", config(segmenter=other))


# -- recipes -----------------------------------------------------------------------------------------------------------------------


def test_the_rate_falls_to_a_tenth_twice() -> None:
    recipe = coco_recipe()
    rates = [recipe.rate_at(iteration) for iteration in (0, 327_777, 327_778, 355_091, 355_092, 368_749)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6])
    assert (recipe.batch_size, recipe.max_gradient_norm, recipe.weight_decay, recipe.backbone_lr_factor) == (
        16,
        None,
        0.05,
        0.1,
    )
    with pytest.raises(ValueError, match="give rising iterations"):
        StepRecipe(drops=(5, 5))


def test_what_decays_and_what_learns_slowly() -> None:
    model, recipe = FastInst(TINY, torch.Generator().manual_seed(0)), coco_recipe()
    optimizer = recipe.build_optimizer(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    options = {
        names[id(parameter)]: (group["weight_decay"], group["lr_factor"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert options["decoder.auxiliary_query"] == options["decoder.auxiliary_position"] == (0, 1)
    assert options["decoder.position_grid"] == options["decoder.heads.0.mask.0.bias"] == (0.05, 1)
    assert options["decoder.heads.1.norm.weight"] == options["pixel_decoder.lateral.0.1.weight"] == (0, 1)
    assert options["backbone.layer1.0.conv1.weight"] == (0.05, 0.1)
    assert options["backbone.layer1.0.bn1.weight"] == (0, 0.1)


def test_cityscapes_recipe() -> None:
    recipe = cityscapes_recipe()
    assert (recipe.iterations, recipe.batch_size, recipe.max_gradient_norm) == (90_000, 4, None)
    assert recipe.rate_at(45_000) == pytest.approx(1e-4 * 0.5**0.9)


# -- augmentation --------------------------------------------------------------------------------------------------------------------


def coordinates(height: int, width: int) -> np.ndarray:
    """A picture whose red says the column and whose green the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(width), np.arange(height)[:, None]
    return image


def instance(height: int, width: int):
    mask = np.zeros((1, height, width), np.bool_)
    mask[0, 20:60, 30:70] = True
    return real_instances(np.array([2]), mask)


def test_the_short_side_is_as_asked() -> None:
    plain = ShortSideAugmentConfig(
        short_sides_px=(50,), max_long_side_px=70, first_crop_probability=0, flip_probability=0
    )
    image, found = augment_short_side(coordinates(100, 120), instance(100, 120), np.random.default_rng(0), plain)
    assert image.shape == (50, 60, 3)
    assert found.boxes_N4.tolist() == [[15, 10, 35, 30]]
    wide, _ = augment_short_side(coordinates(100, 200), instance(100, 200), np.random.default_rng(0), plain)
    assert wide.shape == (35, 70, 3)
    flipped = plain.model_copy(update={"flip_probability": 1.0})
    mirror, turned = augment_short_side(coordinates(100, 120), instance(100, 120), np.random.default_rng(0), flipped)
    assert np.array_equal(mirror, image[:, ::-1])
    assert turned.boxes_N4.tolist() == [[25, 10, 45, 30]]


def test_crops_keep_image_and_masks_together() -> None:
    cropping = ShortSideAugmentConfig(
        short_sides_px=(40, 60),
        max_long_side_px=90,
        first_crop_probability=1,
        first_short_sides_px=(80, 100),
        first_crop_px=(50, 90),
        last_crop_px=(36, 44),
        flip_probability=0,
    )
    heights = set()
    for seed in range(20):
        image, found = augment_short_side(
            coordinates(100, 120), instance(100, 120), np.random.default_rng(seed), cropping
        )
        heights.add(image.shape[:2])
        assert image.shape[0] <= 36
        assert image.shape[1] <= 44
        inside = (image[..., 0] > 32) & (image[..., 0] < 67) & (image[..., 1] > 22) & (image[..., 1] < 57)
        outside = (image[..., 0] < 27) | (image[..., 0] > 72) | (image[..., 1] < 17) | (image[..., 1] > 62)
        if len(found):
            assert found.mask_NHW[0][inside].all()
            assert not found.mask_NHW[0][outside].any()
        else:
            assert not inside.any()
    assert (36, 44) in heights
