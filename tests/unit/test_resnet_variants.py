"""ResNet-vd, deformable convolutions, and norms folded into convolutions."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.errors import InputError
from methods.common.growth import identity_document
from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.backbones.folding import DeformableConv2d, normalised
from methods.common.segmenters.backbones.resnet import ResNet
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.training.batch_norm import TeamBatchNorm2d

SMALL = {"blocks": (1, 2, 1), "widths": (8, 8, 8), "stem_width": 16, "output_stages": (0, 1, 2)}
VD = ResNetConfig(**SMALL, stem="deep", shortcut="pooled", deformable_stages=(1, 2))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filled(config: ResNetConfig) -> ResNet:
    """A network whose norms do something."""
    torch.manual_seed(0)
    model = ResNet(config).eval()
    for name, value in model.state_dict().items():
        if value.is_floating_point() and value.ndim == 1:
            low = 0.5 if name.endswith(("weight", "running_var")) else -0.5
            value.copy_(torch.rand(value.shape, generator=seeded(len(name))) + low)
        if "conv2_offset" in name:
            value.copy_(torch.randn(value.shape, generator=seeded(len(name))) * 0.3)
    return model


def naive_deformable(x: Tensor, offset: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Tap by tap, each a bilinear reading of the map with a border of zeros."""
    height, width = offset.shape[2:]
    result = torch.zeros(len(x), len(weight), height, width)
    for tap in range(9):
        y = torch.arange(height)[:, None] * stride - 1 + tap // 3 + offset[:, 2 * tap]
        across = torch.arange(width)[None, :] * stride - 1 + tap % 3 + offset[:, 2 * tap + 1]
        grid = torch.stack([(2 * across + 1) / x.shape[3] - 1, (2 * y + 1) / x.shape[2] - 1], dim=-1)
        read = functional.grid_sample(x, grid, align_corners=False)
        result += torch.einsum("bchw,oc->bohw", read, weight[:, :, tap // 3, tap % 3])
    return result


@pytest.mark.parametrize("stride", [1, 2])
def test_deformable_taps_read_where_their_offsets_say(stride: int) -> None:
    conv = DeformableConv2d(3, 4, 3, stride, padding=1, bias=False)
    x = torch.randn(2, 3, 9, 8, generator=seeded(0))
    size = (-(-9 // stride), -(-8 // stride))
    offset = torch.randn(2, 18, *size, generator=seeded(1)) * 2
    assert torch.allclose(conv(x, offset), naive_deformable(x, offset, conv.weight, stride), atol=1e-4)
    plain = functional.conv2d(x, conv.weight, stride=stride, padding=1)
    assert torch.allclose(conv(x, torch.zeros_like(offset)), plain, atol=1e-5)


@pytest.mark.parametrize("norm", ["frozen", "batch", "group"])
def test_folded_norms_change_rounding_alone(norm: str) -> None:
    model, image = filled(VD.model_copy(update={"norm": norm})), torch.randn(2, 3, 45, 38, generator=seeded(2))
    kept = image.clone()
    expected = [output.detach() for output in model(image)]
    model.fold_norms()
    with torch.no_grad():
        found = model(image)
    assert torch.equal(image, kept)
    for ours, plain in zip(found, expected, strict=True):
        assert torch.allclose(ours, plain, atol=1e-4)
    with_gradients = model(image)
    assert all(torch.equal(ours, plain) for ours, plain in zip(with_gradients, expected, strict=True))


def test_a_norm_that_looks_at_the_batch_is_not_folded() -> None:
    conv, norm = nn.Conv2d(3, 4, 1, bias=False), TeamBatchNorm2d(4).train()
    x = torch.randn(5, 3, 6, 6, generator=seeded(3))
    with torch.no_grad():
        y = normalised(conv, norm, x, folds=True)
    assert torch.allclose(y.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5)


def test_a_pooled_shortcut_averages_before_it_projects() -> None:
    model = ResNet(VD)
    pool, conv, _ = model.get_submodule("layer2.0.downsample").children()
    x = torch.arange(15.0).view(1, 1, 3, 5)
    assert pool(x)[0, 0].tolist() == [[3, 5, 6.5], [10.5, 12.5, 14]]
    assert conv.stride == (1, 1)
    assert isinstance(next(model.get_submodule("layer1.0.downsample").children()), nn.Identity)


def test_sizes_and_strides_are_those_of_the_plain_network() -> None:
    plain, image = ResNetConfig(**SMALL), torch.zeros(1, 3, 64, 32)
    shapes = [[tuple(output.shape) for output in ResNet(config)(image)] for config in (plain, VD)]
    assert shapes[0] == shapes[1] == [(1, 32, 16, 8), (1, 32, 8, 4), (1, 32, 4, 2)]


def test_taps_start_at_their_places() -> None:
    model = ResNet(VD)
    offset = model.get_submodule("layer3.0.conv2_offset")
    assert isinstance(offset, nn.Conv2d)
    assert not offset.weight.any()
    assert offset.bias is not None
    assert not offset.bias.any()


def test_configs_from_before_keep_their_documents() -> None:
    assert {"stem", "shortcut", "deformable_stages"}.isdisjoint(identity_document(ResNetConfig()))
    assert {"stem", "shortcut", "deformable_stages"} <= identity_document(VD).keys()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"deformable_stages": (3, 3), "blocks": (1, 1, 1), "widths": (8, 8, 8), "output_stages": (2,)},
            "name stages of bottlenecks from 0 to 2",
        ),
        ({"block": "basic", "deformable_stages": (1,)}, "name stages of bottlenecks"),
        ({"stem": "deep", "stem_width": 7}, "stem_width 7 is odd"),
    ],
)
def test_what_cannot_be_built_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResNetConfig.model_validate({"blocks": (1, 1, 1, 1), "widths": (8, 8, 8, 8)} | wrong)


DILATED = ResNetConfig(
    **SMALL | {"blocks": (1, 2, 3)}, stem="deep", shortcut="pooled", dilated_stages=(1, 2), multi_grid=(1, 2, 4)
)


def test_dilated_stages_keep_their_size_and_double_the_dilation() -> None:
    model = ResNet(DILATED)
    dilations = {
        name: module.dilation[0]
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and name.endswith("conv2")
    }
    assert list(dilations.values()) == [1, 2, 2, 4, 8, 16]
    shapes = [tuple(output.shape[2:]) for output in model(torch.zeros(1, 3, 64, 32))]
    assert shapes == [(16, 8)] * 3
    assert DILATED.output_strides == (4, 4, 4)
    assert ResNetConfig(dilated_stages=(3,)).output_strides == (8, 16, 16)
    assert DILATED.model_copy(update={"contract_dilation": True}).block_dilations(2) == (2, 8, 16)


def test_a_block_looks_as_far_as_its_dilation() -> None:
    config = ResNetConfig(blocks=(1, 1), widths=(4, 4), stem_width=4, output_stages=(1,), dilated_stages=(1,))
    block = ResNet(config.model_copy(update={"multi_grid": (3,)})).get_submodule("layer2.0").eval()
    x = torch.randn(1, 16, 21, 21, generator=seeded(4)).requires_grad_()
    (gradient,) = torch.autograd.grad(block(x)[0, :, 10, 10].abs().sum(), x)
    seen = gradient[0].abs().sum(0).nonzero()
    assert {tuple(cell) for cell in seen.tolist()} == {(y, x) for y in (4, 10, 16) for x in (4, 10, 16)}


def test_folded_norms_keep_the_dilation() -> None:
    model, image = filled(DILATED), torch.randn(1, 3, 45, 38, generator=seeded(2))
    with torch.no_grad():
        expected = [output.clone() for output in model(image)]
        model.fold_norms()
        for ours, plain in zip(model(image), expected, strict=True):
            assert torch.allclose(ours, plain, atol=1e-4 * float(plain.abs().max()))


def test_dilations_from_before_keep_their_documents() -> None:
    assert {"dilated_stages", "multi_grid", "contract_dilation"}.isdisjoint(identity_document(ResNetConfig()))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dilated_stages": (2,)}, "give consecutive stages that end with 3"),
        ({"dilated_stages": (0, 1, 2, 3)}, "give consecutive stages that end with 3"),
        ({"dilated_stages": (3,), "deformable_stages": (3,)}, r"stages \[3\] are dilated and deformable; choose one"),
        ({"multi_grid": (1,)}, "multi_grid is .* that dilated_stages names"),
        ({"dilated_stages": (3,), "multi_grid": (1, 2)}, "give one factor for each of the 1 blocks"),
    ],
)
def test_dilations_that_cannot_be_built_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResNetConfig.model_validate({"blocks": (1, 1, 1, 1), "widths": (8, 8, 8, 8)} | wrong)


def mmclassification_name(ours: str) -> str:
    if ours.startswith("layer1.0.downsample."):
        return "backbone." + ours.replace("downsample.1", "downsample.0").replace("downsample.2", "downsample.1")
    stem = {"conv1.0": "stem.0.conv", "conv1.1": "stem.0.bn", "conv1.3": "stem.1.conv", "conv1.4": "stem.1.bn"}
    stem |= {"conv1.6": "stem.2.conv", "bn1": "stem.2.bn"}
    owner, _, kind = ours.rpartition(".")
    return f"backbone.{stem.get(owner, owner)}.{kind}"


def test_weights_by_mmclassifications_names_are_taken(tmp_path: Path) -> None:
    source, model = filled(DILATED), ResNet(DILATED)
    published = {mmclassification_name(name): value for name, value in source.state_dict().items()}
    assert len(published) == len(source.state_dict())
    published["head.fc.weight"] = torch.zeros(10, 32)
    torch.save({"state_dict": published}, tmp_path / "resnet.pth")
    load_backbone_weights(model, tmp_path / "resnet.pth")
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.state_dict().items())
    del published["backbone.stem.1.conv.weight"]
    torch.save({"state_dict": published}, tmp_path / "resnet.pth")
    with pytest.raises(InputError, match=r"1 missing: conv1.3.weight"):
        load_backbone_weights(model, tmp_path / "resnet.pth")
