"""AffinityNet's pairs, loss, labels and walk by hand, its miniature in training mode, and files that it starts from."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from methods.common.errors import InputError
from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust.affinity.config import AffinityNetConfig, affinity_miniature
from methods.diffumask_robust.affinity.labels import complemented, fuse_labels
from methods.diffumask_robust.affinity.loss import affinity_loss, pair_labels
from methods.diffumask_robust.affinity.network import AffinityNet
from methods.diffumask_robust.affinity.official import imagenet_entries, load_official, take_trunk
from methods.diffumask_robust.affinity.pairs import affinities, pair_cells
from methods.diffumask_robust.affinity.walk import transitions, walk


def test_pairs_as_released_leave_a_gap_at_the_border_and_as_meant_do_not() -> None:
    for (height, width), released, meant in (((12, 16), 2176, 4744), ((56, 56), 84864, 99128)):
        first, second = pair_cells(height, width, 5, "as_released")
        assert len(first) == released
        assert len(pair_cells(height, width, 5, "as_meant")[0]) == meant
        alone = set(range(height * width)) - set(first.tolist()) - set(second.tolist())
        lonely = [(0, 0), (0, 1), (0, 2), (0, 3), (-2, 0), (-2, -1), (-1, 0), (-1, 1), (-1, -2), (-1, -1)]
        assert alone == {(row % height) * width + column % width for row, column in lonely}
    assert len(pair_cells(4, 20, 5, "as_released")[0]) == len(pair_cells(20, 8, 5, "as_released")[0]) == 0


def test_pairs_as_meant_are_all_that_are_near() -> None:
    first, second = (cells.tolist() for cells in pair_cells(7, 8, 5, "as_meant"))
    cells = [divmod(cell, 8) for cell in range(56)]
    near = {
        (a, b)
        for a in range(56)
        for b in range(a + 1, 56)
        if (cells[a][0] - cells[b][0]) ** 2 + (cells[a][1] - cells[b][1]) ** 2 < 25
    }
    assert set(zip(first, second, strict=True)) == near
    assert len(first) == len(near)


def test_the_affinity_of_the_worked_example() -> None:
    feature = torch.tensor([[0.0, 1.0], [0.5, 1.5]]).T.reshape(1, 2, 1, 2)
    assert affinities(feature, 2, "as_meant").tolist() == [[pytest.approx(0.606531, abs=1e-6)]]


@pytest.mark.parametrize(
    ("beta", "steps", "expected", "tolerance"),
    [
        (8, 1, [0.699072, 0.300927, 0.0], 1e-6),
        (8, 256, [0.499886, 0.499885, 0.000327], 2e-6),
        (16, 1, [0.843667, 0.156333, 0.0], 1e-6),
    ],
)
def test_the_walk_of_the_worked_example(beta: int, steps: int, expected: list[float], tolerance: float) -> None:
    step = transitions(np.array([0.9, 0.1, 0.2]), np.array([0, 0, 1]), np.array([1, 2, 2]), 3, beta)
    assert np.allclose(step.sum(0), 1, atol=1e-15)
    assert np.allclose(walk(np.array([[1.0, 0, 0]]), step, steps), [expected], atol=tolerance)


def test_the_walk_is_the_power_of_the_dense_matrix_also_where_cells_have_no_neighbour() -> None:
    generator = np.random.default_rng(0)
    first, second = (cells.numpy() for cells in pair_cells(12, 12, 5, "as_released"))
    step = transitions(generator.uniform(0.2, 1, len(first)), first, second, 144, 8)
    score = generator.uniform(0, 1, (3, 144))
    dense = step.toarray()
    for steps in (0, 1, 2, 7, 256):
        expected = score @ np.linalg.matrix_power(dense, steps)
        assert np.abs(walk(score, step, steps) - expected).max() < 2e-8, steps
    assert np.allclose(walk(score, step, 256)[:, 0], score[:, 0], rtol=0, atol=1e-8)
    assert isinstance(step, sparse.csr_array)


def test_pair_labels_and_loss_by_hand() -> None:
    label = torch.tensor([[[0, 0, 1], [255, 1, 2]]], dtype=torch.uint8)
    labels = pair_labels(label, 2, "as_meant")
    first, second = pair_cells(2, 3, 2, "as_meant")
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    right, below = [(0, 1), (1, 2), (3, 4), (4, 5)], [(1, 3), (2, 4), (0, 3), (1, 4), (2, 5), (0, 4), (1, 5)]
    assert pairs == right + below
    assert [pairs[place] for place in labels.background_NP[0].nonzero()] == [(0, 1)]
    assert [pairs[place] for place in labels.foreground_NP[0].nonzero()] == [(2, 4)]
    unequal = [(1, 2), (4, 5), (1, 4), (2, 5), (0, 4), (1, 5)]
    assert [pairs[place] for place in labels.unequal_NP[0].nonzero()] == unequal
    affinity = torch.tensor([[0.5 if pair == (0, 1) else 0.7 if pair == (2, 4) else 0.2 for pair in pairs]])
    losses = affinity_loss(affinity, labels, BatchShare(0, 1, 1))
    assert float(losses["background"]) == pytest.approx(-np.log(0.5) / 4, abs=1e-4)
    assert float(losses["foreground"]) == pytest.approx(-np.log(0.7) / 4, abs=1e-4)
    assert float(losses["unequal"]) == pytest.approx(-np.log(0.8) / 2, abs=1e-4)


def test_labels_where_runs_agree_and_the_complement_as_released() -> None:
    sure = torch.tensor([[0.1, 0.8, 0.8, 0.2, 0.0], [0.7, 0.1, 0.1, 0.6, 0.0], [0.2, 0.1, 0.1, 0.2, 0.0]])
    unsure = torch.tensor([[0.1, 0.2, 0.9, 0.9, 0.0], [0.8, 0.7, 0.05, 0.0, 0.0], [0.1, 0.1, 0.05, 0.1, 0.0]])
    stacks = [scores.reshape(1, 3, 1, 5) for scores in (sure, unsure)]
    assert fuse_labels(*stacks).flatten().tolist() == [1, 255, 0, 0, 255]
    released = [complemented(scores[..., :4], "as_released") for scores in stacks]
    # The least likely class of each run: 0 1 1 0 and 0 2 1 1.
    assert fuse_labels(*released).flatten().tolist() == [0, 1, 1, 255]
    assert torch.equal(complemented(sure, "as_meant"), sure)


def test_the_miniature_keeps_its_norms_and_pads_to_whole_cells() -> None:
    model = AffinityNet(affinity_miniature(), torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    image = torch.rand(2, 3, 62, 65) * 255
    with model.dropping(torch.Generator().manual_seed(1), BatchShare(0, 2, 2), torch.device("cpu")):
        feature = model(image).feature_NChw
    assert feature.shape == (2, 64, 16, 17)
    assert not torch.equal(feature, model(image).feature_NChw)
    feature.sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, _ in model.named_parameters() if "bn" not in name}


def test_the_release_freezes_its_first_stage() -> None:
    model = AffinityNet.without_weights(AffinityNetConfig())
    still = {name.split(".")[0] for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert {"conv1a", "b2", "b2_1", "b2_2"} <= still
    moving = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert not any("bn" in name for name in moving)
    assert min(moving).startswith("b3.")
    assert len(model.new_layers) == 4


# ---- files

SMALL = affinity_miniature()


def params_file(path: Path, arrays: dict[str, np.ndarray], version: int) -> None:
    """Write a file by MXNet's format: version 0 has 32-bit sides, 1 has 64-bit ones, 2 names the storage first."""
    parts = [struct.pack("<QQQ", 0x112, 0, len(arrays))]
    for array in arrays.values():
        if version == 0:
            parts.append(struct.pack(f"<I{array.ndim}I", array.ndim, *array.shape))
        else:
            storage = [] if version == 1 else [struct.pack("<i", 0)]
            head = struct.pack("<I", 0xF993FAC8 if version == 1 else 0xF993FAC9)
            parts += [head, *storage, struct.pack(f"<I{array.ndim}q", array.ndim, *array.shape)]
        parts += [struct.pack("<iii", 1, 0, 0), array.astype("<f4").tobytes()]
    parts.append(struct.pack("<Q", len(arrays)))
    parts += [struct.pack("<Q", len(name)) + name.encode() for name in arrays]
    path.write_bytes(b"".join(parts))


def mxnet_name(ours: str) -> str:
    """The name of an entry of our network in the ImageNet file."""
    block, _, rest = ours.partition(".")
    if ours == "conv1a.weight":
        return "arg:conv1a_weight"
    kinds = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
    if block.startswith("bn"):
        part = kinds.get(rest, "gamma")
        return f"{'aux' if part.startswith('moving') else 'arg'}:{block}_{part}"
    layer, part = rest.split(".")
    stage, _, place = block[1:].partition("_")
    where = f"{stage}a" if not place else f"{stage}b{place}"
    if layer.startswith("conv_"):
        return f"arg:res{where}_{layer.removeprefix('conv_')}_weight"
    part = kinds.get(part, "gamma")
    return f"{'aux' if part.startswith('moving') else 'arg'}:bn{where}_{layer.removeprefix('bn_')}_{part}"


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_imagenet_file_fills_the_trunk_and_leaves_the_branches(tmp_path: Path, version: int) -> None:
    source = AffinityNet(SMALL, torch.Generator().manual_seed(1))
    for number, (name, value) in enumerate(source.state_dict().items()):
        if "running" in name:
            value.add_(number / 1000)
    trunk = {
        name: value.numpy()
        for name, value in source.state_dict().items()
        if not name.endswith("num_batches_tracked") and not name.startswith("f")
    }
    stored = {mxnet_name(name): value for name, value in trunk.items()} | {"arg:linear1000_bias": np.zeros(4)}
    params_file(tmp_path / "small.params", stored, version)
    assert imagenet_entries(tmp_path / "small.params").keys() == trunk.keys()
    model = AffinityNet(SMALL, torch.Generator().manual_seed(2))
    branch = model.get_submodule("f8_3").weight.clone()
    assert take_trunk(model, tmp_path / "small.params", "imagenet") == len(trunk)
    assert all(np.array_equal(model.state_dict()[name].numpy(), value) for name, value in trunk.items())
    assert torch.equal(model.get_submodule("f8_3").weight, branch)


def test_wrong_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    model = AffinityNet(SMALL, torch.Generator().manual_seed(1))
    path = tmp_path / "weights.params"
    with pytest.raises(InputError, match="cannot be read"):
        take_trunk(model, path, "imagenet")
    path.write_bytes(b"PK\x03\x04 no such file at all")
    with pytest.raises(InputError, match="does not begin as MXNet's files do"):
        take_trunk(model, path, "imagenet")
    params_file(path, {"arg:conv1a_weight": np.zeros((2, 3, 3, 3))}, 2)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="cut short"):
        take_trunk(model, path, "imagenet")
    params_file(path, {"arg:vgg_weight": np.zeros(3)}, 2)
    with pytest.raises(InputError, match="an array 'vgg_weight'"):
        take_trunk(model, path, "imagenet")
    params_file(path, {"arg:conv1a_weight": np.zeros((2, 3, 3, 3))}, 2)
    with pytest.raises(InputError, match=r"missing: .*of another shape: conv1a.weight"):
        take_trunk(model, path, "imagenet")


def test_the_classifier_of_voc_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    source = AffinityNet(SMALL, torch.Generator().manual_seed(1))
    trunk = {name: value for name, value in source.state_dict().items() if not name.startswith("f")}
    torch.save(trunk | {"fc8.weight": torch.zeros(20, 64, 1, 1)}, tmp_path / "res38_cls.pth")
    model = AffinityNet(SMALL, torch.Generator().manual_seed(2))
    with pytest.raises(InputError, match="real VOC images"):
        take_trunk(model, tmp_path / "res38_cls.pth", "imagenet")
    take_trunk(model, tmp_path / "res38_cls.pth", "voc_classifier")
    assert torch.equal(model.conv1a.weight, source.conv1a.weight)
    again = load_official(source.state_dict(), SMALL)
    assert torch.equal(again.f9.weight, source.f9.weight)
