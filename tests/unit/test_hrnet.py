"""HRNet: shapes, the known number of parameters, the names of published weights, training, and one exchange by hand."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch.nn import functional

from methods.common.segmenters.backbones.config import HRNetConfig
from methods.common.segmenters.backbones.hrnet import HRNet
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.hrnet.config import hrnet_miniature, hrnet_recipe, hrnet_w48
from methods.common.segmenters.hrnet.model import HRNetSegmenter
from methods.common.segmenters.semantic.segmenters import build_segmenter, load_segmenter
from methods.common.segmenters.semantic.starting import take_published_backbone
from methods.common.stages.train_semantic import TrainSemanticConfig
from methods.common.stages.training_sources import RealSource
from methods.common.training.batch_shard import BatchShare
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.sgd_recipe import SgdRecipe
from tests.unit.labelled_data import refusal


def network(seed: int = 0) -> HRNetSegmenter:
    return HRNetSegmenter(hrnet_miniature(4), torch.Generator().manual_seed(seed))


def test_w48_has_the_published_number_of_parameters() -> None:
    """The release counts 65,859,379 with 19 classes, 720 of them biases before a batch norm, which change nothing."""
    with torch.device("meta"):
        cityscapes, ade20k = (HRNetSegmenter(hrnet_w48(classes)) for classes in (19, 150))
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in (cityscapes, ade20k)]
    assert counts[0] == 65_859_379 - 720
    assert counts[1] - counts[0] == (150 - 19) * (48 + 96 + 192 + 384 + 1)


def test_names_are_those_of_the_release() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in HRNet(HRNetConfig()).state_dict().items()}
    expected = {
        "conv1.weight": (64, 3, 3, 3),
        "conv2.weight": (64, 64, 3, 3),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.3.conv3.weight": (256, 64, 1, 1),
        "transition1.0.0.weight": (48, 256, 3, 3),
        "transition1.1.0.0.weight": (96, 256, 3, 3),
        "transition2.2.0.0.weight": (192, 96, 3, 3),
        "transition3.3.0.1.running_mean": (384,),
        "stage2.0.branches.1.3.conv2.weight": (96, 96, 3, 3),
        "stage3.3.branches.2.0.bn1.weight": (192,),
        "stage4.2.fuse_layers.0.3.0.weight": (48, 384, 1, 1),
        "stage4.2.fuse_layers.3.0.0.0.weight": (48, 48, 3, 3),
        "stage4.2.fuse_layers.3.0.2.0.weight": (384, 48, 3, 3),
        "stage4.2.fuse_layers.3.2.0.1.bias": (384,),
    }
    assert {name: shapes.get(name) for name in expected} == expected
    convolutions = [name for name, shape in shapes.items() if len(shape) == 4]
    assert not any(name.startswith(("transition2.0", "transition2.1", "stage5")) for name in shapes)
    assert len(convolutions) == 305  # 2 and 13 before the branches, 4 of transitions, 208 of blocks, 78 of exchanges


@pytest.mark.parametrize("size", [(64, 64), (50, 70)])
def test_branches_have_strides_4_to_32_and_scores_the_size_of_the_image(size: tuple[int, int]) -> None:
    model = network().eval()
    image = torch.rand(2, 3, *size) * 255
    branches = model.encoder(image)
    assert [tuple(branch.shape[1:]) for branch in branches] == [
        (width, *(-(-side // stride) for side in size)) for width, stride in ((8, 4), (16, 8), (24, 16), (32, 32))
    ]
    assert model.scores(image).shape == (2, 4, *size)


def test_an_exchange_adds_every_branch_to_each() -> None:
    model = network(1).eval()
    exchange = model.encoder.get_submodule("stage2.0")
    fine, coarse = (torch.randn(1, 8, 8, 12), torch.randn(1, 16, 4, 6))
    worked = [layers(branch) for layers, branch in zip(exchange.branches, (fine, coarse), strict=True)]
    up, down = exchange.fuse_layers[0][1], exchange.fuse_layers[1][0]
    raised = functional.interpolate(up(worked[1]), size=(8, 12), mode="bilinear", align_corners=False)
    found = exchange([fine, coarse])
    assert torch.allclose(found[0], functional.relu(worked[0] + raised), atol=1e-6)
    assert torch.allclose(found[1], functional.relu(worked[1] + down(worked[0])), atol=1e-6)


def test_published_weights_fill_the_backbone_and_what_follows_it_there_is_left_out(tmp_path: Path) -> None:
    source, model = network(2), network(3)
    published = {name: value for name, value in source.encoder.state_dict().items() if "num_batches" not in name}
    extra = {"incre_modules.0.0.conv1.weight": torch.zeros(2), "classifier.weight": torch.zeros(2)}
    extra |= {"downsamp_modules.0.0.weight": torch.zeros(2), "final_layer.0.weight": torch.zeros(2)}
    save_file(published | extra, tmp_path / "hrnet.safetensors")
    assert take_published_backbone(model, tmp_path / "hrnet.safetensors") == len(model.encoder.state_dict())
    for name, value in published.items():
        assert torch.equal(model.encoder.state_dict()[name], value)
    published.pop("transition3.3.0.0.weight")
    save_file(published, tmp_path / "short.safetensors")
    assert "transition3.3.0.0.weight" in refusal(
        lambda: load_backbone_weights(model.encoder, tmp_path / "short.safetensors")
    )


def test_training_reaches_every_parameter_and_lowers_the_loss(tmp_path: Path) -> None:
    model = build_segmenter(hrnet_miniature(4), torch.Generator().manual_seed(4))
    image = torch.full((2, 3, 32, 32), 60.0)
    label = torch.zeros(2, 32, 32, dtype=torch.int64)
    image[0, 0, 8:24, 8:24], label[0, 8:24, 8:24] = 250.0, 2
    label[1, :4] = 255
    optimizer, history = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    for _ in range(15):
        losses = model.losses(image, label, torch.Generator(), BatchShare(0, 2, 2))
        optimizer.zero_grad()
        losses["pixel"].backward()
        optimizer.step()
        history.append(losses["pixel"].item())
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert history[-1] < 0.6 * history[0]
    model.save_pretrained(tmp_path)
    again = load_segmenter(tmp_path)
    assert isinstance(again, HRNetSegmenter)
    assert torch.equal(again.scores(image), model.eval().scores(image))


def test_the_rate_falls_to_its_floor_and_the_recipe_is_told_from_adamws() -> None:
    recipe = hrnet_recipe()
    assert (recipe.iterations, recipe.batch_size, recipe.weight_decay) == (100_000, 16, 5e-4)
    assert recipe.rate_at(0) == 0.01
    assert recipe.rate_at(50_000) == pytest.approx(1e-4 + 0.0099 * 0.5**0.9)
    assert recipe.rate_at(100_000) == pytest.approx(1e-4)
    with pytest.raises(ValidationError, match=r"lowest_lr 1\.0 is above base_lr 0\.01"):
        SgdRecipe(momentum=0.9, lowest_lr=1.0)
    parts = {"segmenter": hrnet_miniature(4), "source": RealSource()}
    for chosen in (recipe, PolyRecipe(iterations=5)):
        config = TrainSemanticConfig(**parts, recipe=chosen)
        assert type(TrainSemanticConfig.model_validate_json(config.model_dump_json()).recipe) is type(chosen)


def test_the_descent_has_momentum_and_decays_weights() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    recipe = SgdRecipe(momentum=0.5, base_lr=0.1, weight_decay=0.25, iterations=10, lowest_lr=0.1)
    optimizer = recipe.build_optimizer(model)
    for step in range(2):
        recipe.set_rates(optimizer, step)
        optimizer.zero_grad()
        model(torch.ones(1, 1)).sum().backward()
        recipe.clip_gradients(model.parameters())
        optimizer.step()
    first = 2.0 - 0.1 * (1 + 0.25 * 2.0)
    assert model.weight.item() == pytest.approx(first - 0.1 * (0.5 * 1.5 + 1 + 0.25 * first))
