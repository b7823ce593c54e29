"""DeepLab: sizes, its loss and dropout, saving, loading of official checkpoints, and what it takes from others."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.segmenters.deeplab.model import DeepLab
from methods.common.segmenters.deeplab.official import NAMES, load_official
from methods.common.segmenters.deeplab.presets import deeplab_miniature
from methods.common.segmenters.semantic.segmenters import build_segmenter, load_segmenter
from methods.common.segmenters.semantic.starting import backbone_prefix, take_published_backbone, take_weights
from methods.common.training.batch_shard import BatchShare

SMALL = DeepLabConfig(
    num_classes=3,
    backbone=ResNetConfig(
        blocks=(1, 1, 1, 3),
        widths=(4, 4, 8, 8),
        stem_width=8,
        norm="batch",
        output_stages=(0, 1, 2, 3),
        stem="deep",
        shortcut="pooled",
        dilated_stages=(3,),
        multi_grid=(1, 2, 4),
    ),
    rates=(1, 2),
    width=16,
    low_level_width=8,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(seed: int = 0, **changes: object) -> DeepLab:
    return DeepLab(SMALL.model_copy(update=changes), seeded(seed))


def batch(number: int = 3) -> tuple[Tensor, Tensor]:
    generator = seeded(1)
    image = torch.rand(number, 3, 34, 45, generator=generator) * 255
    return image, torch.randint(0, 3, (number, 34, 45), generator=generator)


def loss(model: DeepLab, image: Tensor, label: Tensor, share: BatchShare | None = None) -> Tensor:
    return model.losses(image, label, seeded(5), share or BatchShare(0, len(image), len(image)))["pixel"]


@pytest.mark.parametrize("size", [(33, 47), (64, 64), (50, 66)])
@pytest.mark.parametrize("decoder", [True, False])
def test_scores_have_the_size_of_any_image(size: tuple[int, int], decoder: bool) -> None:
    model = build(low_level_width=8 if decoder else None).eval()
    image = torch.rand(1, 3, *size) * 255
    assert model.scores(image).shape == (1, 3, *size)
    stride = 4 if decoder else 16
    assert model(image).logits.shape[2:] == tuple(-(-side // stride) for side in size)


def test_the_loss_is_the_mean_cross_entropy_of_rated_pixels() -> None:
    model, (image, label) = build(dropout=0.0), batch()
    label[:, :5] = 255
    expected = torch.nn.functional.cross_entropy(model.scores(image), label, ignore_index=255)
    torch.testing.assert_close(loss(model, image, label), expected)


def test_dropout_follows_the_generator_in_training_only() -> None:
    model, (image, label) = build(dropout=0.5), batch()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    dropped = [model.losses(image, label, seeded(seed), BatchShare(0, 3, 3))["pixel"].item() for seed in (1, 1, 2)]
    assert dropped[0] == dropped[1] != dropped[2]
    assert torch.equal(torch.get_rng_state(), state)
    model.eval()
    assert loss(model, image, label) == torch.nn.functional.cross_entropy(model.scores(image), label)


def test_dropout_is_an_images_own_in_any_share() -> None:
    backbone = SMALL.backbone.model_copy(update={"norm": "group", "widths": (8, 8, 8, 8), "stem_width": 16})
    model, (image, _) = build(dropout=0.5, norm="group", backbone=backbone), batch()
    whole = model.training_scores(image, seeded(3), BatchShare(0, 3, 3))
    last = model.training_scores(image[1:], seeded(3), BatchShare(1, 2, 3))
    torch.testing.assert_close(last, whole[1:])
    assert not torch.allclose(model.training_scores(image[1:], seeded(3), BatchShare(0, 2, 3)), last)


def test_a_batch_of_one_is_refused_in_training() -> None:
    model, (image, label) = build(), batch(1)
    with pytest.raises(InputError, match=r"needs two images; set recipe.batch_size to 2 or more"):
        loss(model, image, label)
    assert loss(model.eval(), image, label).isfinite()


def test_it_learns_two_colours() -> None:
    model = DeepLab(deeplab_miniature(2), seeded(0))
    label = torch.randint(0, 2, (4, 4, 4), generator=seeded(0)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    image = torch.stack([label * 200.0, 255 - label * 200.0, label * 0.0 + 90], 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(15):
        optimizer.zero_grad()
        loss(model, image, label).backward()
        optimizer.step()
    assert (model.scores(image).argmax(1) == label).float().mean() > 0.9


def test_it_is_built_saved_and_loaded_by_its_kind(tmp_path: Path) -> None:
    model = build_segmenter(SMALL, seeded(0)).eval()
    model.save_pretrained(tmp_path)
    loaded = load_segmenter(tmp_path)
    assert isinstance(loaded, DeepLab)
    assert loaded.config == SMALL
    assert torch.equal(loaded.scores(batch()[0]), model.scores(batch()[0]))


def test_weights_of_another_number_of_classes_are_taken(tmp_path: Path) -> None:
    source, model = build(seed=1, num_classes=7), build()
    source.save_pretrained(tmp_path)
    assert backbone_prefix(model) == "encoder."
    taken = set(take_weights(model, tmp_path, "all_but_classes"))
    assert set(model.state_dict()) - taken == {"head.classifier.weight", "head.classifier.bias"}
    torch.save(source.encoder.state_dict(), tmp_path / "backbone.pth")
    assert take_published_backbone(build(), tmp_path / "backbone.pth") == len(model.encoder.state_dict())


def official(model: DeepLab) -> dict[str, Tensor]:
    return {NAMES.official_name(name): value for name, value in model.state_dict().items()}


def test_both_networks_of_an_official_checkpoint_load(tmp_path: Path) -> None:
    models = {"network1": build(1).eval(), "network2": build(2).eval()}
    path = tmp_path / "best_ckpt.pth"
    torch.save({"net_state_dict": {name: official(model) for name, model in models.items()}}, path)
    for name in ("network1", "network2"):
        loaded = load_official(path, SMALL, name)  # type: ignore[arg-type]
        assert not loaded.training
        assert torch.equal(loaded.scores(batch()[0]), models[name].scores(batch()[0]))
    torch.save({"net_state_dict": {"network1": official(models["network1"])}}, path)
    with pytest.raises(InputError, match=r"network2 of .*best_ckpt.pth holds no state dict"):
        load_official(path, SMALL, "network2")


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    entries = official(build())
    wrong = {name: value for name, value in entries.items() if name != "aspp.projector.0.weight"}
    wrong |= {"aspp.unknown": torch.zeros(1), "classifier.bias": torch.zeros(9)}
    with pytest.raises(InputError, match=r"does not fit the DeepLab .*1 missing: aspp.projector.0.weight; 1 unexp") as error:  # fmt: skip
        load_official(wrong, SMALL)
    assert "1 of another shape: classifier.bias (9,) instead of (3,)" in str(error.value)
    for absent in ("classifier.weight", "backbone.stem_layer.conv1.weight"):
        with pytest.raises(InputError, match=f"has no '{absent}', so it is no DeepLabV3"):
            load_official({name: value for name, value in entries.items() if name != absent})
    (tmp_path / "torn.pth").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"torn.pth cannot be read as plain weights"):
        load_official(tmp_path / "torn.pth")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": ResNetConfig(output_stages=(3,))}, "a decoder needs two outputs, or set low_level_width to None"),
        ({"norm": "group", "low_level_width": 12}, "are not all multiples of 8, which group norm needs"),
        ({"num_classes": 1}, "greater than or equal to 2"),
    ],
)
def test_impossible_networks_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DeepLabConfig.model_validate({"num_classes": 3} | wrong)
