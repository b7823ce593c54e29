"""The small convolutional segmenter: sizes, its loss, saving, loading, and what it takes from others."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.common.errors import InputError
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter
from methods.common.segmenters.semantic.segmenters import build_segmenter, load_segmenter
from methods.common.segmenters.semantic.starting import backbone_prefix, take_weights
from methods.common.training.batch_shard import BatchShare

SMALL = ConvolutionalConfig(num_classes=4, widths=(8, 8, 16), norm="group")


def build(seed: int = 0, **changes) -> ConvolutionalSegmenter:
    return ConvolutionalSegmenter(SMALL.model_copy(update=changes), torch.Generator().manual_seed(seed))


def batch(number: int = 3, height: int = 20, width: int = 28) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(number, 3, height, width, generator=generator) * 255
    return image, torch.randint(0, 4, (number, height, width), generator=generator)


def loss(model, image, label) -> torch.Tensor:
    share = BatchShare(0, len(image), len(image))
    return model.losses(image, label, torch.Generator(), share)["pixel"]


@settings(max_examples=15, deadline=None)
@given(st.integers(8, 70), st.integers(8, 70), st.sampled_from(["batch", "group"]))
def test_scores_have_the_size_of_any_image(height, width, norm) -> None:
    scores = build(norm=norm).eval().scores(torch.rand(1, 3, height, width) * 255)
    assert scores.shape == (1, 4, height, width)
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()


def test_the_generator_decides_on_all_weights_and_torchs_own_is_left_alone() -> None:
    state = torch.get_rng_state()
    one, same, other = (dict(build(seed).named_parameters()) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])


def test_the_loss_is_the_mean_cross_entropy_of_rated_pixels() -> None:
    model, (image, label) = build(), batch()
    label[:, :5] = 255
    expected = torch.nn.functional.cross_entropy(model.scores(image), label, ignore_index=255)
    torch.testing.assert_close(loss(model, image, label), expected)


def test_pixels_that_are_not_rated_do_not_move_the_loss_and_none_rated_is_no_loss() -> None:
    model, (image, label) = build(), batch()
    label[1] = 255
    assert loss(model, image[1:2], label[1:2]) == 0.0
    both = loss(model, image[:2], label[:2])
    torch.testing.assert_close(both, loss(model, image[:1], label[:1]))


def test_pixel_values_are_normalised_inside() -> None:
    model = build().eval()
    mean = torch.tensor(SMALL.pixel_mean)[:, None, None].expand(3, 16, 16)[None]
    zeros = [torch.zeros(1, 3, 16, 16)]
    for level in model.encoder.levels:
        zeros.append(level(zeros[-1]))
    for found, expected in zip(model.features(mean), zeros[1:], strict=True):
        torch.testing.assert_close(found, expected)


def test_it_learns_two_colours() -> None:
    model = build(num_classes=2)
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 2, (8, 4, 4), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    image = torch.stack([label * 200.0, 255 - label * 200.0, label * 0.0 + 90], 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        loss(model, image, label).backward()
        optimizer.step()
    assert (model.scores(image).argmax(1) == label).float().mean() > 0.9


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_a_saved_segmenter_comes_back(tmp_path, norm) -> None:
    model = build(norm=norm)
    model.scores(batch()[0])  # moves the running statistics
    model.eval().save_pretrained(tmp_path / "model")
    loaded = load_segmenter(tmp_path / "model")
    assert isinstance(loaded, ConvolutionalSegmenter)
    assert loaded.config == model.config
    assert not loaded.training
    assert torch.equal(loaded.scores(batch()[0]), model.scores(batch()[0]))


def test_the_union_builds_both_kinds() -> None:
    from methods.common.segmenters.mask2former.presets import mask2former_miniature

    assert type(build_segmenter(SMALL)).__name__ == "ConvolutionalSegmenter"
    assert type(build_segmenter(mask2former_miniature(num_classes=4))).__name__ == "Mask2Former"


def write(folder, config=None, weights=None) -> None:
    build().save_pretrained(folder)
    if config is not None:
        (folder / "config.json").write_text(config)
    if weights is not None:
        (folder / "model.safetensors").write_bytes(weights)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"config": "{"}, r"config.json cannot be read .*; give a folder that a segmenter's save_pretrained wrote"),
        ({"config": "[1]"}, r"config.json holds no config; give a folder"),
        (
            {"config": '{"kind": "unet"}'},
            r"names the kind 'unet'; known are convolutional, mask2former, deeplab and hrnet",
        ),
        (
            {"config": '{"kind": "convolutional"}'},
            r"describes no ConvolutionalConfig: num_classes: Field required; give the folder",
        ),
        ({"weights": b"torn"}, r"model.safetensors cannot be read .*; give a folder"),
        (
            {"config": '{"kind": "convolutional", "num_classes": 9}'},
            r"model.safetensors does not fit its config.json .*; train the segmenter again",
        ),
    ],
)
def test_damaged_folders_are_named(tmp_path, damage, message) -> None:
    write(tmp_path, **damage)
    with pytest.raises(InputError, match=message):
        load_segmenter(tmp_path)


def test_a_missing_folder_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"absent/config.json cannot be read"):
        load_segmenter(tmp_path / "absent")


@pytest.mark.parametrize("what", ["backbone", "all_but_classes"])
def test_weights_of_another_number_of_classes_are_taken_as_far_as_asked(tmp_path, what) -> None:
    source, model, untouched = build(seed=1, num_classes=7), build(), build()
    source.save_pretrained(tmp_path)
    taken = set(take_weights(model, tmp_path, what))
    for name, tensor in model.state_dict().items():
        from_source = torch.equal(tensor, source.state_dict()[name]) if name in taken else False
        assert from_source or torch.equal(tensor, untouched.state_dict()[name])
    assert taken == {
        name
        for name in model.state_dict()
        if (name.startswith("encoder.") if what == "backbone" else not name.startswith("classifier."))
    }


def test_weights_that_do_not_fit_are_named(tmp_path) -> None:
    build(widths=(8, 16, 16)).save_pretrained(tmp_path)
    model = build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(
        InputError, match=r"encoder.levels.1.0.0.weight has shape \(16, 8, 3, 3\), the segmenter's \(8, 8"
    ):
        take_weights(model, tmp_path, "backbone")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items()), "nothing half taken"
    build(widths=(8, 8)).save_pretrained(tmp_path)
    with pytest.raises(
        InputError, match=r"has no encoder.levels.2.0.0.weight; start from a segmenter of the same kind"
    ):
        take_weights(model, tmp_path, "all_but_classes")


def test_the_backbone_of_mask2former_is_found_too(tmp_path) -> None:
    from methods.common.segmenters.mask2former.presets import mask2former_miniature

    source, model = (build_segmenter(mask2former_miniature(num_classes=count)) for count in (5, 3))
    assert backbone_prefix(model) == "encoder."
    source.save_pretrained(tmp_path)
    taken = take_weights(model, tmp_path, "all_but_classes")
    assert set(model.state_dict()) - set(taken) == {
        name for name in model.state_dict() if name.startswith(model.class_layers)
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"widths": (8,)}, "widths names 1 level; give at least 2"),
        ({"widths": (12, 8), "norm": "group"}, "are not all multiples of 8, which group norm needs"),
        ({"num_classes": 1}, "greater than or equal to 2"),
    ],
)
def test_impossible_networks_are_refused(wrong, message) -> None:
    with pytest.raises(ValidationError, match=message):
        ConvolutionalConfig.model_validate({"num_classes": 3} | wrong)
