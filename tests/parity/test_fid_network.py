"""The FID Inception network: layout of the published file, and its features against a plain rewriting of the graph."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch.nn import functional

from methods.common.errors import InputError
from methods.common.metrics.generated_images.image_folders import list_images
from methods.common.metrics.generated_images.inception import (
    extract_features,
    fid_inception,
    load_fid_inception,
    read_inputs,
)
from tests.parity.random_inception import random_inception

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def state():
    return random_inception()


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(state, path)
    return path


class PlainInception:
    """The network as a chain of plain functions on named tensors, in float64."""

    def __init__(self, state):
        self.state = {name: tensor.double() for name, tensor in state.items()}

    def conv(self, x, name, stride=1, pad=True):
        weight = self.state[f"{name}.conv.weight"]
        padding = [size // 2 if pad else 0 for size in weight.shape[2:]]
        mean, var, scale, shift = (
            self.state[f"{name}.bn.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = functional.conv2d(x, weight, stride=stride, padding=padding)
        return ((x - mean) / (var + 1e-3).sqrt() * scale + shift).clamp(min=0)

    def chain(self, x, block, *names):
        for name in names:
            x = self.conv(x, f"{block}.{name}")
        return x

    def pooled(self, x, block, maximum=False):
        if maximum:
            pool = functional.max_pool2d(x, 3, 1, 1)
        else:
            inside = torch.ones_like(x[:1, :1])
            pool = functional.avg_pool2d(x, 3, 1, 1) / functional.avg_pool2d(inside, 3, 1, 1)
        return self.conv(pool, f"{block}.branch_pool")

    def a(self, x, block):
        five = self.chain(x, block, "branch5x5_1", "branch5x5_2")
        three = self.chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
        return torch.cat([self.chain(x, block, "branch1x1"), five, three, self.pooled(x, block)], 1)

    def b(self, x, block):
        three = self.conv(x, f"{block}.branch3x3", 2, pad=False)
        double = self.chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2")
        double = self.conv(double, f"{block}.branch3x3dbl_3", 2, pad=False)
        return torch.cat([three, double, functional.max_pool2d(x, 3, 2)], 1)

    def c(self, x, block):
        seven = self.chain(x, block, *(f"branch7x7_{i}" for i in (1, 2, 3)))
        double = self.chain(x, block, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)))
        return torch.cat([self.chain(x, block, "branch1x1"), seven, double, self.pooled(x, block)], 1)

    def d(self, x, block):
        three = self.conv(self.chain(x, block, "branch3x3_1"), f"{block}.branch3x3_2", 2, pad=False)
        seven = self.chain(x, block, *(f"branch7x7x3_{i}" for i in (1, 2, 3)))
        seven = self.conv(seven, f"{block}.branch7x7x3_4", 2, pad=False)
        return torch.cat([three, seven, functional.max_pool2d(x, 3, 2)], 1)

    def e(self, x, block, maximum):
        parts = [self.chain(x, block, "branch1x1")]
        three = self.chain(x, block, "branch3x3_1")
        parts += [self.conv(three, f"{block}.branch3x3_2{side}") for side in "ab"]
        double = self.chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2")
        parts += [self.conv(double, f"{block}.branch3x3dbl_3{side}") for side in "ab"]
        return torch.cat([*parts, self.pooled(x, block, maximum)], 1)

    def __call__(self, x):
        x = self.conv(self.conv(x, "Conv2d_1a_3x3", 2, pad=False), "Conv2d_2a_3x3", pad=False)
        x = functional.max_pool2d(self.conv(x, "Conv2d_2b_3x3"), 3, 2)
        x = self.conv(self.conv(x, "Conv2d_3b_1x1"), "Conv2d_4a_3x3", pad=False)
        x = functional.max_pool2d(x, 3, 2)
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self.a(x, name)
        x = self.b(x, "Mixed_6a")
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self.c(x, name)
        x = self.e(self.e(self.d(x, "Mixed_7a"), "Mixed_7b", False), "Mixed_7c", True)
        return x.mean((2, 3))


def test_names_and_shapes_are_those_that_the_published_file_fills():
    # pytorch-fid loads its file, strictly, into torchvision's network of 1,008 classes without auxiliary head.
    theirs = torchvision.models.inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    ours = fid_inception().state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in theirs.state_dict().items()
    }


def test_features_equal_the_plain_graph(state, weights):
    image_NCHW = torch.rand(2, 3, 299, 299, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        ours = load_fid_inception(weights, CPU)(image_NCHW).double()
        plain = PlainInception(state)(image_NCHW.double())
    assert ours.shape == (2, 2048)
    assert plain.std() > 0.1, "the test sees something"
    assert (ours - plain).abs().max() < 1e-5 * plain.abs().max()


def test_inputs_are_rescaled_without_antialiasing_to_plus_minus_one(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 700, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "b.png")
    inputs, forms = read_inputs([tmp_path / "a.png", tmp_path / "b.png"])
    assert inputs.shape == (2, 3, 299, 299)
    assert [form.mode for form in forms] == ["RGB", "L"]
    # Half-pixel centres, two neighbours along each axis, borders repeated.
    position = [np.clip((np.arange(299) + 0.5) * size / 299 - 0.5, 0, size - 1) for size in (50, 700)]
    low = [np.floor(p).astype(int) for p in position]
    high = [np.minimum(start + 1, size - 1) for start, size in zip(low, (50, 700), strict=True)]
    part = [p - start for p, start in zip(position, low, strict=True)]
    rows = pixels[low[0]] * (1 - part[0])[:, None, None] + pixels[high[0]] * part[0][:, None, None]
    expected = rows[:, low[1]] * (1 - part[1])[None, :, None] + rows[:, high[1]] * part[1][None, :, None]
    assert np.allclose(inputs[0].permute(1, 2, 0).numpy(), expected / 255 * 2 - 1, atol=3e-4)
    assert torch.equal(inputs[1, 0], inputs[1, 1])


def test_neither_threads_nor_neighbours_change_features(weights, tmp_path, monkeypatch):
    monkeypatch.setattr("methods.common.metrics.generated_images.inception._BATCH", 2)
    rng = np.random.default_rng(3)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    for index in range(3):
        side = rng.integers(4, 90, 2)
        Image.fromarray(rng.integers(0, 256, (*side, 3), dtype=np.uint8)).save(tmp_path / "one" / f"{index}.png")
    Image.open(tmp_path / "one" / "2.png").save(tmp_path / "two" / "only.png")
    seen = []
    folders = [list_images(tmp_path / "two"), list_images(tmp_path / "one")]
    alone, many = extract_features(folders, weights, num_threads=1, progress=lambda *told: seen.append(told))
    _, again = extract_features(folders, weights, num_threads=2)
    assert np.array_equal(many.feature_ND, again.feature_ND)
    assert np.allclose(alone.feature_ND[0], many.feature_ND[2], rtol=0, atol=1e-5)
    assert many.names == ("0", "1", "2")
    assert [done for done, _ in seen] == [1, 3, 4]
    assert {total for _, total in seen} == {4}
    assert "not the published" in many.notes[-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("Mixed_7c.branch1x1.conv.weight"), "has no tensor Mixed_7c.branch1x1.conv.weight"),
        (lambda state: state.update({"fc.weight": torch.zeros(1000, 2048)}), r"fc.weight has shape \(1000, 2048\)"),
        (lambda state: state.update({"AuxLogits.fc.bias": torch.zeros(1)}), "has a tensor AuxLogits.fc.bias too many"),
        (lambda state: state.update({"epoch": 3}), "no table of named tensors"),
    ],
)
def test_another_network_is_one_sentence(state, tmp_path, change, said):
    changed = dict(state)
    change(changed)
    torch.save(changed, tmp_path / "other.pth")
    with pytest.raises(InputError, match=said):
        load_fid_inception(tmp_path / "other.pth", CPU)


def test_no_file_and_no_tensors_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        load_fid_inception(tmp_path / "absent.pth", CPU)
    (tmp_path / "page.pth").write_text("<html>")
    with pytest.raises(InputError, match="no file of tensors"):
        load_fid_inception(tmp_path / "page.pth", CPU)
