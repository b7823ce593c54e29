"""Mask2Former as a semantic segmenter: post-processing by hand, training, files, configs."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from methods.common.errors import InputError
from methods.common.segmenters.backbones.config import SwinConfig
from methods.common.segmenters.mask2former.config import Mask2FormerConfig, resnet50
from methods.common.segmenters.mask2former.model import Mask2Former
from methods.common.segmenters.mask2former.presets import mask2former_miniature, mask2former_r50, mask2former_swinl
from methods.common.segmenters.mask_queries.postprocess import full_size_masks, semantic_scores
from methods.common.training.batch_shard import BatchShare
from tests.unit.plain_instances import best_instances

LARGE = 50.0  # a logit whose sigmoid is 1


def small_config() -> Mask2FormerConfig:
    changed = {"decoder_layers": 2, "num_queries": 6}
    base = mask2former_miniature(4)
    return base.model_copy(update={**changed, "loss": base.loss.model_copy(update={"num_points": 128})})


@pytest.fixture
def network() -> Mask2Former:
    return Mask2Former(small_config(), torch.Generator().manual_seed(1)).eval()


def picture(height: int, width: int, images: int = 1) -> torch.Tensor:
    return torch.rand(images, 3, height, width, generator=torch.Generator().manual_seed(2)) * 255


def test_semantic_scores_by_hand() -> None:
    class_logit = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]))
    mask_logit = torch.tensor([[[LARGE, -LARGE, 0.0]], [[LARGE, LARGE, -LARGE]]])
    expected = torch.tensor([[[0.6, 0.1, 0.25]], [[0.45, 0.2, 0.125]]])
    assert torch.allclose(semantic_scores(class_logit, mask_logit), expected, atol=1e-6)


def test_best_instances_by_hand() -> None:
    class_logit = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]))
    mask_logit = torch.tensor([[[LARGE, -1.0]], [[torch.tensor(3.0).log(), -LARGE]]])  # qualities 1 and 0.75
    found = best_instances(class_logit, mask_logit, num_kept=3)
    assert found.class_R.tolist() == [1, 0, 1]
    assert torch.allclose(found.score_R, torch.tensor([0.6, 0.5, 0.3]), atol=1e-5)
    assert found.mask_RHW.tolist() == [[[True, False]]] * 3
    empty = best_instances(class_logit, torch.full((2, 1, 2), -1.0))
    assert empty.score_R.tolist() == [0] * 4
    assert not empty.mask_RHW.any()


def test_masks_are_cut_out_of_the_padded_image_before_they_are_resized() -> None:
    mask = torch.zeros(1, 4, 4)
    mask[:, :, 3] = 8.0
    assert full_size_masks(mask, (8, 8), (8, 5)).max() < 1
    assert full_size_masks(mask, (8, 8), (8, 8)).max() == 8
    assert full_size_masks(mask, (8, 8), (8, 5), (20, 30)).shape == (1, 20, 30)
    assert full_size_masks(mask, (8, 8), (8, 5), (20, 30)).max() < 1


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47), (17, 70)])
def test_scores_have_the_size_of_the_images(network: Mask2Former, height: int, width: int) -> None:
    scores = network.scores(picture(height, width, 2))
    assert scores.shape == (2, 4, height, width)
    assert scores.dtype == torch.float32


def test_padding_is_zero_after_normalising(network: Mask2Former) -> None:
    image = picture(30, 50)
    mean = torch.tensor(network.config.pixel_mean)[None, :, None, None].expand(1, 3, 32, 64).clone()
    mean[..., :30, :50] = image
    assert torch.allclose(network.scores(image), network.scores(mean)[..., :30, :50], atol=1e-5)


def test_same_generator_same_network() -> None:
    first, second = (Mask2Former(small_config(), torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.isfinite(parameter).all() for parameter in first.parameters())


def test_training_lowers_the_loss_and_reaches_every_parameter() -> None:
    network = Mask2Former(small_config(), torch.Generator().manual_seed(4)).train()
    image = torch.full((2, 3, 32, 32), 60.0)
    label = torch.zeros(2, 32, 32, dtype=torch.int64)
    image[0, 0, 8:24, 8:24], label[0, 8:24, 8:24] = 250.0, 2
    image[1, 1, :, 16:], label[1, :, 16:] = 250.0, 3
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    generator, history = torch.Generator().manual_seed(5), []
    for _ in range(30):
        losses = network.losses(image, label, generator, BatchShare(0, 2, 2))
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert set(losses) == {"class", "mask", "dice", "earlier_class", "earlier_mask", "earlier_dice", "dense"}
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
    assert history[-1] < 0.6 * history[0]


def test_losses_depend_on_the_generator_only() -> None:
    network = Mask2Former(small_config(), torch.Generator().manual_seed(4)).train()
    label = torch.randint(0, 4, (2, 30, 40), generator=torch.Generator().manual_seed(1))
    found = []
    for seed in (7, 7, 8):
        torch.manual_seed(len(found))
        losses = network.losses(picture(30, 40, 2), label, torch.Generator().manual_seed(seed), BatchShare(0, 2, 2))
        found.append(losses["mask"].item())
    assert found[0] == found[1] != found[2]


def test_autocast_leaves_pixel_decoder_and_loss_in_full_precision() -> None:
    network = Mask2Former(small_config(), torch.Generator().manual_seed(4)).train()
    image, label = picture(32, 32, 2), torch.randint(0, 4, (2, 32, 32), generator=torch.Generator().manual_seed(1))
    full = network.losses(image, label, torch.Generator().manual_seed(7), BatchShare(0, 2, 2))
    with torch.autocast("cpu", torch.bfloat16):
        assert network(image).mask_features.dtype == torch.float32
        half = network.losses(image, label, torch.Generator().manual_seed(7), BatchShare(0, 2, 2))
    assert all(loss.dtype == torch.float32 for loss in half.values())
    assert sum(loss.item() for loss in half.values()) == pytest.approx(
        sum(loss.item() for loss in full.values()), rel=0.05
    )


def test_swin_draws_its_dropped_paths_from_the_generator() -> None:
    backbone = SwinConfig(
        patch_px=2, window=4, embedding=16, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), output_stages=(0, 1, 2, 3)
    )
    config = small_config().model_copy(update={"backbone": backbone})
    network = Mask2Former(config, torch.Generator().manual_seed(4)).train()
    found = []
    for seed in (7, 7, 9, 10):
        torch.manual_seed(len(found))
        found.append(network(picture(32, 32, 4), torch.Generator().manual_seed(seed)).features[-1])
    assert torch.equal(found[0], found[1])
    assert not (torch.equal(found[1], found[2]) and torch.equal(found[2], found[3]))


@pytest.mark.parametrize("trained", [True, False])
def test_batch_norm_affine(trained: bool) -> None:
    config = small_config().model_copy(update={"train_batch_norm_affine": trained})
    network = Mask2Former(config, torch.Generator().manual_seed(0))
    norms = [module for module in network.backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert all(norm.weight.requires_grad == norm.bias.requires_grad == trained for norm in norms)
    frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    assert len(frozen) == (0 if trained else 2 * len(norms))


def test_class_layers_are_all_that_the_number_of_classes_changes() -> None:
    with torch.device("meta"):
        few, many = (Mask2Former(mask2former_miniature(count)).state_dict() for count in (4, 9))
        plain = Mask2Former(mask2former_r50(21))
        network = Mask2Former(mask2former_miniature(4))
    other = {name for name, value in few.items() if value.shape != many[name].shape}
    assert other == {name for name in few if name.startswith(network.class_layers)}
    assert plain.class_layers == ("head.class_predictor.",)
    assert network.num_classes == 4


def test_saved_and_read_again(network: Mask2Former, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    again = Mask2Former.from_pretrained(tmp_path)
    assert again.config == network.config
    assert not again.training
    assert torch.equal(again.scores(picture(20, 20)), network.scores(picture(20, 20)))


def test_damaged_files_are_named(network: Mask2Former, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"config\.json cannot be read .*; give a folder that a segmenter's save_pretrained wrote"
    ):
        Mask2Former.from_pretrained(tmp_path)
    network.save_pretrained(tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"num_classes": 5}))
    with pytest.raises(
        InputError, match=r"model\.safetensors does not fit its config\.json.*class_predictor"
    ) as caught:
        Mask2Former.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)
    config.write_text(json.dumps(content | {"queries": 5}))
    with pytest.raises(InputError, match=r"config\.json describes no Mask2FormerConfig: queries: .*; give the folder"):
        Mask2Former.from_pretrained(tmp_path)
    config.write_text(json.dumps(content))
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputError, match=r"model\.safetensors cannot be read .*give a folder"):
        Mask2Former.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": {"kind": "resnet"}}, "names 3 stages; Mask2Former reads 4"),
        ({"pad_multiple": 48}, "no multiple of the backbone's stride 32"),
        ({"norm_groups": 48}, "feature_width 256 is no multiple of 32 and of norm_groups 48"),
        ({"hidden_width": 72}, "hidden_width 72 is no multiple of 4 and of twice the 8 heads"),
        ({"loss": {"void": "ignored"}}, "'negative' or 'excluded'"),
    ],
)
def test_sizes_that_do_not_agree_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Mask2FormerConfig.model_validate({"num_classes": 3, **change})


def test_presets_are_those_of_the_specification() -> None:
    r50, swinl = mask2former_r50(21), mask2former_swinl(21)
    assert r50.backbone == resnet50()
    assert (r50.num_queries, swinl.num_queries) == (100, 200)
    assert (r50.encoder_layers, r50.decoder_layers, r50.encoder_ffn_width, r50.decoder_ffn_width) == (6, 9, 1024, 2048)
    loss = r50.loss
    assert (loss.class_weight, loss.mask_weight, loss.dice_weight, loss.no_object_weight) == (2, 5, 5, 0.1)
    assert (loss.num_points, loss.oversampling, loss.importance_share) == (12_544, 3, 0.75)
    assert (loss.void, loss.dense_weight) == ("negative", 0)
    assert not mask2former_r50(21, train_batch_norm_affine=False).train_batch_norm_affine
