"""A generator as a segmenter's backbone: levels, what is trained of it, features on disk."""

import copy
import json

import pytest
import torch
from pydantic import ValidationError

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.segmenters.backbones.build import build_backbone
from methods.common.segmenters.backbones.generative.backbone import resized
from methods.common.segmenters.backbones.generative.cache import FeatureWriter, image_key
from methods.common.segmenters.backbones.generative.config import UNIT, GenerativeConfig
from methods.common.segmenters.backbones.generative.presets import levels_of, miniature_networks, on_generator
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.diffusioninst.model import DiffusionInst
from methods.common.segmenters.diffusioninst.presets import diffusioninst_miniature
from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import fastinst_miniature, miniature_recipe
from methods.common.segmenters.instance.segmenters import load_segmenter
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.train_instances import InstanceTrainingConfig, build_to_train, train_on
from methods.instance_synthesis.stages.features import FEATURES, FeaturesConfig
from methods.instance_synthesis.training_set_config import FramesSource
from methods.instance_synthesis.views import View, unit_batch
from tests.unit.generative_folders import TAPS, images, tiny_backbone, tiny_config, tiny_folder
from tests.unit.instance_frames import street_frame, write_cityscapes
from tests.unit.test_fastinst_training import scenes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("generator"))


def same(left, right) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def write_features(out, backbone, image_N3HW, stored="float32"):
    out.mkdir(exist_ok=True)
    writer = FeatureWriter(out, backbone.extractor, stored)
    with torch.no_grad():
        writer.write(0, [image_key(image) for image in image_N3HW], backbone.extractor(image_N3HW))
    return out


def test_levels_have_the_strides_and_channels_that_the_config_says(folder) -> None:
    backbone, image = tiny_backbone(folder), images()
    shapes = [tuple(level.shape) for level in backbone(image)]
    assert shapes == [(2, 32, 16 // stride, 24 // stride) for stride in (2, 4, 8, 16)]
    assert backbone.config.output_strides == (2, 4, 8, 16)
    assert backbone.config.output_channels == (32,) * 4


def test_a_level_is_the_sum_of_its_projected_taps(folder) -> None:
    config = tiny_config(folder, strides=(4, 8), taps=TAPS)
    assert [level.taps for level in config.levels] == [TAPS, TAPS]  # the finer one goes to the first level
    backbone, image = build_backbone(config), images(1)
    load_backbone_weights(backbone, folder)
    fine, coarse = backbone.features(image)
    first, second = backbone.projections[0]
    wanted = first(resized(fine, (4, 6))) + second(coarse)
    assert torch.allclose(backbone(image)[0], wanted, atol=1e-6)


def test_maps_shrink_by_areas_and_grow_between_cells() -> None:
    map_1144 = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert resized(map_1144, (2, 2))[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    grown = resized(torch.tensor([[[[0.0, 4.0]]]]), (2, 4))
    assert grown[0, 0].tolist() == [[0, 1, 3, 4]] * 2


def test_levels_without_a_tap_read_the_nearest() -> None:
    networks = miniature_networks()
    taps = ("unet.up_blocks.2.resnets.1", "unet.up_blocks.0.attentions.1")  # strides 4 and 16
    found = {level.stride_px: level.taps for level in levels_of(taps, networks, (2, 4, 8, 16, 32))}
    assert found == {2: taps[:1], 4: taps[:1], 8: taps[1:], 16: taps[1:], 32: taps[1:]}


@pytest.mark.parametrize(("tuning", "trained"), [("frozen", set()), ("lora", {"lora_A", "lora_B"}), ("all", {"unet"})])
def test_only_what_is_tuned_gets_gradients(folder, tuning, trained) -> None:
    backbone = tiny_backbone(folder, tuning).train()
    assert not backbone.extractor.unet.training
    sum(level.square().mean() for level in backbone(images())).backward()
    with_gradient = {name for name, one in backbone.extractor.named_parameters() if one.grad is not None}
    asked = {name for name, one in backbone.extractor.named_parameters() if one.requires_grad}
    assert with_gradient <= asked
    assert not [name for name in asked if name.startswith("vae.")]
    if tuning == "lora":
        assert {name.split(".")[-3] for name in asked} == trained
        assert any("attn1.to_out.0" in name for name in with_gradient)
        assert any("attn2.to_k" in name for name in with_gradient)
    else:
        assert {name.split(".")[0] for name in asked} == trained
        assert bool(with_gradient) == bool(trained)
    assert all(one.grad is not None for one in backbone.projections.parameters())


def test_low_rank_updates_are_nothing_at_first(folder) -> None:
    image = images()
    frozen, updated = tiny_backbone(folder), tiny_backbone(folder, "lora")
    assert same(frozen.features(image), updated.features(image))
    for name, parameter in updated.extractor.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(0.1)
    assert not torch.equal(frozen.features(image)[0], updated.features(image)[0])


def test_frozen_features_do_not_follow_autocast(folder) -> None:
    backbone, image = tiny_backbone(folder), images()
    plain = backbone.features(image)
    with torch.autocast("cpu", torch.bfloat16):
        assert same(plain, backbone.features(image))


@pytest.mark.parametrize(
    ("network", "config", "strides"),
    [(DiffusionInst, diffusioninst_miniature(2), (4, 8, 16, 32)), (FastInst, fastinst_miniature(2), (4, 8, 16))],
)
def test_both_segmenters_read_it_and_are_saved_with_it(folder, tmp_path, network, config, strides) -> None:
    config = on_generator(config, tiny_config(folder, "lora", strides=strides))
    model = network(config, torch.Generator().manual_seed(0))
    load_backbone_weights(model.backbone, folder)
    image, targets = scenes()
    losses = model.train().losses(image, targets, torch.Generator().manual_seed(0))
    torch.stack(list(losses.values())).sum().backward()
    named = dict(model.backbone.extractor.named_parameters())
    assert any(one.grad is not None for name, one in named.items() if "lora_" in name)
    assert not any(one.grad is not None for name, one in named.items() if "lora_" not in name)
    model.eval().save_pretrained(tmp_path / "model")
    again = load_segmenter(tmp_path / "model")
    for found, wanted in zip(again.detect(image), model.detect(image), strict=True):
        assert torch.equal(found.scores_N, wanted.scores_N)


def test_segmenters_give_it_colours_from_minus_one_to_one(folder) -> None:
    model = FastInst(on_generator(fastinst_miniature(2), tiny_config(folder, strides=(4, 8, 16))))
    prepared, _ = model.prepare(torch.tensor([0.0, 127.5, 255.0])[None, :, None, None].expand(1, 3, 16, 10))
    assert prepared[0, :, 3, 3].tolist() == [-1, 0, 1]
    assert (prepared[..., 10:] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_mean": (0, 0, 0)}, "reads colours in"),
        ({"pad_multiple": 24}, "no multiple of the backbone's stride 16"),
        ({"strides": (4, 8)}, "backbone.levels names 2 levels; FastInst reads 3"),
    ],
)
def test_segmenters_refuse_what_does_not_fit(folder, change, message) -> None:
    backbone = tiny_config(folder, strides=change.pop("strides", (4, 8, 16)))
    images_of = {"pixel_mean": UNIT, "pixel_std": UNIT, "pad_multiple": 16}
    document = {**fastinst_miniature(2).model_dump(), **images_of, **change, "backbone": backbone}
    with pytest.raises(ValidationError, match=message):
        FastInstConfig.model_validate(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": [{"stride_px": 2, "taps": TAPS}, {"stride_px": 8, "taps": TAPS}]}, "twice the one before"),
        ({"levels": [{"stride_px": 2, "taps": TAPS[:1]}]}, "only one of them has"),
        ({"width": 30}, "width 30 is no multiple of norm_groups 8"),
        ({"tuning": "lora", "extractor": {"precision": "float16"}}, "needs extractor.precision float32"),
        ({"extractor": {"window_px": 6}}, "window_px 6 is no multiple of 4"),
        ({"extractor": {"window_px": 8, "window_step_px": 12}}, "pixels would be left out"),
        ({"extractor": {"timestep": 1000}}, "its last is 999"),
        ({"extractor": {"taps": ("unet.up_blocks.4",)}}, "the U-Net has no up_blocks.4"),
    ],
)
def test_configs_that_cannot_work_are_refused(folder, change, message) -> None:
    document = tiny_config(folder).model_dump()
    document["extractor"] |= change.pop("extractor", {})
    with pytest.raises(ValidationError, match=message):
        GenerativeConfig.model_validate({**document, **change})


def test_features_on_disk_are_those_that_would_be_computed(folder, tmp_path) -> None:
    backbone, image = tiny_backbone(folder), images(3)
    computed = backbone.features(image)
    cache = backbone.use_cache([write_features(tmp_path / "features", backbone, image)])
    backbone.extractor.forward = None  # type: ignore[method-assign]
    assert same(computed, backbone.features(image))
    assert same([maps[[2, 0]] for maps in computed], backbone.features(image[[2, 0]]))
    assert (cache.hits, cache.misses) == (5, 0)
    assert copy.deepcopy(backbone).cache is cache


def test_images_that_no_folder_has_are_computed_in_their_places(folder, tmp_path) -> None:
    backbone, image = tiny_backbone(folder), images(4)
    computed = backbone.features(image)
    cache = backbone.use_cache([write_features(tmp_path / "features", backbone, image[[1, 3]])])
    mixed = backbone.features(image)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(computed, mixed, strict=True))
    assert (len(cache), cache.hits, cache.misses) == (2, 2, 2)


def test_half_the_bytes_round(folder, tmp_path) -> None:
    backbone, image = tiny_backbone(folder), images(1)
    computed = backbone.features(image)
    backbone.use_cache([write_features(tmp_path / "features", backbone, image, "float16")])
    assert same([maps.half().float() for maps in computed], backbone.features(image))


def test_an_image_is_known_by_every_pixel_and_apart_from_padding() -> None:
    image = torch.zeros(3, 4, 4)
    darker, grey = image.clone(), torch.full((3, 4, 4), (128 - 127.5) / 127.5)
    darker[2, 3, 3] = 1 / 127.5
    assert len({image_key(one) for one in (image, darker, grey, image.reshape(3, 2, 8))}) == 4


def test_features_of_other_weights_or_choices_are_refused(folder, tmp_path) -> None:
    other = tiny_backbone(tiny_folder(tmp_path, salt=3))
    features = write_features(tmp_path / "features", tiny_backbone(folder), images(1))
    with pytest.raises(InputError, match=r"are of other weights \(SHA-256 .* extract the features again"):
        other.use_cache([features])
    for choice, message in (
        ({"timestep": 7}, r"were made with another timestep \(0 instead of 7\); extract"),
        ({"noise_seed": 1}, "another noise_seed"),
        ({"taps": TAPS[:1]}, "another taps"),
    ):
        with pytest.raises(InputError, match=message):
            tiny_backbone(folder, **choice).use_cache([features])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"cannot be read .* name a folder with extracted features"):
        tiny_backbone(folder).use_cache([tmp_path / "empty"])
    with pytest.raises(InputError, match="of a U-Net that is trained"):
        tiny_backbone(folder, "lora").use_cache([features])


def test_a_damaged_file_is_said(folder, tmp_path) -> None:
    backbone, image = tiny_backbone(folder), images(1)
    features = write_features(tmp_path / "features", backbone, image)
    backbone.use_cache([features])
    (features / "features-000000.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"000000.safetensors cannot be read"):
        backbone.features(image)


def run_features(root, folder, config, name="features"):
    (root / name).mkdir(exist_ok=True)
    inputs = Inputs({"data": (root,), "backbone": (folder,)})
    return FEATURES.run(inputs, config, LocalContext(root / name, Seeds(), checkpoint_every_s=0))


def test_a_training_finds_every_view_of_its_images(folder, tmp_path) -> None:
    root = write_cityscapes(tmp_path, [street_frame(name=f"aachen_00000{place}_000019") for place in range(2)])
    config = FeaturesConfig(extractor=tiny_config(folder).extractor, source=FramesSource(), pad_multiple=16)
    record = run_features(root, folder, config)
    assert (record["num_images"], record["num_views"]) == (2, 4)
    backbone = tiny_backbone(folder)
    cache = backbone.use_cache([root / "features"])
    dataset = config.source.open(Inputs({"data": (root,)}), Seeds())
    assert record["weights_sha256"] == backbone.extractor.weights_sha256()
    for flip in (False, True):
        picture = View(dataset.images[0], (32, 64), flip).read(dataset)
        model = FastInst(on_generator(fastinst_miniature(2), tiny_config(folder, strides=(4, 8, 16))))
        prepared, _ = model.prepare(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None])
        assert torch.equal(prepared, unit_batch([picture], 16))
        backbone.features(prepared)
    assert (cache.hits, cache.misses) == (2, 0)


def test_a_training_with_features_on_disk_is_the_training_without(folder, tmp_path) -> None:
    root = write_cityscapes(tmp_path, [street_frame()])
    config = on_generator(fastinst_miniature(8), tiny_config(folder, strides=(4, 8, 16)))
    run_features(root, folder, FeaturesConfig(extractor=config.backbone.extractor, pad_multiple=config.pad_multiple))
    training = InstanceTrainingConfig(
        segmenter=config,
        recipe=miniature_recipe(2).model_copy(update={"batch_size": 1, "warmup_iterations": 0}),
        augmentation=ShortSideAugmentConfig(short_sides_px=(32,), max_long_side_px=64, first_crop_probability=0),
        start="backbone",
    )
    dataset = FramesSource().open(Inputs({"data": (root,)}), Seeds())
    roles = {"backbone": (folder,)}
    losses = []
    for name, more in (("computed", {}), ("read", {"features": (root / "features",)})):
        (root / name).mkdir()
        record = train_on(dataset, Inputs({**roles, **more}), training, LocalContext(root / name, Seeds()))
        losses.append(record["losses"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    model = build_to_train(Inputs({**roles, **more}), training, torch.Generator().manual_seed(0))
    assert len(model.backbone.cache) == 2


def test_features_for_another_backbone_are_refused(tmp_path) -> None:
    training = InstanceTrainingConfig(
        segmenter=fastinst_miniature(8), recipe=miniature_recipe(2), augmentation=ShortSideAugmentConfig()
    )
    with pytest.raises(
        InputError, match="is for a generative backbone, the segmenter's is a ResNet; leave the role out"
    ):
        build_to_train(Inputs({"features": (tmp_path,)}), training, torch.Generator().manual_seed(0))


def test_an_interrupted_extraction_ends_with_the_same_bytes(folder, tmp_path) -> None:
    root = write_cityscapes(tmp_path, [street_frame(name=f"aachen_00000{place}_000019") for place in range(3)])
    config = FeaturesConfig(extractor=tiny_config(folder).extractor, batch_size=2, short_sides_px=(32, 16))
    whole = run_features(root, folder, config)
    files = {path.name: path.read_bytes() for path in (root / "features").iterdir()}
    assert whole["num_views"] == 12
    for torn in (2, 4):
        again = root / f"features-{torn:06d}.safetensors"
        out = root / "features"
        (out / again.name).write_bytes(b"torn")
        assert {**run_features(root, folder, config), "cpu_seconds": 0} == {**whole, "cpu_seconds": 0}
        assert {path.name: path.read_bytes() for path in out.iterdir()} == files
    index = json.loads(files["features.json"])
    assert index["extractor"]["timestep"] == 0
